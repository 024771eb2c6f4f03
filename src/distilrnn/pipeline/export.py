"""Rule export: every student of the comparison as ONNX."""

from pathlib import Path
from typing import Any

import torch

from distilrnn.artifacts import layout
from distilrnn.data.encoded import read_encoded_split, read_summary, used_token_ids
from distilrnn.evaluation.selection import compared_systems
from distilrnn.export.students import evaluated, export_student, write_export
from distilrnn.params.experiment import read_experiment
from distilrnn.params.splits import evaluation_splits


def export_systems(params: Path, threads: int) -> dict[str, dict[str, Any]]:
    """Rule export: every student and baseline of the comparison, evaluated as onnxruntime runs it.

    The first seed stands for all, as it does for costs. The graphs have a vector for every type of the corpus, so they
    are exact on all that is measured, and small.

    Returns:
        What export.json holds, by system: about the files, `parity` (the largest difference of a logit between
        student.onnx and the student), and by evaluation split the accuracy and MCC of both variants.

    Raises:
        InputError: a file is missing or damaged.
    """
    experiment, folder = read_experiment(params), params.parent
    tokenizers = {name: of.tokenizer for name, of in (experiment.students | experiment.baselines).items()}
    torch.set_num_threads(threads)
    found = {}
    for system in compared_systems(experiment, folder):
        if system.student is None:
            continue
        checkpoint = layout.checkpoint_folder(folder, system, system.seeds[0]) / "student.safetensors"
        tokens = folder / "tokens" / tokenizers[system.student]
        splits = list(read_summary(tokens).splits)
        exported = export_student(checkpoint, used_token_ids(tokens, splits), int8=True)
        encoded = {split: read_encoded_split(tokens, split) for split in evaluation_splits(splits)}
        found[system.name] = {
            "system": system.name,
            "variant": system.variant,
            "seed": system.seeds[0],
            **exported.about,
            "checkpoint_bytes": checkpoint.stat().st_size,
            **evaluated(exported, encoded, threads),
        }
        write_export(layout.export_folder(folder, system.name), exported, found[system.name])
    return found
