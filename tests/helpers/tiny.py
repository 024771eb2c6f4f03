"""A whole experiment so small that every stage takes a moment: the real stage functions on a hundred sentences."""

from dataclasses import dataclass
from pathlib import Path

from distilrnn.data.corpus import write_corpus
from distilrnn.data.sources import SOURCES
from distilrnn.params.base import BaseParams
from distilrnn.params.common import SelectionParams, TrainingParams
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.student import DistilParams, StudentModelParams
from distilrnn.params.teacher import TeacherTraining, TuningParams

CORPUS = CorpusParams(train_size=100, dev_size=40, unlabelled_size=300)
BASE = BaseParams(vocabulary=500, width=32, layers=2, heads=2, epochs=1)
TUNING = TuningParams(rank=2, alpha=4)
TEACHING = TeacherTraining(epochs=2, batch_size=16, learning_rate=5e-3, precision="fp32")
MODEL = StudentModelParams(embedding=8, hidden=8, dropout=0.1)
STUDYING = TrainingParams(epochs=3, batch_size=16, learning_rate=5e-3, precision="fp32")
SELECTION = SelectionParams(holdout_fraction=0.2)


@dataclass(frozen=True)
class Tiny:
    """Where the files of the small experiment lie."""

    folder: Path

    @property
    def corpus(self):
        return self.folder / "corpus"

    @property
    def base(self):
        return self.folder / "bases" / "tiny"

    @property
    def tokens(self):
        return self.folder / "tokens" / "tiny"

    @property
    def teacher(self):
        return self.folder / "teachers" / "tiny" / "seed0"

    @property
    def adapter(self):
        return self.teacher / "adapter.safetensors"

    @property
    def logits(self):
        return self.folder / "logits" / "tiny" / "seed0" / "logits.safetensors"

    @property
    def student(self):
        return self.folder / "students" / "rnn" / "tiny" / "seed0"

    @property
    def baseline(self):
        return self.folder / "baselines" / "rnn" / "seed0"


def make_corpus(folder, params=CORPUS):
    found = SOURCES[params.source](params)
    return write_corpus(folder, found.splits, found.unlabelled, found.classes, params.source, found.notes)


def teach(tiny, output, seed=0, tuning=TUNING, training=TEACHING, selection=SELECTION, tokens=None):
    from distilrnn.pipeline.teacher import TeacherJob, train_teacher

    job = TeacherJob(tiny.base, tokens or tiny.tokens, tuning, training, selection, seed=seed, threads=1)
    train_teacher(job, output)


def study(
    tiny, output, seed=0, taught=True, model=MODEL, training=STUDYING, selection=SELECTION, distil=None, tokens=None
):
    from distilrnn.pipeline.student import StudentJob, train_student

    logits = [tiny.logits] if taught is True else [taught] if isinstance(taught, Path) else taught or []
    distil = distil or DistilParams()
    job = StudentJob(tokens or tiny.tokens, model, training, selection, distil, logits, seed=seed, threads=1)
    train_student(job, output)


def make_experiment(folder):
    from distilrnn.pipeline.base import pretrain
    from distilrnn.pipeline.logits import compute_logits
    from distilrnn.pipeline.scoring import ScoringJob
    from distilrnn.pipeline.tokens import tokenize_corpus

    tiny = Tiny(folder)
    make_corpus(tiny.corpus)
    pretrain(tiny.corpus / "unlabelled.txt", BASE, tiny.base, 1)
    tokenize_corpus(tiny.corpus, tiny.base, None, tiny.tokens)
    teach(tiny, tiny.teacher)
    compute_logits(ScoringJob(tiny.base, tiny.adapter, tiny.tokens, 16, 1), tiny.logits.parent)
    study(tiny, tiny.student)
    study(tiny, tiny.baseline, taught=False)
    return tiny
