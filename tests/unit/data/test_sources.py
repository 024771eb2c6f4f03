"""CoLA's archive and its download: what is pinned is taken, anything else refused."""

import hashlib
import http.client
import io
import struct
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from distilrnn.data import sources
from distilrnn.data.corpus import SPLITS, TRAIN, read_folder
from distilrnn.errors import InputError, RunError
from distilrnn.params.corpus import CorpusParams
from paths import REPOSITORY

COLA = REPOSITORY.parent / "shared" / "cola"
TEXTS = {split: f"gj04\t1\t\tOf {split} .\ngj04\t0\t*\tIn {split} .\n".encode() for split in SPLITS}
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
PEAK = "int(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
"""Kilobytes of this process alone: getrusage's figure is inherited from the process that started it."""
MEMBERS = {f"cola_public/raw/{split}.tsv": text for split, text in TEXTS.items()}
FIRST = next(iter(MEMBERS))


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return archive.getvalue()


@pytest.fixture(autouse=True)
def pinned(monkeypatch):
    digests = {split: hashlib.sha256(text).hexdigest() for split, text in TEXTS.items()}
    monkeypatch.setattr(sources, "COLA_SHA256", digests)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_the_pinned_archive_is_read(compression):
    splits = sources.cola_from_zip(zipped(MEMBERS, compression), "archive")
    assert list(splits) == list(SPLITS)
    assert [example.sentence for example in splits[TRAIN]] == ["Of in_domain_train .", "In in_domain_train ."]


def test_other_members_are_never_read_or_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    strangers = {"/etc/x": b"x", "../../x": b"x", "cola_public/raw/../../../x": b"x", "cola_public/bomb": b"\0" * 10**8}
    archive = zipped(MEMBERS | strangers)
    read = []
    open_member = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile, "open", lambda self, member: read.append(member.filename) or open_member(self, member)
    )
    sources.cola_from_zip(archive, "archive")
    assert read == list(MEMBERS)
    assert list(tmp_path.iterdir()) == []


def altered():
    return zipped(MEMBERS | {FIRST: MEMBERS[FIRST] + b"s\t1\t\tMore .\n"})


def without_a_member():
    return zipped({name: data for name, data in MEMBERS.items() if name != FIRST})


def flipped():
    data = bytearray(zipped(MEMBERS, zipfile.ZIP_STORED))
    data[data.index(b"Of in_domain_train")] ^= 1
    return bytes(data)


def damaged_deflate():
    data = bytearray(zipped(MEMBERS))
    data[30 + len(FIRST) : 30 + len(FIRST) + 8] = b"\xff" * 8
    return bytes(data)


def encrypted():
    data = bytearray(zipped(MEMBERS))
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.index(signature)
        data[at + flags] |= 1
    return bytes(data)


def unknown_packing():
    data = bytearray(zipped(MEMBERS))
    for signature, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        where = data.index(signature) + at
        data[where : where + 2] = struct.pack("<H", 97)
    return bytes(data)


REFUSED = {
    "not a zip": (lambda: b"<html>Not found</html>", "is not CoLA's archive"),
    "nothing": (lambda: b"", "is not CoLA's archive"),
    "cut short": (lambda: zipped(MEMBERS)[:-30], "is not CoLA's archive"),
    "a member missing": (without_a_member, "is not CoLA's archive .*no item named"),
    "another digest": (altered, r"in_domain_train\.tsv is not the pinned file \(its SHA-256 differs\)"),
    "a flipped bit": (flipped, "is not CoLA's archive .*CRC"),
    "damaged packing": (damaged_deflate, "is not CoLA's archive"),
    "with a password": (encrypted, "is not CoLA's archive .*password"),
    "packed in an unknown way": (unknown_packing, r"in_domain_train\.tsv is packed in another way"),
    "a bomb": (lambda: zipped(MEMBERS | {FIRST: b"\0" * (5 << 20)}), r"in_domain_train\.tsv is larger than CoLA's"),
    "a bomb of bzip2": (lambda: zipped(MEMBERS | {FIRST: b"\0" * 10**8}, zipfile.ZIP_BZIP2), "packed in another way"),
}


@pytest.mark.parametrize(("archive", "words"), REFUSED.values(), ids=REFUSED)
def test_other_archives_are_refused(archive, words):
    with pytest.raises(RunError, match=rf"^http://archive: .*{words}.*: get (it|the archive) again$") as refused:
        sources.cola_from_zip(archive(), "http://archive")
    assert "\n" not in str(refused.value)


def lying_bomb(size):
    """An archive whose first member unpacks to `size` bytes, though it says that it has 100."""
    data = bytearray(zipped(MEMBERS | {FIRST: b"\0" * size}))
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        where = data.index(signature) + at
        data[where : where + 4] = struct.pack("<I", 100)
    return bytes(data)


@needs_proc
def test_bomb_that_lies_about_its_size_takes_no_memory(tmp_path):
    (tmp_path / "bomb.zip").write_bytes(lying_bomb(400 << 20))
    code = (
        "import sys; from pathlib import Path; from distilrnn.data import sources\n"
        f"before = {PEAK}\n"
        "try: sources.cola_from_zip(Path(sys.argv[1]).read_bytes(), 'archive')\n"
        f"except sources.RunError: print({PEAK} - before)\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "bomb.zip"]
    kilobytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert kilobytes < 50_000


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("Name or service not known"),
        urllib.error.HTTPError(sources.COLA_URL, 404, "Not Found", {}, None),
        TimeoutError("timed out"),
        ConnectionResetError("reset"),
        http.client.IncompleteRead(b"part"),
        http.client.BadStatusLine("?"),
    ],
)
def test_without_a_network_the_path_to_set_is_named(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    said = r"^https://\S+: CoLA cannot be downloaded \(.*\): set corpus\.source to 'path' and corpus\.path to a folder"
    with pytest.raises(InputError, match=said):
        sources.SOURCES["cola"](CorpusParams(source="cola"))


def test_download_that_breaks_off_while_read(monkeypatch):
    class Response(io.BytesIO):
        def read(self, size=-1):
            assert 0 < size <= 64 << 20, "an endless answer would fill the memory"
            raise http.client.IncompleteRead(b"part")

    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Response())
    with pytest.raises(InputError, match=r"set corpus\.source to 'path'"):
        sources.download_cola()


def test_download_is_checked(monkeypatch):
    answers = iter([zipped(MEMBERS), altered()])
    asked = []
    monkeypatch.setattr(
        urllib.request, "urlopen", lambda url, timeout: asked.append((url, timeout)) or io.BytesIO(next(answers))
    )
    assert list(sources.download_cola()) == list(SPLITS)
    with pytest.raises(RunError, match="SHA-256"):
        sources.download_cola()
    assert all(url.startswith("https://") and 0 < timeout <= 60 for url, timeout in asked)


@pytest.mark.skipif(not COLA.is_dir(), reason="CoLA is not beside the repository")
def test_pinned_digests_are_those_of_cola(monkeypatch):
    monkeypatch.undo()
    for split, digest in sources.COLA_SHA256.items():
        assert hashlib.sha256((COLA / f"{split}.tsv").read_bytes()).hexdigest() == digest
    members = {f"cola_public/raw/{split}.tsv": (COLA / f"{split}.tsv").read_bytes() for split in SPLITS}
    splits = sources.cola_from_zip(zipped(members), "archive")
    assert splits == read_folder(COLA, 2)
    assert [len(examples) for examples in splits.values()] == [8551, 527, 516]
