"""Metrics of a system, significance tests between systems, and the choice of a variant."""
