"""Malformed and odd corpora, given to the script itself: taken as they were meant, or refused in one sentence."""

import gzip
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from distilrnn.cli.options import run
from distilrnn.data.corpus import LONGEST_LINE, LONGEST_SOURCE, SPLITS, TRAIN, Example, read_split, read_summary
from paths import REPOSITORY

SCRIPT = REPOSITORY / "workflow" / "scripts" / "corpus.py"
BAD, GOOD = "s\t0\t*\tHer went .\n", "s\t1\t\tShe went .\n"
BOTH = (BAD + GOOD).encode()
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
PEAK = "int(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
"""Kilobytes of this process alone: getrusage's figure is inherited from the process that started it."""
FIRST = [Example("s", 0, "*", "Her went ."), Example("s", 1, "", "She went .")]


def row(sentence="It rains .", source="s", label="1", mark=""):
    return f"{source}\t{label}\t{mark}\t{sentence}\n".encode()


def example(sentence="It rains .", source="s", label=1, mark=""):
    return Example(source, label, mark, sentence)


ACCEPTED = {
    "as it should be": (BOTH + row(), [example()]),
    "byte-order mark": (b"\xef\xbb\xbf" + BOTH, []),
    "CRLF": (BOTH.replace(b"\n", b"\r\n"), []),
    "CRLF in some rows": (BOTH + row()[:-1] + b"\r\n", [example()]),
    "no last newline": (BOTH + row()[:-1], [example()]),
    "empty lines at the end": (BOTH + b"\n\n\n", []),
    "empty CRLF lines at the end": (BOTH + b"\r\n\r\n", []),
    "balanced quotes": (BOTH + row('"It" rains .'), [example('"It" rains .')]),
    "quoted whole": (BOTH + row('"It rains ."'), [example('"It rains ."')]),
    "open quote swallows no row": (BOTH + row('"It rains') + row('pours"'), [example('"It rains'), example('pours"')]),
    "doubled quotes": (BOTH + row('He said ""no"" .'), [example('He said ""no"" .')]),
    "backslashes": (BOTH + row(r"a\tb \n \\ ."), [example(r"a\tb \n \\ .")]),
    "line separator U+2028": (BOTH + row("It\u2028rains ."), [example("It\u2028rains .")]),
    "paragraph separator U+2029": (BOTH + row("It\u2029rains ."), [example("It\u2029rains .")]),
    "next line U+0085": (BOTH + row("It\x85rains ."), [example("It\x85rains .")]),
    "form feed and vertical tab": (BOTH + row("It\x0crains\x0b."), [example("It\x0crains\x0b.")]),
    "file separators": (BOTH + row("It\x1crains\x1d.\x1e"), [example("It\x1crains\x1d.\x1e")]),
    "right to left": (BOTH + row("הילד הלך ."), [example("הילד הלך .")]),
    "emoji of several code points": (BOTH + row("👩‍👩‍👧 🇳🇴 ."), [example("👩‍👩‍👧 🇳🇴 .")]),
    "combining characters kept apart": (BOTH + row("Cafe\u0301 ."), [example("Cafe\u0301 .")]),
    "outside the basic plane": (BOTH + row("𝒳 𐍈 ."), [example("𝒳 𐍈 .")]),
    "one character": (BOTH + row("."), [example(".")]),
    "spaces around the sentence": (BOTH + row("  It rains .  "), [example("  It rains .  ")]),
    "byte-order mark within": (BOTH + row("It\ufeff rains ."), [example("It\ufeff rains .")]),
    "empty source": (BOTH + row(source=""), [example(source="")]),
    "source of markup": (BOTH + row(source="<b>&'\""), [example(source="<b>&'\"")]),
    "source like a path": (BOTH + row(source="../../etc"), [example(source="../../etc")]),
    "longest source": (BOTH + row(source="s" * LONGEST_SOURCE), [example(source="s" * LONGEST_SOURCE)]),
    "any mark": (BOTH + row(mark="?? *"), [example(mark="?? *")]),
    "HTML in the sentence": (BOTH + row("<script>x</script>"), [example("<script>x</script>")]),
    "looks like a formula": (BOTH + row("=1+1"), [example("=1+1")]),
    "longest line": (BOTH + row("x" * (LONGEST_LINE - 7)), [example("x" * (LONGEST_LINE - 7))]),
}

