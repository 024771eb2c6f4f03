"""Text files as people have them: packed or not, in UTF-8, UTF-16 or Windows-1252."""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from distilrnn.data.corpus import LONGEST_LINE
from distilrnn.errors import InputError

PACKED = (".gz", ".zst")
"""Suffixes of files that are unpacked while they are read."""
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""UTF-32 before UTF-16: the mark of one begins as that of the other."""
WESTERN = "cp1252"
MOST_ACCENTS = 0.3
"""Share of letters beyond ASCII above which a text is hardly Western: Cyrillic or Greek in eight bits has nearly 1."""
CHUNK = 1 << 20  # bytes
HIGH = re.compile(rb"[\x80-\xff]")
LOW_LETTER = re.compile(rb"[A-Za-z]")


@dataclass(frozen=True)
class TextFile:
    """A text file whose encoding is known."""

    path: Path
    encoding: str
    notes: tuple[str, ...] = ()
    """What was found that is not plain UTF-8, in words."""

    def lines(self) -> Iterator[tuple[int, str]]:
        """The lines with their numbers from 1, their ends kept; raises InputError."""
        with reading(self.path), open_bytes(self.path) as file:
            text = io.TextIOWrapper(file, encoding=self.encoding, newline="\n")
            for number, line in enumerate(iter(lambda: text.readline(LONGEST_LINE + 1), ""), 1):
                if len(line) > LONGEST_LINE:
                    raise InputError(f"{self.path}:{number}: is longer than {LONGEST_LINE} characters: shorten it")
                if "\0" in line:
                    raise InputError(f"{self.path}:{number}: holds a NUL: save the file as UTF-8 text without any")
                yield number, line

    def chunks(self, size: int = CHUNK) -> Iterator[str]:
        """The text in pieces of at most `size` characters; raises InputError."""
        with reading(self.path), open_bytes(self.path) as file:
            text = io.TextIOWrapper(file, encoding=self.encoding, newline="\n")
            yield from iter(lambda: text.read(size), "")


def kind_of(path: Path) -> str:
    """The suffix in lower case, of what is packed where it is packed: '.csv' for 'x.CSV.gz'."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in PACKED else suffix


def open_text(path: Path) -> TextFile:
    """Find the encoding of a text file: by its byte-order mark, else UTF-8, else Windows-1252.

    The whole file is read once, so that no line can surprise the reader later.

    Raises:
        InputError: the file is not there, cannot be unpacked, or is in no encoding that is known for certain.
    """
    with reading(path):
        with open_bytes(path) as file:
            head = file.read(4)
        for mark, encoding in BYTE_ORDER_MARKS.items():
            if head.startswith(mark):
                name = encoding.removesuffix("-sig").upper()
                notes = () if encoding == "utf-8-sig" else (f"{path}: is {name}, by its byte-order mark",)
                if not _decodes(path, encoding):
                    raise InputError(f"{path}: begins as {name} and goes on otherwise: convert it to UTF-8")
                return TextFile(path, encoding, notes)
        return TextFile(path, "utf-8") if _decodes(path, "utf-8") else _western(path)


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked."""
    if path.suffix.lower() == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if path.suffix.lower() == ".zst":
        import pyarrow as pa

        return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd"))
    return path.open("rb")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while reading into an InputError of one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: check the path in the params") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be unpacked ({error}): compress it again") from None
    except OSError as error:
        if error.strerror is None:  # pyarrow's, about what is packed
            reason = " ".join(str(error).split())[:100]
            raise InputError(f"{path}: cannot be unpacked ({reason}): compress it again") from None
        raise InputError(f"{path}: cannot be read ({error.strerror}): check the path and its permissions") from None


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_bytes(path) as file:
        try:
            for chunk in iter(lambda: file.read(CHUNK), b""):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _western(path: Path) -> TextFile:
    """A file in Windows-1252, as older editors and spreadsheets write it; raises InputError where that is in doubt."""
    first = accents = letters = 0
    utf8 = 0
    with open_bytes(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), 1):
            if len(line) > LONGEST_LINE:
                raise InputError(f"{path}:{number}: is longer than {LONGEST_LINE} bytes: shorten it, or end the line")
            try:
                line.decode("utf-8")
                utf8 = utf8 or (0 if line.isascii() else number)
            except UnicodeDecodeError as error:
                first = first or number
                place = f"{path}:{number}: is not UTF-8 (byte {error.start + 1})"
                try:
                    line.decode(WESTERN)
                except UnicodeDecodeError:
                    raise InputError(f"{place} and not Windows-1252 either: convert it to UTF-8") from None
            accents += len(HIGH.findall(line))
            letters += len(LOW_LETTER.findall(line))
    place = f"{path}:{first}: is not UTF-8"
    if utf8:
        raise InputError(f"{place}, but line {utf8} is: convert the file to UTF-8 as a whole")
    if accents > MOST_ACCENTS * (accents + letters):
        raise InputError(f"{place}, and hardly Western text in Windows-1252: convert the file to UTF-8")
    return TextFile(path, WESTERN, (f"{path}: is read as Windows-1252, since line {first} is not UTF-8",))
