"""What each system costs to train, to keep and to ask."""

import statistics
import time
from pathlib import Path

import numpy as np
import torch

from distilrnn.artifacts.costs import Costs, write_costs
from distilrnn.artifacts.layout import System, checkpoint_folder, teacher_folder
from distilrnn.artifacts.runs import TrainingRecord
from distilrnn.data.corpus import read_split
from distilrnn.evaluation.selection import compared_systems
from distilrnn.inference import Classifier, find_base, load_predictor
from distilrnn.params.evaluate import MeasureParams
from distilrnn.params.experiment import Experiment, read_experiment
from distilrnn.params.splits import evaluation_splits
from distilrnn.params.systems import teacher_name
from distilrnn.params.variant import Variant
from distilrnn.runtime.machine import machine

WARM_UP = 5


def measure(params: Path) -> dict[str, Costs]:
    """Time every system on this machine's CPU, and write costs.json beside the params; raises InputError.

    A figure is of the whole way from text to probabilities: tokenising, padding, model. The first seed stands for all,
    since seeds do not change the amount of work.
    """
    experiment, folder = read_experiment(params), params.parent
    torch.set_num_threads(experiment.measure.threads)
    judged = evaluation_splits(experiment.corpus.splits)[0]
    sentences = [example.sentence for example in read_split(folder / "corpus" / f"{judged}.tsv")]
    sentences = [sentences[i % len(sentences)] for i in range(experiment.measure.sentences)]
    systems = compared_systems(experiment, folder)
    costs = {s.name: measure_system(folder, s, sentences, experiment.measure) for s in systems if s.kind != "ensemble"}
    for system in systems:
        if system.kind == "ensemble":
            costs[system.name] = cost_of_ensemble(experiment, folder, str(system.teacher), costs)
    write_costs(folder / "costs.json", costs)
    return costs


def measure_system(folder: Path, system: System, sentences: list[str], params: MeasureParams) -> Costs:
    """The costs of one system."""
    runs = [TrainingRecord.read(checkpoint_folder(folder, system, seed) / "run.json") for seed in system.seeds]
    first = checkpoint_folder(folder, system, system.seeds[0])
    if system.kind == "teacher":
        checkpoint = first / "adapter.safetensors"
        base = find_base(checkpoint)
        size = checkpoint.stat().st_size + (base / "model.safetensors").stat().st_size
    else:
        checkpoint = first / system.checkpoint
        size = checkpoint.stat().st_size
    single, throughput = time_predictor(load_predictor(checkpoint), sentences, params.batch_size)
    return Costs(
        seconds_training=round(statistics.mean(run.seconds for run in runs), 3),
        milliseconds_single=round(single * 1000, 4),
        sentences_per_second=round(throughput, 1),
        checkpoint_bytes=size,
        parameters=runs[0].parameters.total,
        machine={**machine(), "threads": params.threads},
    )


def cost_of_ensemble(experiment: Experiment, folder: Path, name: str, costs: dict[str, Costs]) -> Costs:
    """The costs of asking every member: sums of what their teachers' chosen variants cost."""
    members = experiment.members(name)
    each = [costs[teacher_name(experiment.teachers[t].tuning.mode, Variant.parse(t).entry)] for t, _ in members]
    runs = [TrainingRecord.read(teacher_folder(folder, t, seed) / "run.json") for t, seed in members]
    return Costs(
        seconds_training=round(sum(run.seconds for run in runs), 3),
        milliseconds_single=round(sum(cost.milliseconds_single for cost in each), 4),
        sentences_per_second=round(1 / sum(1 / cost.sentences_per_second for cost in each), 1),
        checkpoint_bytes=sum(cost.checkpoint_bytes for cost in each),
        parameters=sum(run.parameters.total for run in runs),
        machine=each[0].machine,
    )


def time_predictor(predictor: Classifier, sentences: list[str], batch_size: int) -> tuple[float, float]:
    """Median seconds of a single sentence, and sentences per second in batches."""
    for sentence in sentences[:WARM_UP]:
        predictor.probabilities([sentence])
    singles = []
    for sentence in sentences:
        started = time.perf_counter()
        predictor.probabilities([sentence])
        singles.append(time.perf_counter() - started)
    started = time.perf_counter()
    predictor.probabilities(sentences, batch_size)
    return float(np.median(singles)), len(sentences) / (time.perf_counter() - started)