REFUSED = {
    "empty file": (b"", "is empty"),
    "byte-order mark alone": (b"\xef\xbb\xbf", "is empty"),
    "newlines alone": (b"\n\n\n", "is empty"),
    "empty line within": (BAD.encode() + b"\n" + GOOD.encode(), r":2: the line is empty: remove it"),
    "empty line first": (b"\n" + BOTH, r":1: the line is empty: remove it"),
    "spaces alone in a line": (BOTH + b"   \n", r":3: has 1 columns, not 4"),
    "lone CR line ends": (BOTH.replace(b"\n", b"\r"), r":1: holds a NUL or a lone carriage return"),
    "CR within": (BOTH + row("It\rrains ."), r":3: holds a NUL or a lone carriage return"),
    "NUL": (BOTH + row("It\0rains ."), r":3: holds a NUL or a lone carriage return"),
    "tab in the sentence": (BOTH + row("It\train ."), r":3: has 5 columns, not 4"),
    "three columns": (BOTH + b"s\t1\tIt rains .\n", r":3: has 3 columns, not 4"),
    "commas for tabs": (b"s,1,,It rains .\n", r":1: has 1 columns, not 4"),
    "cut within the last row": (BOTH + b"s\t1", r":3: has 2 columns, not 4"),
    "Latin-1": (BOTH + "s\t1\t\tCafé .\n".encode("latin-1"), r":3: is not UTF-8 \(byte 9\)"),
    "UTF-16 with its mark": (BOTH.decode().encode("utf-16"), r":1: is not UTF-8 \(byte 1\)"),
    "UTF-16 without": (BOTH.decode().encode("utf-16-le"), r":1: .*save the file as UTF-8"),
    "UTF-32": (BOTH.decode().encode("utf-32"), r":1: is not UTF-8"),
    "mixed encodings": (BOTH + row("Café .") + "s\t1\t\tCafé .\n".encode("cp1252"), r":4: is not UTF-8"),
    "surrogate in UTF-8": (BOTH + b"s\t1\t\t\xed\xa0\x80 .\n", r":3: is not UTF-8"),
    "overlong UTF-8": (BOTH + b"s\t1\t\t\xc0\xaf .\n", r":3: is not UTF-8"),
    "gzip": (gzip.compress(BOTH), r":1: is not UTF-8 .*unpack it"),
    "zip": (b"PK\x03\x04\x14\0\0\0\x08\0" + b"\xff" * 30, r":1: "),
    "header row": (b"source\tlabel\tmark\tsentence\n" + BOTH, r":1: the label is 'label', not 0 or 1: .*no header row"),
    "label 01": (BOTH + row(label="01"), r":3: the label is '01'"),
    "label with a space": (BOTH + row(label=" 1"), r":3: the label is ' 1'"),
    "label -1": (BOTH + row(label="-1"), r":3: the label is '-1'"),
    "label +1": (BOTH + row(label="+1"), r":3: the label is '\+1'"),
    "label 1.0": (BOTH + row(label="1.0"), r":3: the label is '1.0'"),
    "label 2": (BOTH + row(label="2"), r":3: the label is '2', not 0 or 1: check the second column"),
    "Arabic digit": (BOTH + row(label="٣"), r":3: the label is '٣'"),
    "superscript digit": (BOTH + row(label="²"), r":3: the label is '²'"),
    "quoted label": (BOTH + row(label='"1"'), r":3: the label is '\"1\"'"),
    "no label": (BOTH + row(label=""), r":3: the label is ''"),
    "label of 5000 digits": (BOTH + row(label="1" * 5000), r":3: the label is '1{20}', not"),
    "no sentence": (BOTH + row(""), r":3: the sentence is empty"),
    "sentence of spaces": (BOTH + row(" \u3000\xa0"), r":3: the sentence is empty"),
    "sentence of zero-width characters": (BOTH + row("\u200b\u200d\ufeff"), r":3: the sentence is empty or invisible"),
    "sentence of control characters": (BOTH + row("\x1b\x07"), r":3: the sentence is empty or invisible"),
    "source too long": (BOTH + row(source="s" * (LONGEST_SOURCE + 1)), r":3: the source has .*more than 100"),
    "source that steers a terminal": (BOTH + row(source="\x1b[31mred"), r":3: the source has an unprintable"),
    "source that turns the text": (BOTH + row(source="a\u202eb"), r":3: the source has an unprintable"),
    "second byte-order mark": (b"\xef\xbb\xbf" * 2 + BOTH, r":1: the source has an unprintable"),
    "line of 10 MB": (BOTH + row("x" * 10_000_000), r":3: is longer than 8388608 bytes"),
    "10 MB without a newline": (b"x" * 10_000_000, r":1: is longer than 8388608 bytes"),
    "a class without sentences": (GOOD.encode() * 3, r"in_domain_train has no sentence of class 0 \(unacceptable\)"),
}


@pytest.fixture
def folder(tmp_path):
    corpus = tmp_path / "in"
    corpus.mkdir()
    for split in SPLITS:
        (corpus / f"{split}.tsv").write_text(f"s\t0\t*\tOf {split} .\ns\t1\t\tIn {split} .\n", encoding="utf-8")
    return corpus


@pytest.fixture
def script(monkeypatch, capsys, tmp_path):
    """Runs the script on a folder, and returns exit code, standard error and output folder."""
    specification = importlib.util.spec_from_file_location("corpus_script", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)

    def call(corpus, *more):
        output = tmp_path / "out"
        arguments = ["corpus.py", "--source=path", f"--path={corpus}", f"--output={output}", *more]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as stopped:
            run(module.main)
        return stopped.value.code, capsys.readouterr(), output

    return call


