"""Table, figures, page and model card of an experiment."""
