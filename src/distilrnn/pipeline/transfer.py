"""Rule transfer: the sentences of one source of unlabelled text, for teachers to score."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from distilrnn.artifacts.files import write_json
from distilrnn.artifacts.transfer import Pool, read_sentences
from distilrnn.data.corpus import iterate_split, read_summary
from distilrnn.data.grammar import more_training_sentences
from distilrnn.data.holdout import split_holdout
from distilrnn.data.transfer.augment import Vocabulary, augmented
from distilrnn.data.transfer.keys import leak_key
from distilrnn.data.transfer.pool import Excluded, PoolWriter
from distilrnn.data.transfer.text import read_dataset, read_text
from distilrnn.errors import InputError
from distilrnn.params.common import HoldoutParams
from distilrnn.params.splits import TRAIN, evaluation_splits
from distilrnn.params.transfer import (
    TRAIN_SENTENCES,
    AugmentSource,
    CorpusSource,
    DatasetSource,
    SampleSource,
    Source,
    TextSource,
)


@dataclass(frozen=True)
class Material:
    """What sources may be made of."""

    corpus: Path
    """Folder of the corpus."""
    selection: HoldoutParams
    seed: int
    pools: Sequence[Path] = ()
    """Folders of other pools."""
    base: Path | None = None
    """Folder of a base."""
    threads: int | None = None

    @cached_property
    def sentences(self) -> dict[str, list[str]]:
        """The labelled sentences of every split."""
        return {
            split: [example.sentence for example in iterate_split(self.corpus / f"{split}.tsv")]
            for split in read_summary(self.corpus).splits
        }

    @cached_property
    def parts_of_train(self) -> tuple[list[str], list[str]]:
        """The sentences of train to learn from, and those that are held out."""
        labels = np.array([example.label for example in iterate_split(self.corpus / f"{TRAIN}.tsv")])
        sentences = self.sentences[TRAIN]
        learned, held_out = split_holdout(labels, self.selection)
        return [sentences[row] for row in learned], [sentences[row] for row in held_out]

    def excluded(self) -> Excluded:
        """The keys of the labelled sentences."""
        learned, held_out = self.parts_of_train
        reported = (sentence for split in evaluation_splits(self.sentences) for sentence in self.sentences[split])
        return Excluded(*(frozenset(map(leak_key, some)) for some in (reported, held_out, learned)))


def from_corpus(source: CorpusSource, material: Material) -> Iterable[str]:
    """More of the generated corpus: the classes stay in this process's memory."""
    taken = {sentence for split in material.sentences.values() for sentence in split}
    return more_training_sentences(material.seed, source.sentences, taken, "transfer.sources.<source>.sentences")


def from_augmentation(source: AugmentSource, material: Material) -> Iterable[str]:
    """Changed copies of train and of other pools; words are replaced by words of the same sentences."""

    def sentences() -> Iterator[str]:
        if TRAIN_SENTENCES in source.of:
            yield from material.parts_of_train[0]
        for pool in material.pools:
            yield from read_sentences(pool)

    return augmented(sentences(), Vocabulary(sentences()), source, material.seed)


def from_samples(source: SampleSource, material: Material) -> Iterable[str]:
    """Sentences drawn from a base."""
    from distilrnn.models.sampling import sample_sentences
    from distilrnn.runtime.device import configure_process

    if material.base is None:
        raise InputError("the source draws from a base: name its folder with --base")
    configure_process(material.threads)
    return sample_sentences(material.base, source, material.parts_of_train[0], material.seed)


SOURCES: dict[type, Callable[[Any, Material], Iterable[str]]] = {
    TextSource: lambda source, _: read_text(source),
    DatasetSource: lambda source, _: read_dataset(source),
    AugmentSource: from_augmentation,
    SampleSource: from_samples,
    CorpusSource: from_corpus,
}
"""Where the sentences of each kind of source come from."""


def build_pool(source: Source, material: Material, max_sentences: int | None, output: Path) -> Pool:
    """Write sentences.txt, keys.safetensors and, last of all, transfer.json into `output`; return the last.

    Raises:
        InputError: the source cannot be read, or nothing of it is left.
    """
    writer = PoolWriter(material.excluded(), material.seed, max_sentences)
    digest = writer.write(output, SOURCES[type(source)](source, material))
    if not digest:
        raise InputError(f"transfer source {output.name}: {why_empty(writer)}")
    pool = Pool(source.recipe(), digest, read_summary(material.corpus).hash, writer.counts)
    write_json(output / "transfer.json", pool.to_json())
    return pool


def why_empty(writer: PoolWriter) -> str:
    """What became of the sentences of a pool in which none is left, and what to do."""
    counts = writer.counts
    if not counts.read:
        return "holds no sentence: give it some, or take it out of the params"
    reasons = {
        "are empty": counts.unusable,
        "stand in dev, test or out-of-domain": counts.in_reported,
        "are held out of train": counts.in_held_out,
        "stand in train": counts.in_train,
    }
    told = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
    return f"none of its {counts.read:,} sentences is new ({told}): give it other text, or take it out of the params"