def assert_refused(answer, words):
    code, printed, output = answer
    assert code == 2
    assert re.fullmatch(rf"error: .*{words}.*\n", printed.err), printed.err
    assert not output.exists()


@pytest.mark.parametrize(("data", "odd"), ACCEPTED.values(), ids=ACCEPTED)
def test_taken_as_it_was_meant(folder, script, data, odd):
    (folder / f"{TRAIN}.tsv").write_bytes(data)
    code, printed, output = script(folder)
    assert (code, printed.err) == (0, "")
    assert read_split(output / f"{TRAIN}.tsv") == FIRST + odd
    assert read_summary(output).splits[TRAIN].sentences == 2 + len(odd)


@pytest.mark.parametrize(("data", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_in_one_sentence(folder, script, data, words):
    (folder / f"{TRAIN}.tsv").write_bytes(data)
    assert_refused(script(folder), words)


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_is_read_with_the_same_care(folder, script, split):
    with (folder / f"{split}.tsv").open("ab") as file:
        file.write(b"s\t1\n")
    assert_refused(script(folder), rf"{split}\.tsv:3: has 2 columns, not 4: write .*")


@pytest.mark.parametrize("split", SPLITS)
def test_missing_split(folder, script, split):
    (folder / f"{split}.tsv").unlink()
    assert_refused(script(folder), rf"{split}\.tsv: no such file: a corpus folder holds in_domain_train\.tsv, .*")


def test_split_that_is_a_folder(folder, script):
    (folder / f"{TRAIN}.tsv").unlink()
    (folder / f"{TRAIN}.tsv").mkdir()
    assert_refused(script(folder), r"in_domain_train\.tsv: cannot be read \(Is a directory\): check the path")


def test_links_in_a_circle(folder, script):
    (folder / f"{TRAIN}.tsv").unlink()
    (folder / f"{TRAIN}.tsv").symlink_to(folder / f"{TRAIN}.tsv")
    assert_refused(script(folder), r"in_domain_train\.tsv: cannot be read \(Too many levels of symbolic links\)")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_file_that_may_not_be_read(folder, script):
    (folder / f"{TRAIN}.tsv").chmod(0)
    assert_refused(script(folder), r"in_domain_train\.tsv: cannot be read \(Permission denied\): check the path")


@pytest.mark.parametrize("path", ["nowhere", "x" * 5000, "in_domain_train.tsv"])
def test_path_that_is_no_folder(folder, script, path):
    assert_refused(script(folder / path), r": no such folder: set corpus\.path to the folder with in_domain_train\.tsv")


def test_repeated_and_leaked_sentences_are_told(folder, script):
    (folder / f"{TRAIN}.tsv").write_bytes(BOTH + GOOD.encode() * 2 + row("She went .", label="0"))
    dev = GOOD.encode() + row("Her went .", label="1") + row() + row()
    (folder / "in_domain_dev.tsv").write_bytes(dev)
    code, printed, output = script(folder)
    warnings = [
        "in_domain_train: 3 rows repeat a sentence, 1 sentences have different labels",
        "in_domain_dev: 1 rows repeat a sentence, 0 sentences have different labels",
        "in_domain_dev: 2 sentences also stand in in_domain_train, 2 with another label",
    ]
    assert code == 0
    assert read_summary(output).warnings == warnings
    assert all(f"warning: {warning}" in " ".join(printed.out.split()) for warning in warnings)


def test_more_classes_than_two(folder, script):
    classes = [f"--classes={name}" for name in ("no", "maybe", "yes")]
    assert_refused(script(folder, *classes), r"in_domain_train has no sentence of class 2 \(yes\)")
    with (folder / f"{TRAIN}.tsv").open("ab") as file:
        file.write(row(label="2"))
    code, _, output = script(folder, *classes)
    assert code == 0
    assert read_summary(output).splits[TRAIN].classes == [1, 1, 1]


@pytest.mark.slow
@needs_proc
def test_a_million_rows_are_read_in_little_memory(tmp_path):
    """The peak is a whole process's: its interpreter and imports take about 60 MB."""
    path = tmp_path / "big.tsv"
    with path.open("wb") as file:
        for number in range(1_000_000):
            file.write(
                row(f"This is the sentence of the number {number} , and a rather long one .", label=str(number % 2))
            )
    assert path.stat().st_size > 60 << 20
    code = (
        "import sys; from pathlib import Path; from distilrnn.data.corpus import iterate_split;"
        "print(sum(e.label for e in iterate_split(Path(sys.argv[1]), 2)));"
        f"print({PEAK})"
    )
    read = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    ones, kilobytes = map(int, read.stdout.split())
    assert ones == 500_000
    assert kilobytes < 150_000
