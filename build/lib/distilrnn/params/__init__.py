"""Typed parameters, one module per section of params.yaml.

A script imports only its own section, so that a new knob of the report never retrains a teacher:
Snakemake and DVC rerun a stage when a module that it imports changes.
"""
