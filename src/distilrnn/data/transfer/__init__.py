"""Pools of unlabelled sentences: read from files and datasets, generated, changed; normalised, without duplicates."""
