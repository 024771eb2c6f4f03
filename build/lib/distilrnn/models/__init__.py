"""Teachers (a base with adapters and a head), students (recurrent classifiers), and their checkpoints."""
