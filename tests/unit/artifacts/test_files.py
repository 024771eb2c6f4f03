"""Files that are whole or absent, and tensor files that are ours or refused."""

import errno
import json
import os
import pickle
import re
import stat
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from distilrnn.artifacts.files import (
    file_hash,
    read_json,
    require_equal,
    to_json,
    whole_file,
    write_atomically,
    write_json,
)
from distilrnn.artifacts.tensors import NUMBERS, load_arrays, load_tensors, read_header, save_tensors, streamed_tensors
from distilrnn.errors import InputError, RunError
from fuzzing import fuzz
from paths import REPOSITORY

SOURCE = REPOSITORY / "src"
SAVE = """
import sys, torch
from pathlib import Path
from distilrnn.artifacts.tensors import save_tensors
header = {name: 1 for name in {"seed", "system", "classes", "corpus_hash"}}
tensors = {name: torch.arange(5.0) for name in {"in_domain_dev.logits", "out_of_domain_dev.logits", "a", "b"}}
save_tensors(Path(sys.argv[1]), "logits", tensors, header)
"""
FILL = """
import sys
from pathlib import Path
from distilrnn.artifacts.files import write_atomically
from distilrnn.errors import RunError
{before}
try:
    write_atomically(Path(sys.argv[1]), b"x" * 1_000_000)
except RunError as failure:
    print(failure)
"""


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", ["Ünïcode\n", b"\0\xff", ""])
def test_file_is_written_in_a_new_folder(tmp_path, content):
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert files_in(path.parent) == ["file"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_umask_is_respected(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "file", "x")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("step", ["fsync", "replace", "write"])
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
@pytest.mark.parametrize("present", [True, False])
def test_no_room_is_one_sentence_and_leaves_what_was_there(tmp_path, monkeypatch, step, number, said, present):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    path = tmp_path / "file"
    if present:
        path.write_text("old")
    monkeypatch.setattr(*((os, "fsync", fail) if step == "fsync" else (Path, "replace", fail)))

    def write():
        with whole_file(path) as file:
            file.write(b"new")
            if step == "write":
                fail()

    with pytest.raises(RunError, match=rf"file: could not be written \({said}\): make room or choose another folder"):
        write()
    assert files_in(tmp_path) == ["file"] * present
    assert not present or path.read_text() == "old"


def test_interrupted_write_leaves_nothing(tmp_path):
    def write():
        with whole_file(tmp_path / "file") as file:
            file.write(b"part")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert files_in(tmp_path) == []


WRITE_FOR_EVER = """
import sys, time
from pathlib import Path
from distilrnn.artifacts.files import whole_file
with whole_file(Path(sys.argv[1])) as file:
    file.write(b"x" * 100_000)
    print("writing", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("name", ["file", "a[1]*.b"])
def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_it(tmp_path, name):
    path, other = tmp_path / name, tmp_path / f"{name}.json"
    for target in (path, path, other):
        with subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, target], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            process.kill()
    assert len(files_in(tmp_path)) == 2  # the second run removed what the first had left
    write_atomically(path, "x")
    (left,) = (file for file in files_in(tmp_path) if file != name)
    assert left.startswith(f".writing.{name}.json.")
    write_atomically(other, "x")
    assert files_in(tmp_path) == sorted([name, f"{name}.json"])


def test_of_two_that_write_one_file_at_once_the_later_wins_and_the_other_is_told(tmp_path):
    path = tmp_path / "file"

    def write():
        with whole_file(path) as first:
            first.write(b"first")
            write_atomically(path, b"second")

    with pytest.raises(RunError, match=r"file: could not be written \(another process writes it too"):
        write()
    assert path.read_bytes() == b"second"
    assert files_in(tmp_path) == ["file"]


def test_file_too_big_for_the_process(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    path = tmp_path / "file"
    path.write_text("old")
    command = [sys.executable, "-c", FILL.format(before=limit), path]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (
        told
        == f"{path}: could not be written (the file is too big): make room or choose another folder, then run again\n"
    )
    assert files_in(tmp_path) == ["file"]
    assert path.read_text() == "old"


def test_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        (disk / "file").write_text("old")
        told = subprocess.run(
            [sys.executable, "-c", FILL.format(before=""), disk / "file"], capture_output=True, text=True, check=True
        ).stdout
        assert "file: could not be written (the disk is full): make room" in told
        assert told.count("\n") == 1
        assert files_in(disk) == ["file"]
        assert (disk / "file").read_text() == "old"
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("path", ["folder", "file/below", "x" * 300])
def test_path_that_cannot_be_written(tmp_path, path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="could not be written"):
        write_atomically(tmp_path / path, "x")
    assert files_in(tmp_path) == ["file", "folder"]
    assert files_in(tmp_path / "folder") == []


def test_json_keeps_its_order_and_has_no_nan(tmp_path):
    write_json(tmp_path / "x.json", {"b": "é", "a": [1.5]})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == '{\n  "b": "é",\n  "a": [\n    1.5\n  ]\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(float("nan"))


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5000, b"{} x"])
def test_damaged_json_is_refused(tmp_path, data):
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.json: not readable as JSON \(.*\): make it again"):
        read_json(tmp_path / "x.json")


def test_json_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"x\.json: no such file: run the step that makes it"):
        read_json(tmp_path / "x.json")
    with pytest.raises(InputError, match="not readable as JSON"):
        read_json(tmp_path)


@pytest.mark.slow
def test_same_bytes_from_different_processes(tmp_path):
    saved = set()
    for number in range(3):
        environment = os.environ | {"PYTHONHASHSEED": str(number), "OMP_NUM_THREADS": "1"}
        path = tmp_path / f"{number}.safetensors"
        subprocess.run([sys.executable, "-c", SAVE, path], env=environment, check=True)
        saved.add(path.read_bytes())
    assert len(saved) == 1


@pytest.fixture
def tensors(tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, "logits", {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor([1])}, {"seed": 3})
    return path


@pytest.mark.parametrize("number", sorted(NUMBERS))
def test_every_type_of_number_is_written_as_the_library_reads_it(tmp_path, number):
    dtype = getattr(torch, number)
    tensors = {
        "odd": torch.arange(3).to(torch.uint8),
        "a": torch.arange(6).to(dtype).reshape(2, 3).T,
        "b": torch.ones(()),
    }
    tensors |= {"none": torch.empty(0, 4, dtype=dtype), "z": torch.arange(5, dtype=torch.float64)}
    save_tensors(tmp_path / "x.safetensors", "state", tensors, {})
    found = safetensors.torch.load_file(tmp_path / "x.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_arrays_that_are_filled_in_are_the_file(tmp_path):
    path, values = tmp_path / "x.safetensors", np.arange(6, dtype=np.float32).reshape(3, 2)
    shapes = {"b": (np.dtype(np.int64), (3,)), "a": (np.dtype(np.float32), (3, 2)), "none": (np.dtype(np.int64), (0,))}
    with streamed_tensors(path, "logits", shapes, {"seed": 3}) as arrays:
        assert not path.exists()
        arrays["b"][:], arrays["a"][:] = [5, 6, 7], values
    for load in (load_tensors, load_arrays):
        found, header = load(path, "logits")
        assert header == {"kind": "logits", "format": 1, "seed": 3}
        assert found["b"].tolist() == [5, 6, 7]
        assert np.array_equal(found["a"], values)
        assert len(found["none"]) == 0
    with pytest.raises(ValueError, match="interrupted"), streamed_tensors(path, "logits", shapes, {"seed": 4}):
        raise ValueError("interrupted")
    assert read_header(path)["seed"] == 3
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_tensors_come_back_with_their_header(tensors):
    for load in (load_tensors, load_arrays):
        found, header = load(tensors, "logits")
        assert header == {"kind": "logits", "format": 1, "seed": 3} == read_header(tensors)
        assert np.array_equal(found["a"], np.arange(6.0).reshape(2, 3).T)
        assert found["b"].tolist() == [1]


def raw(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def ours(text):
    return raw({"__metadata__": {"distilrnn": text}})


HEADER = json.dumps({"kind": "logits", "format": 1})
TENSOR = {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}
NOT_OURS = {
    "empty": b"",
    "half a length": b"\x08\0\0",
    "no header": b"\0" * 8,
    "huge header length": b"\xff" * 8 + b"{}",
    "longer header than file": struct.pack("<Q", 1000) + b"{}",
    "header of a gigabyte": struct.pack("<Q", 1 << 30) + b"{}",
    "header not JSON": raw(b"hello"),
    "header not an object": raw([]),
    "no metadata": raw({}),
    "metadata of another program": raw({"__metadata__": {"format": "pt"}}),
    "metadata not a string": raw({"__metadata__": {"distilrnn": 3}}),
    "metadata not JSON": ours("{"),
    "metadata too deep": ours("[" * 100_000),
    "metadata of a long number": ours("1" * 5000),
    "unknown dtype": raw({"__metadata__": {"distilrnn": HEADER}, "x": TENSOR | {"dtype": "Q7"}}, b"x"),
    "tensors that overlap": raw({"__metadata__": {"distilrnn": HEADER}, "x": TENSOR, "y": TENSOR}, b"x"),
    "shape beyond the data": raw({"__metadata__": {"distilrnn": HEADER}, "x": TENSOR | {"shape": [2**62, 8]}}, b"x"),
    "data left over": raw({"__metadata__": {"distilrnn": HEADER}, "x": TENSOR}, b"xy"),
    "pickle": pickle.dumps({"kind": "logits"}),
    "pickle that would run something": b"cos\nsystem\n(S'touch pickle-was-run'\ntR.",
    "zip": b"PK\x03\x04" + b"\0" * 100,
}


@pytest.mark.parametrize("data", NOT_OURS.values(), ids=NOT_OURS)
@pytest.mark.parametrize("load", [load_arrays, load_tensors])
def test_files_that_are_not_ours_are_refused(tmp_path, monkeypatch, data, load):
    monkeypatch.chdir(tmp_path)
    Path("x.safetensors").write_bytes(data)
    with pytest.raises(InputError, match=r"^x\.safetensors: not a file of distilrnn, or damaged: make it again$"):
        load(Path("x.safetensors"), "logits")
    assert files_in(tmp_path) == ["x.safetensors"]


@pytest.mark.parametrize("text", ["[]", "3", '"x"', "null", "{}", '{"kind": "logits", "format": 2}', '{"format": "1"}'])
def test_other_formats_are_refused(tmp_path, text):
    (tmp_path / "x.safetensors").write_bytes(ours(text))
    with pytest.raises(InputError, match="written by another version of distilrnn"):
        read_header(tmp_path / "x.safetensors")


def test_wrong_kind_is_refused(tensors):
    with pytest.raises(InputError, match=r"x\.safetensors: holds a logits file; expected student"):
        load_tensors(tensors, "student")


@pytest.mark.parametrize("taught", [False, True])
def test_numbers_that_numpy_lacks_are_refused(tmp_path, taught):
    """Also where a library has taught numpy this type, as onnx does."""
    if taught:
        pytest.importorskip("ml_dtypes")
    save_tensors(tmp_path / "x.safetensors", "logits", {"a": torch.zeros(2, dtype=torch.bfloat16)}, {})
    with pytest.raises(InputError, match="unsupported dtype"):
        load_arrays(tmp_path / "x.safetensors", "logits")


def test_path_that_is_no_file(tmp_path):
    with pytest.raises(InputError, match="no such file: run the step that makes it"):
        read_header(tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="not a file of distilrnn"):
        read_header(tmp_path)


def test_truncated_anywhere_is_refused(tensors, tmp_path):
    data = tensors.read_bytes()
    for length in range(0, len(data), 7):
        (tmp_path / "cut.safetensors").write_bytes(data[:length])
        with pytest.raises(InputError, match="damaged"):
            load_arrays(tmp_path / "cut.safetensors", "logits")


@fuzz(500)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=100).map(raw),
        st.text(max_size=50).map(ours),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        ).map(raw),
    )
)
def test_any_bytes_are_a_header_or_bad_input(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    path.write_bytes(data)
    try:
        assert load_arrays(path, "logits")[1]["kind"] == "logits"
    except InputError as refused:
        assert str(refused).startswith(str(path))
        assert "\n" not in str(refused)


@fuzz(300)
@given(st.data())
def test_any_flipped_byte_is_bad_input_or_still_whole(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    save_tensors(folder / "whole.safetensors", "logits", {"a": torch.arange(3.0)}, {"seed": 1})
    found = bytearray((folder / "whole.safetensors").read_bytes())
    found[data.draw(st.integers(0, len(found) - 1))] = data.draw(st.integers(0, 255))
    (folder / "flipped.safetensors").write_bytes(found)
    try:
        arrays, header = load_arrays(folder / "flipped.safetensors", "logits")
    except InputError:
        return
    assert header["kind"] == "logits"
    assert sum(array.nbytes for array in arrays.values()) <= len(found)


def test_wrong_pairing_names_both_sides(tmp_path):
    require_equal("a" * 64, "a" * 64, tmp_path, "corpus")
    with pytest.raises(
        InputError, match=r"made with another corpus \(aaaaaaaaaaaa…, here bbbbbbbbbbbb…\): make it again"
    ):
        require_equal("a" * 64, "b" * 64, tmp_path, "corpus")


def test_file_hash_is_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert file_hash(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


UNSAFE = re.compile(
    r"\b(import|from)\s+(c?pickle|dill|cloudpickle|joblib|marshal|shelve)\b|torch\.load\(|np\.load\(|weights_only|allow_pickle"
    r"|trust_remote_code(?!\"?\]?\s*[=:]\s*False\b)|yaml\.(unsafe_|full_)?load(_all)?\(|\beval\(|\bexec\(|shell\s*=\s*True|os\.system"
)


def test_no_module_reads_what_could_run():
    modules = [path for folder in ("src", "workflow") for path in (SOURCE.parent / folder).rglob("*") if path.is_file()]
    modules = [path for path in modules if path.suffix in (".py", ".smk")]
    assert len(modules) > 30
    # `.eval()` is torch's: it puts a module in evaluation mode.
    text = {path: re.sub(r"\.eval\(\)", "", path.read_text(encoding="utf-8")) for path in modules}
    assert [(path.name, found.group()) for path in modules if (found := UNSAFE.search(text[path]))] == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from dill import loads",
        "torch.load(path)",
        "trust_remote_code=True",
        "yaml.load(text)",
        'loading["trust_remote_code"] = True',
        "subprocess.run(line, shell=True)",
    ],
)
def test_the_search_for_unsafe_code_finds_it(line):
    assert UNSAFE.search(line)
