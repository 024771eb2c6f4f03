"""Where a corpus comes from: one function a source, named in SOURCES."""

import hashlib
import http.client
import io
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distilrnn.data.corpus import Example, parse_split, read_folder
from distilrnn.errors import InputError, RunError
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.splits import DEV, OUT_OF_DOMAIN, SPLITS, TRAIN


@dataclass(frozen=True)
class LoadedCorpus:
    """What a source gives."""

    splits: Mapping[str, list[Example]]
    classes: Sequence[str]
    unlabelled: Iterable[str] = ()
    """Sentences to pre-train a base on."""
    notes: Sequence[str] = ()
    """What was found in the source and changed in the sentences, in words."""
    skipped: Mapping[str, Any] = field(default_factory=dict)
    """The bad rows of each table that were passed over: how many, where and why."""


COLA_URL = "https://nyu-mll.github.io/CoLA/cola_public_1.1.zip"
COLA_SHA256 = {
    TRAIN: "f320a10f92d3bce6b29152fde322a362eac39238e50d8de0c8815457fdf4fc12",
    DEV: "77176f6a03faa5a1c4f23c69971fc1bff565931112fb65af47b2d6e24b7f42f7",
    OUT_OF_DOMAIN: "201b9c57b2a20f1282242eec0ed8995729e3be19c29a46c047b3727338836c05",
}
COLA_LARGEST_MEMBER = 4 << 20  # bytes; the largest split has half a megabyte


def from_grammar(params: CorpusParams) -> LoadedCorpus:
    """The embedded corpus: generated, with unlabelled sentences to pre-train on."""
    from distilrnn.data.grammar import generate

    made = generate(params.seed, params.train_size, params.dev_size, params.unlabelled_size)
    parts = (made.train, made.in_domain_dev, made.out_of_domain_dev)
    splits = {
        split: [Example(e.source, e.label, e.mark, e.sentence) for e in part]
        for split, part in zip(SPLITS, parts, strict=True)
    }
    return LoadedCorpus(splits, params.classes, made.unlabelled)


def from_cola(params: CorpusParams) -> LoadedCorpus:
    """CoLA from its site."""
    return LoadedCorpus(download_cola(), params.classes)


def from_path(params: CorpusParams) -> LoadedCorpus:
    """A folder of TSV splits in CoLA's raw format."""
    return LoadedCorpus(read_folder(Path(str(params.path)), len(params.classes)), params.classes)


def from_own_data(params: CorpusParams) -> LoadedCorpus:
    """Tables with named columns; a base may be pre-trained on the texts of train."""
    from distilrnn.data.custom import read_own_data

    own = read_own_data(params)
    texts = (example.sentence for example in own.splits[TRAIN])
    skipped = {table: bad.record() for table, bad in own.skipped.items()}
    return LoadedCorpus(own.splits, own.classes, texts, own.notes, skipped)


SOURCES: dict[str, Callable[[CorpusParams], LoadedCorpus]] = {
    "generated": from_grammar,
    "cola": from_cola,
    "path": from_path,
    "files": from_own_data,
    "dataset": from_own_data,
}


def download_cola(url: str = COLA_URL) -> dict[str, list[Example]]:
    """CoLA's three public splits from its site, each checked against its pinned SHA-256.

    Raises:
        InputError: there is no network: the message says which path to set.
        RunError: what came is not CoLA as it was pinned.
    """
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            archive = response.read(64 << 20)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"{url}: CoLA cannot be downloaded ({getattr(error, 'reason', error)}): "
            "set corpus.source to 'path' and corpus.path to a folder with its raw TSV files"
        ) from None
    return cola_from_zip(archive, url)


def cola_from_zip(archive: bytes, where: str) -> dict[str, list[Example]]:
    """The splits in CoLA's zip; only the three expected members are read, none is written. Raises RunError."""
    splits = {}
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            for split, digest in COLA_SHA256.items():
                name = f"cola_public/raw/{split}.tsv"
                member = members.getinfo(name)
                # Deflate alone unpacks no more than it is asked for, whatever size the archive states.
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise RunError(f"{where}: {name} is packed in another way than CoLA's: get the archive again")
                with members.open(member) as file:
                    data = file.read(COLA_LARGEST_MEMBER + 1)
                if len(data) > COLA_LARGEST_MEMBER:
                    raise RunError(f"{where}: {name} is larger than CoLA's: get the archive again")
                if hashlib.sha256(data).hexdigest() != digest:
                    raise RunError(
                        f"{where}: {name} is not the pinned file (its SHA-256 differs): get the archive again"
                    )
                splits[split] = list(parse_split(io.BytesIO(data), name, 2))
    except (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, OSError, ValueError) as error:
        # RuntimeError: a member with a password, or packed in a way that is not known.
        raise RunError(f"{where}: is not CoLA's archive ({error}): get it again") from None
    return splits
