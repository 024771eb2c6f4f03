"""Labelled corpora in CoLA's raw format: reading, checking, writing and splitting."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import Field

from distilrnn.artifacts.files import whole_file
from distilrnn.artifacts.records import BySplit, FileRecord
from distilrnn.errors import InputError
from distilrnn.params.splits import SPLITS, TRAIN, evaluation_splits

COLUMNS = "source, label, mark, sentence"
LABEL = re.compile(r"0|[1-9][0-9]{0,3}")
LONGEST_LINE = 1 << 23
"""Bytes: more is no text of one label, and would be read into memory whole."""
LONGEST_SOURCE = 100
"""Characters: sources are keys of the metrics and rows of the report."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled sentence; its id is its row in the split, from 0."""

    source: str
    label: int
    mark: str
    sentence: str

    def line(self) -> str:
        """The example as a line of CoLA's raw format."""
        return f"{self.source}\t{self.label}\t{self.mark}\t{self.sentence}\n"


class SplitCounts(FileRecord):
    """The size of a split."""

    sentences: int
    classes: list[int]
    """Sentences of each class."""


class SkippedRows(FileRecord):
    """Bad rows of a table that were passed over."""

    rows: int
    reasons: list[str]
    """Where and why, for the first of them."""


class CorpusSummary(FileRecord):
    """corpus.json."""

    hash: str
    """Of all splits (see `corpus_hash`)."""
    classes: list[str]
    """Their names, by label."""
    source: str = ""
    """Where the corpus is from."""
    splits: BySplit[SplitCounts]
    warnings: list[str] = Field(default_factory=list)
    skipped: dict[str, SkippedRows] = Field(default_factory=dict)
    """By table."""


def parse_split(lines: Iterable[bytes], where: str, classes: int | None = None) -> Iterator[Example]:
    """The examples in the lines of a TSV file: source, label, mark and sentence, without header or quoting.

    Accepts a byte-order mark, CRLF and empty lines at the end. `classes` bounds the labels where it is given.

    Raises:
        InputError: naming file and line, at the first row that is not of this form.
    """
    first_row_read = False
    empty = 0
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise InputError(f"{where}:{number}: is longer than {LONGEST_LINE} bytes: write one sentence a line")
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        text = text.removesuffix(b"\n").removesuffix(b"\r")
        if not text:
            empty = empty or number
            continue
        if empty:
            raise InputError(f"{where}:{empty}: the line is empty: remove it")
        first_row_read = True
        yield _parse_line(text, f"{where}:{number}", classes)
    if not first_row_read:
        raise InputError(f"{where}: is empty: give it one sentence a line ({COLUMNS}, separated by tabs)")


def _parse_line(line: bytes, place: str, classes: int | None) -> Example:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: is not UTF-8 (byte {error.start + 1}): unpack it, or convert it to UTF-8") from None
    if "\0" in text or "\r" in text:
        raise InputError(
            f"{place}: holds a NUL or a lone carriage return: save the file as UTF-8 with lines that end in a newline"
        )
    columns = text.split("\t")
    if len(columns) != 4:
        raise InputError(f"{place}: has {len(columns)} columns, not 4: write {COLUMNS}, separated by single tabs")
    source, label, mark, sentence = columns
    if not LABEL.fullmatch(label) or (classes is not None and int(label) >= classes):
        allowed = "0 or 1" if classes == 2 else f"a number from 0 to {9999 if classes is None else classes - 1}"
        raise InputError(
            f"{place}: the label is {label[:20]!r}, not {allowed}: check the second column (there is no header row)"
        )
    if len(source) > LONGEST_SOURCE or not source.isprintable():
        raise InputError(
            f"{place}: the source has an unprintable character, or more than {LONGEST_SOURCE}: write a short plain name"
        )
    if not any(is_visible(character) for character in sentence):
        raise InputError(f"{place}: the sentence is empty or invisible: write it or remove the row")
    return Example(source, int(label), mark, sentence)


def is_visible(character: str) -> bool:
    """Whether it makes a mark on paper."""
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")


def iterate_split(path: Path, classes: int | None = None) -> Iterator[Example]:
    """The examples of a split, one at a time; raises InputError."""
    try:
        with path.open("rb") as file:
            yield from parse_split(iter(partial(file.readline, LONGEST_LINE + 1), b""), str(path), classes)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file: a corpus folder holds {', '.join(s + '.tsv' for s in SPLITS)}"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): check the path") from None


def read_split(path: Path, classes: int | None = None) -> list[Example]:
    """The examples of a split; raises InputError."""
    return list(iterate_split(path, classes))


