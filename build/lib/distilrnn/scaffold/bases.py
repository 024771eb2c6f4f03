"""Which base models can be reached from here: folders, GGUF files, the hub's cache, the hub."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from distilrnn.errors import InputError
from distilrnn.params.corpus import HUB_ID

FOLDERS = ("models", "bases")
"""Where models of one's own are looked for, below the current folder."""
LARGEST = 1200 << 20
"""Bytes of weights up to which a base is proposed unasked: larger ones take hours on a CPU."""
WEIGHTS = "*.safetensors"


@dataclass(frozen=True)
class Base:
    """A base that a teacher can be made of; `model` is 'pretrain' where there is none."""

    model: str
    revision: str | None = None
    size: int = 0
    """Bytes of its weights."""
    folder: Path | None = None
    """Where its config.json lies, if it has one here."""

    @property
    def is_pretrained(self) -> bool:
        """Whether it knows a language before it sees the data."""
        return self.model != "pretrain"

    @property
    def context(self) -> int | None:
        """Tokens that it reads at most; None where that is not known."""
        if self.folder is None:
            return None
        with suppress(OSError, ValueError, AttributeError):
            config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
            config = config.get("text_config", config)
            return config.get("max_position_embeddings") or config.get("n_positions")
        return None

    @property
    def name(self) -> str:
        """A short name for the params."""
        stem = Path(self.model).name.removesuffix(".gguf").lower()
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in stem).strip("-")
        return "tiny" if not self.is_pretrained else plain[:24].strip("-") or "base"


PRETRAIN = Base("pretrain")


def find_base(given: str | None) -> Base:
    """The base that is asked for, or the best that can be reached; PRETRAIN where there is none.

    Raises:
        InputError: the one that is asked for is not there.
    """
    if given is None:
        # The largest of those that do not take hours: it knows most.
        return max(known_bases(), key=lambda base: base.size, default=PRETRAIN)
    if given == "pretrain":
        return PRETRAIN
    path = Path(given)
    if path.is_dir():
        base = _folder(path)
        if base is None:
            raise InputError(f"{given}: has no config.json and .safetensors file: name a model directory")
        return base
    if path.suffix == ".gguf":
        if not path.is_file():
            raise InputError(f"{given}: no such GGUF file: check --base")
        return Base(given, size=path.stat().st_size)
    if not HUB_ID.fullmatch(given):
        raise InputError(f"{given}: no such model directory or GGUF file, and not a hub id: check --base")
    return next((base for base in _cached() if base.model == given), None) or _on_the_hub(given)


def known_bases() -> Iterator[Base]:
    """Bases that need no download: below FOLDERS, GGUF files here, and the hub's cache."""
    for folder in map(Path, FOLDERS):
        if folder.is_dir():
            found = (_folder(one) for one in sorted(folder.iterdir()) if one.is_dir())
            yield from (base for base in found if base is not None and base.size <= LARGEST)
    for folder in (Path(), *map(Path, FOLDERS)):
        files = sorted(folder.glob("*.gguf"))
        yield from (Base(str(file), size=file.stat().st_size) for file in files if file.stat().st_size <= LARGEST)
    yield from (base for base in _cached() if base.size <= LARGEST)


def _folder(path: Path) -> Base | None:
    weights = [file.stat().st_size for file in path.glob(WEIGHTS)]
    tokenizer = (path / "tokenizer.json").is_file() or (path / "vocab.json").is_file()
    if not weights or not tokenizer or not (path / "config.json").is_file():
        return None
    return Base(str(path), size=sum(weights), folder=path)


def _cached() -> Iterator[Base]:
    """Whole models in the hub's cache, each at the commit that lies there."""
    from huggingface_hub.constants import HF_HUB_CACHE

    for repository in sorted(Path(HF_HUB_CACHE).glob("models--*--*")):
        for snapshot in sorted(repository.glob("snapshots/*")):
            base = _folder(snapshot)
            if base is not None:
                model = repository.name.removeprefix("models--").replace("--", "/")
                yield Base(model, snapshot.name, base.size, snapshot)


def _on_the_hub(model: str) -> Base:
    """A hub model at its newest commit; raises InputError where the hub cannot be asked."""
    from huggingface_hub import HfApi

    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
    try:
        found = HfApi().model_info(model, timeout=10, files_metadata=True)
        size = sum(file.size or 0 for file in found.siblings or () if file.rfilename.endswith(".safetensors"))
        return Base(model, str(found.sha), size)
    except Exception as error:  # the hub's client raises requests', httpx's and its own errors
        raise InputError(
            f"{model}: not in the local cache, and the hub cannot be asked ({type(error).__name__}): name a model "
            "directory or a .gguf file with --base"
        ) from None
