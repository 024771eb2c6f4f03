from distilrnn.artifacts.runs import ParameterCounts, PointScores, TrainingRecord


def write_run(folder, kind="baseline", **values):
    """A run.json that says what is given, and what every run says."""
    default = {
        "seed": 0,
        "best_epoch": 1,
        "train": PointScores(loss=0.5, accuracy=0.75),
        "validation_at_best": PointScores(loss=0.6, accuracy=0.7, mcc=0.3, macro_f1=0.6),
        "parameters": ParameterCounts(total=1000, trainable=10),
        "seconds": 1.5,
        "corpus_hash": "ab" * 32,
    }
    TrainingRecord(kind=kind, **default | values).write(folder / "run.json")