def read_folder(folder: Path, classes: int) -> dict[str, list[Example]]:
    """The three splits in a folder; raises InputError."""
    try:
        present = folder.is_dir()
    except OSError:  # a name that is too long, or a folder above it that is closed
        present = False
    if not present:
        raise InputError(f"{folder}: no such folder: set corpus.path to the folder with {TRAIN}.tsv and the dev splits")
    return {split: read_split(folder / f"{split}.tsv", classes) for split in SPLITS}


def check_corpus(splits: Mapping[str, list[Example]], classes: Sequence[str], where: str) -> list[str]:
    """Refuse a corpus that cannot be learned from, and return warnings about one that can.

    Raises:
        InputError: a class has no training sentence.
    """
    counts = Counter(example.label for example in splits[TRAIN])
    for label, name in enumerate(classes):
        if not counts[label]:
            raise InputError(
                f"{where}: {TRAIN} has no sentence of class {label} ({name}): add some, or remove the class"
            )
    labels = {split: _labels_of_sentences(examples) for split, examples in splits.items()}
    single = [name for label, name in enumerate(classes) if counts[label] == 1]
    warnings = [f"{TRAIN}: class {name} has a single sentence: little can be learned of it" for name in single]
    train = set(map(_spelled, labels[TRAIN]))
    for split in splits:
        repeated = len(splits[split]) - len(labels[split])
        if repeated:
            differing = sum(found.bit_count() > 1 for found in labels[split].values())
            warnings.append(f"{split}: {repeated} rows repeat a sentence, {differing} sentences have different labels")
    for split in evaluation_splits(splits):
        leaked = [example for example in splits[split] if example.sentence in labels[TRAIN]]
        if leaked:
            differing = sum(labels[TRAIN][example.sentence] != 1 << example.label for example in leaked)
            warnings.append(f"{split}: {len(leaked)} sentences also stand in {TRAIN}, {differing} with another label")
        near = sum(_spelled(example.sentence) in train for example in splits[split])
        if near > len(leaked):
            warnings.append(
                f"{split}: {near - len(leaked)} more sentences differ from one in {TRAIN} in case, spaces or "
                "punctuation alone"
            )
    return warnings


def _spelled(sentence: str) -> int:
    """A number for the sentence's letters, digits and symbols: the same in other case, spacing and punctuation.

    The hash alone is kept: a million sentences would take ten times as much memory.
    """
    kept = "".join(c for c in sentence.casefold() if c.isalnum() or unicodedata.category(c)[0] not in "PZC")
    return hash(kept or sentence)


def _labels_of_sentences(examples: list[Example]) -> dict[str, int]:
    """A bit for each label of a sentence: a set for each of a million sentences would take 200 MB."""
    labels: dict[str, int] = {}
    for example in examples:
        labels[example.sentence] = labels.get(example.sentence, 0) | 1 << example.label
    return labels


def write_corpus(
    folder: Path,
    splits: Mapping[str, list[Example]],
    unlabelled: Iterable[str],
    classes: Sequence[str],
    source: str,
    notes: Sequence[str] = (),
    skipped: Mapping[str, SkippedRows] | None = None,
) -> CorpusSummary:
    """Write splits, unlabelled sentences and corpus.json into `folder`, and return the latter; raises InputError.

    `notes` say what was found in the source and changed in the sentences: they go before the warnings. `skipped` are
    bad rows that were passed over, by table; the key is there only where there are some.
    """
    summary = CorpusSummary(
        hash=corpus_hash(splits),
        classes=list(classes),
        source=source,
        splits={split: _count(examples, len(classes)) for split, examples in splits.items()},
        warnings=[*notes, *check_corpus(splits, classes, source)],
        **({"skipped": dict(skipped)} if skipped else {}),
    )
    for split, examples in splits.items():
        with whole_file(folder / f"{split}.tsv") as file:
            file.writelines(example.line().encode() for example in examples)
    with whole_file(folder / "unlabelled.txt") as file:
        file.writelines(f"{sentence}\n".encode() for sentence in unlabelled)
    summary.write(folder / "corpus.json")
    return summary


def _count(examples: list[Example], classes: int) -> SplitCounts:
    counts = Counter(example.label for example in examples)
    return SplitCounts(sentences=len(examples), classes=[counts[label] for label in range(classes)])


def corpus_hash(splits: Mapping[str, Iterable[Example]]) -> str:
    """SHA-256 over the splits in their order: what logits and checkpoints are keyed by."""
    whole = hashlib.sha256()
    for examples in splits.values():
        digest = hashlib.sha256()
        for example in examples:
            digest.update(example.line().encode())
        whole.update(digest.digest())
    return whole.hexdigest()


def read_summary(folder: Path) -> CorpusSummary:
    """corpus.json of a written corpus; raises InputError."""
    return CorpusSummary.read(folder / "corpus.json")
