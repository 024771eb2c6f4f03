"""From somebody's data to an experiment that fits it: what is found, what is chosen, and what it will take."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from distilrnn.data.inspect import (
    Choice,
    ColumnFacts,
    DataFacts,
    UnlabelledFacts,
    columns_of,
    columns_of_dataset,
    label_choice,
    look_at,
    look_at_unlabelled,
    text_choice,
)
from distilrnn.data.tables import UNLABELLED_FOLDERS, dataset_splits, is_saved_dataset
from distilrnn.errors import InputError
from distilrnn.orchestration.experiments import PARAMS_FILE
from distilrnn.params.base import BaseParams
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.experiment import Experiment, validate_experiment
from distilrnn.params.splits import TRAIN
from distilrnn.scaffold.bases import Base, find_base
from distilrnn.scaffold.measure import Bench, Estimate
from distilrnn.scaffold.plan import (
    TokenLengths,
    lengths_by_words,
    params_text,
    pretrain_params,
    split_fractions,
)

FEWEST_TO_PRETRAIN = 100
SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "dev": ("dev", "valid", "validation", "val"),
    "test": ("test", "testing"),
}
"""Sub-folders that are splits, not classes."""
UNTELLING = ("", "train", "training", "data", "dataset", "corpus", "labelled", "labeled", "all")
"""Names of files that say nothing of what is in them."""

Ask = Callable[[str, Choice], str]
"""'text' or 'label', and the columns that could be meant, to the one that is."""


@dataclass(frozen=True)
class Wishes:
    """What somebody asks for."""

    data: Path
    """Of labelled texts: a file, a folder per class, a folder of save_to_disk, or (with `revision`) a hub id."""
    unlabelled: tuple[Path, ...] = ()
    base: str | None = None
    name: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    dev: Path | None = None
    test: Path | None = None
    estimate: bool = True
    revision: str | None = None
    subset: str | None = None

    @property
    def is_dataset(self) -> bool:
        """Whether it is a Hugging Face dataset."""
        return self.revision is not None or self.subset is not None or is_saved_dataset(self.data)


@dataclass(frozen=True)
class Proposal:
    """An experiment that fits the data."""

    text: str
    """Its params file."""
    experiment: Experiment
    facts: DataFacts
    unlabelled: tuple[UnlabelledFacts, ...]
    base: Base
    lengths: TokenLengths
    estimate: Estimate | None


def propose(wishes: Wishes, ask: Ask, say: Callable[[str], None]) -> Proposal:
    """Look at the data, choose sizes, and measure a few batches.

    Args:
        wishes: What is asked for.
        ask: Called where the data alone does not tell.
        say: Told what is going on.

    Raises:
        InputError: the data cannot be learned from, or a base that was named is not there.
    """
    name = wishes.name or _name_of(wishes.data)
    place = Path("experiments", name, PARAMS_FILE)
    if place.exists():
        raise InputError(f"{place}: is already there: choose another name with --name, or remove it")
    corpus = _corpus(wishes, ask)
    facts, corpus = look_at(corpus)
    unlabelled = tuple(look_at_unlabelled(path) for path in _unlabelled(wishes))
    base = find_base(wishes.base)
    train = len(facts.own.splits[TRAIN])
    if not base.is_pretrained and train < FEWEST_TO_PRETRAIN:
        raise InputError(
            f"{wishes.data}: has {train} texts to learn from, too few to pre-train a base on ({FEWEST_TO_PRETRAIN}): "
            "name a model directory, a .gguf file or a hub id with --base"
        )
    lengths = lengths_by_words(facts)
    pretrained = None if base.is_pretrained else pretrain_params(facts, lengths)

    def plan() -> tuple[str, Experiment]:
        text = params_text(name, corpus, facts, base, pretrained, lengths, unlabelled)
        return text, validate_experiment(yaml.safe_load(text), "the new experiment")

    text, experiment = plan()
    if not wishes.estimate:
        return Proposal(text, experiment, facts, unlabelled, base, lengths, None)
    with tempfile.TemporaryDirectory(prefix="distilrnn-init-") as folder:
        bench = Bench(Path(folder), facts)
        say("Loading the base …" if base.is_pretrained else "Pre-training a base on a few batches …")
        bench.prepare_base(pretrained or BaseParams(model=base.model, revision=base.revision))
        lengths = bench.token_lengths()
        text, experiment = plan()
        say("Measuring a few batches …")
        estimate = bench.estimate(experiment, sum(found.texts for found in unlabelled))
    return Proposal(text, experiment, facts, unlabelled, base, lengths, estimate)


def _corpus(wishes: Wishes, ask: Ask) -> CorpusParams:
    """The corpus section: places, columns, and what is split off; raises InputError."""
    place = _place_in_dataset(wishes, ask) if wishes.is_dataset else _place_in_files(wishes, ask)
    # A first look, at all of it: how much is split off depends on how much there is.
    counted, _ = look_at(CorpusParams(**place | {"dev": place["train"], "test": None}))
    rows, classes = len(counted.own.splits[TRAIN]), len(counted.classes)
    fractions = split_fractions(rows, classes, place["dev"] is not None, place["test"] is not None)
    return CorpusParams(**place, **fractions)


def _place_in_files(wishes: Wishes, ask: Ask) -> dict[str, Any]:
    """Where tables or folders and their columns are, as keys of the corpus section."""
    train, places = wishes.data, {"dev": wishes.dev, "test": wishes.test}
    if train.is_dir():
        found = {split: folder for split in SPLIT_FOLDERS if (folder := _split_folder(train, split))}
        if "train" in found:
            train = found.pop("train")
            places = {split: places[split] or found.get(split) for split in places}
        columns = {"text_column": "text", "label_column": "label"}
    else:
        columns = _columns(wishes, columns_of(wishes.data), ask)
    given = {split: None if place is None else str(place) for split, place in places.items()}
    return {"source": "files", "train": str(train), **given, **columns}


def _place_in_dataset(wishes: Wishes, ask: Ask) -> dict[str, Any]:
    """Where a dataset and its splits and columns are, as keys of the corpus section."""
    splits = dataset_splits(str(wishes.data), wishes.revision, wishes.subset)
    found = {split: next((name for name in names if name in splits), None) for split, names in SPLIT_FOLDERS.items()}
    found |= {split: str(name) for split, name in (("dev", wishes.dev), ("test", wishes.test)) if name is not None}
    if found["train"] is None:
        raise InputError(f"{wishes.data}: has no split train, only {', '.join(splits)}: write the experiment by hand")
    columns = _columns(wishes, columns_of_dataset(splits[found["train"]]), ask)
    dataset = {"path": str(wishes.data), "revision": wishes.revision, "subset": wishes.subset}
    return {"source": "dataset", **dataset, **found, **columns}


def _split_folder(folder: Path, split: str) -> Path | None:
    return next((place for name in SPLIT_FOLDERS[split] if (place := folder / name).is_dir()), None)


def _columns(wishes: Wishes, columns: Sequence[ColumnFacts], ask: Ask) -> dict[str, str]:
    """The columns of text and label, as keys of the corpus section; raises InputError."""
    names = [column.name for column in columns]
    for option, name in (("--text-column", wishes.text_column), ("--label-column", wishes.label_column)):
        if name is not None and name not in names:
            raise InputError(f"{wishes.data}: has no column {name}, only {', '.join(names)}: check {option}")
    text = wishes.text_column or _asked(wishes, "text", text_choice(columns), ask)
    label = wishes.label_column or _asked(wishes, "label", label_choice(columns, text), ask)
    return {"text_column": text, "label_column": label}


def _asked(wishes: Wishes, what: str, choice: Choice, ask: Ask) -> str:
    if not choice.columns:
        raise InputError(f"{wishes.data}: no column seems to be the {what}: name it with --{what}-column")
    return choice.columns[0] if choice.certain else ask(what, choice)


def _unlabelled(wishes: Wishes) -> list[Path]:
    """The files that are named, and a folder of unlabelled texts beside those of the classes."""
    train = (
        (_split_folder(wishes.data, "train") or wishes.data) if wishes.data.is_dir() and not wishes.is_dataset else None
    )
    beside = [] if train is None else [train / name for name in UNLABELLED_FOLDERS if (train / name).is_dir()]
    return [*wishes.unlabelled, *beside]


def _name_of(data: Path) -> str:
    """The data's name as that of an experiment; its folder's where it is called train, data or the like."""
    stem = data.name.split(".")[0].lower()
    if stem in UNTELLING and data.absolute().parent.name:
        stem = data.absolute().parent.name.lower()
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in stem).strip("-_")
    return plain[:40] or "own"
