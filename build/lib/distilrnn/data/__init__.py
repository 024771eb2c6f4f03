"""Corpora and tokenizers: read, checked, encoded, and cut into batches."""
