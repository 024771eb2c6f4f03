"""The command predict: every way in, both kinds of system, and the same answers as the stages gave."""

import io
import json
import shutil
import sys
from itertools import cycle, islice, pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax

from distilrnn.artifacts.tensors import load_arrays, load_tensors
from distilrnn.cli import options
from distilrnn.cli.predict import CHUNK, LONGEST_LINE, numbered_lines, predict
from distilrnn.data.corpus import SPLITS, TRAIN, read_split
from distilrnn.data.encoded import EncodedSplit, read_encoded_split
from distilrnn.data.tokenizer import load_tokenizer
from distilrnn.errors import InputError
from distilrnn.export.students import export_student, write_export
from distilrnn.inference import load_predictor
from distilrnn.models.checkpoints import load_student
from distilrnn.pipeline.base import pretrain
from distilrnn.pipeline.tokens import tokenize_corpus
from distilrnn.runtime.device import Device
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.predict import predict_logits
from tiny import BASE, MODEL, STUDYING, study, teach

DEV = SPLITS[1]


@pytest.fixture
def ask(monkeypatch, capsys):
    """Run the command with these arguments, and return exit code, lines and standard error."""

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["predict", *map(str, arguments), "--threads", "1"])
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            options.run(predict)
        out, err = capsys.readouterr()
        return left.value.code or 0, out.splitlines(), err

    return run


@pytest.fixture(params=["teacher", "student"])
def system(request, tiny):
    """A checkpoint, and the probabilities that its stage's logits say, by split."""
    checkpoint, logits = {
        "teacher": (tiny.adapter, tiny.logits),
        "student": (tiny.student / "student.safetensors", tiny.student / "logits.safetensors"),
    }[request.param]
    arrays, _ = load_arrays(logits, "logits")
    return SimpleNamespace(
        checkpoint=checkpoint, probabilities={s: softmax(arrays[f"{s}.logits"], axis=1) for s in SPLITS[1:]}
    )


def sentences_of(tiny, split=DEV):
    return [example.sentence for example in read_split(tiny.corpus / f"{split}.tsv")]


@pytest.mark.parametrize("split", SPLITS[1:])
def test_predictions_are_the_stages_own(tiny, system, split):
    found = load_predictor(system.checkpoint).probabilities(sentences_of(tiny, split), batch_size=7)
    np.testing.assert_allclose(found, system.probabilities[split], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    one = load_predictor(system.checkpoint).probabilities(sentences_of(tiny, split)[5:6])
    np.testing.assert_allclose(one, system.probabilities[split][5:6], rtol=0, atol=1e-5)


def test_tabs_and_line_ends_are_read_as_the_corpus_has_them(system):
    found = load_predictor(system.checkpoint).probabilities(["The cat\t sleeps\r\n.\n", "The cat sleeps ."])
    np.testing.assert_array_equal(found[0], found[1])


def test_a_special_tokens_name_in_a_text_hides_nothing_of_it(system):
    """tokenizers#566: the name of the padding token in a text is a token of it, not the end of what is read."""
    text, longer = "The cat <|endoftext|> sleeps .", "The old cat of the king sleeps near the house with the dogs ."
    predictor = load_predictor(system.checkpoint)
    alone, other = predictor.probabilities([text]), predictor.probabilities([text.replace("sleeps", "sings")])
    np.testing.assert_allclose(predictor.probabilities([text, longer])[0], alone[0], rtol=0, atol=1e-6)
    assert np.abs(alone - other).max() > 1e-6


def test_arguments_file_and_standard_input_give_the_same_lines(tiny, system, ask, tmp_path):
    sentences = sentences_of(tiny)[:4]
    text = "".join(f"{sentence}\n" for sentence in sentences).encode()
    (tmp_path / "sentences.txt").write_bytes(text)
    code, lines, err = ask(system.checkpoint, *sentences)
    assert (code, err) == (0, "")
    for line, sentence, row in zip(lines, sentences, system.probabilities[DEV][:4], strict=True):
        label, probability, repeated = line.split("\t")
        assert label == ("unacceptable", "acceptable")[row.argmax()]
        assert float(probability) == pytest.approx(row.max(), abs=1e-4)
        assert repeated == sentence
    for same in (
        ask(system.checkpoint, "--file", tmp_path / "sentences.txt"),
        ask(system.checkpoint, stdin=text),
        ask(system.checkpoint, stdin=b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")),
        ask(system.checkpoint, stdin=text.removesuffix(b"\n")),
    ):
        assert same == (0, lines, "")


def test_json_has_the_probability_of_every_class(tiny, system, ask):
    sentences = [*sentences_of(tiny)[:3], 'Ünïcode 🙂 "quotes".']
    code, lines, _ = ask(system.checkpoint, "--json", *sentences)
    assert code == 0
    answers = [json.loads(line) for line in lines]
    assert [answer["sentence"] for answer in answers] == sentences
    for answer, row in zip(answers[:3], system.probabilities[DEV][:3], strict=True):
        named = answer["probabilities"]
        assert list(named) == ["unacceptable", "acceptable"]
        assert sum(named.values()) == pytest.approx(1, abs=2e-6)
        assert list(named.values()) == pytest.approx(row, abs=1e-5)
    for answer in answers:
        assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
        assert answer["probability"] == answer["probabilities"][answer["label"]]


def test_class_names_come_from_the_corpus(tiny, workplace, ask):
    """Three classes, with names of their own, all the way to the answer."""
    from distilrnn.data.corpus import Example, write_corpus

    splits = {
        split: [Example(e.source, i % 3, e.mark, e.sentence) for i, e in enumerate(read_split(path))]
        for split, path in ((s, tiny.corpus / f"{s}.tsv") for s in SPLITS)
    }
    write_corpus(workplace / "corpus", splits, [], ("bad", "so so", "good"), "test")
    tokenize_corpus(workplace / "corpus", tiny.base, None, workplace / "tokens")
    study(tiny, workplace / "student", taught=False, tokens=workplace / "tokens")
    teach(tiny, workplace / "teacher", tokens=workplace / "tokens")
    for arguments in (
        (workplace / "student" / "student.safetensors",),
        (workplace / "teacher" / "adapter.safetensors", "--base", tiny.base),
    ):
        code, (line,), _ = ask(*arguments, "--json", "A sentence.")
        assert code == 0
        assert list(json.loads(line)["probabilities"]) == ["bad", "so so", "good"]


def test_types_never_seen_have_the_full_vocabularys_vectors(tiny):
    checkpoint = tiny.student / "student.safetensors"
    student, _, header = load_student(checkpoint)
    unseen = np.setdiff1d(np.arange(header.vocabulary), student.token_ids.numpy())
    tokenizer = load_tokenizer(tiny.base)
    words = [tokenizer.decode([i]) for i in unseen[:400]]
    sentences = [f"The {a} {b} walks." for a, b in pairwise(words) if "�" not in a + b and (a + b).isprintable()]
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(sentences)]
    assert len({i for sentence in ids for i in sentence} & set(unseen)) > 50
    offsets = np.concatenate([[0], np.cumsum([len(sentence) for sentence in ids])])
    tokens = EncodedSplit(np.concatenate(ids).astype(np.int64), offsets, np.zeros(len(ids), np.int64))
    full = student.with_token_ids(np.arange(header.vocabulary), header.seed).eval()
    logits = predict_logits(full, EncodedDataset(tokens, header.pad_id), 16, Device("cpu", "fp32", 1))
    predictor = load_predictor(checkpoint)
    for start in range(0, len(sentences), 20):  # in several calls: the vocabulary grows from one to the next
        found = predictor.probabilities(sentences[start : start + 20])
        np.testing.assert_allclose(found, softmax(logits[start : start + 20], axis=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("pooling", ["last_step", "max"])
def test_a_maximum_length_is_kept(tiny, workplace, pooling):
    tokenize_corpus(tiny.corpus, tiny.base, 9, workplace / "tokens")
    model = MODEL.model_copy(update={"pooling": pooling})
    study(tiny, workplace / "out", model=model, tokens=workplace / "tokens", training=STUDYING)
    logits, _ = load_arrays(workplace / "out" / "logits.safetensors", "logits")
    found = load_predictor(workplace / "out" / "student.safetensors").probabilities(sentences_of(tiny))
    np.testing.assert_allclose(found, softmax(logits[f"{DEV}.logits"], axis=1), rtol=0, atol=1e-5)
    assert (read_encoded_split(workplace / "tokens", TRAIN).lengths <= 9).all()


def test_a_long_input_is_answered_in_order(tiny, ask):
    sentences = list(islice(cycle(sentences_of(tiny)), CHUNK + 10))
    code, lines, _ = ask(
        tiny.student / "student.safetensors", stdin="".join(f"{sentence}\n" for sentence in sentences).encode()
    )
    assert code == 0
    assert [line.split("\t")[2] for line in lines] == sentences


def test_what_stands_before_bad_input_is_answered_and_nothing_behind_it(tiny, ask):
    sentences = list(islice(cycle(sentences_of(tiny)), CHUNK))
    empty_at_the_end = "".join(f"{sentence}\n" for sentence in [*sentences, sentences[0], ""])
    code, lines, err = ask(tiny.student / "student.safetensors", stdin=empty_at_the_end.encode())
    assert (code, len(lines)) == (2, CHUNK)
    assert f"standard input:{CHUNK + 2}: the sentence is empty" in err
    # Found when it is computed, not when it is read; the second chunk would be fine.
    too_long = "and " * 200 + "on"
    code, lines, err = ask(tiny.adapter, stdin="".join(f"{one}\n" for one in [too_long, *sentences]).encode())
    assert (code, lines) == (2, [])
    assert "longer than the 64 that the base reads" in err


@pytest.mark.parametrize("line", [b"", b"   ", b"\t"])
def test_an_empty_line_is_named(tiny, ask, tmp_path, line):
    text = b"The cat sleeps.\n" + line + b"\nThe dog barks.\n"
    (tmp_path / "in.txt").write_bytes(text)
    for arguments, stdin, where in (
        (("--file", tmp_path / "in.txt"), b"", str(tmp_path / "in.txt")),
        ((), text, "standard input"),
        (("The cat sleeps.", line.decode()), b"", "argument"),
    ):
        code, lines, err = ask(tiny.student / "student.safetensors", *arguments, stdin=stdin)
        assert (code, lines) == (2, [])
        assert err == f"error: {where}:2: the sentence is empty: write it or remove the line\n"


def test_bad_input_is_one_sentence(tiny, ask, tmp_path):
    student = tiny.student / "student.safetensors"
    (tmp_path / "latin.txt").write_bytes(b"Plain.\nCaf\xe9.\n")
    long = "and " * 200 + "on"
    for arguments, message in (
        ((student, "--file", tmp_path / "none.txt"), "none.txt: cannot be read"),
        ((student, "--file", tmp_path), "cannot be read"),
        ((student, "--file", tmp_path / "latin.txt"), "latin.txt:2: is not UTF-8"),
        ((student, "Caf\udce9."), "argument:1: is not UTF-8"),
        ((student, "A sentence.", "--file", tmp_path / "latin.txt"), "choose one"),
        ((tmp_path / "none.safetensors", "A."), "no such file"),
        ((tmp_path / "latin.txt", "A."), "not a file of distilrnn"),
        (
            (tiny.logits, "A."),
            "holds logits: name a student.safetensors, an adapter.safetensors or a linear.safetensors",
        ),
        ((tiny.adapter, long), "longer than the 64 that the base reads"),
    ):
        code, lines, err = ask(*arguments)
        assert (code, lines) == (2, []), arguments
        assert message in err
        assert err.startswith("error: ")
        assert err.count("\n") == 1


def test_a_base_is_looked_for_or_named(tiny, workplace, ask):
    alone = workplace / "adapter.safetensors"
    shutil.copy(tiny.adapter, alone)
    code, _, err = ask(alone, "A sentence.")
    assert code == 2
    assert "pass --base" in err
    code, lines, _ = ask(alone, "A sentence.", "--base", tiny.base)
    assert code == 0
    assert lines == ask(tiny.adapter, "A sentence.")[1]
    pretrain(tiny.corpus / "unlabelled.txt", BASE.model_copy(update={"seed": 1}), workplace / "base", 1)
    code, _, err = ask(alone, "A sentence.", "--base", workplace / "base")
    assert code == 2
    assert "made with another base" in err


def test_a_base_whose_tokenizer_was_changed_is_refused(tiny, workplace):
    base = workplace / "base"
    shutil.copytree(tiny.base, base)
    tokenizer = json.loads((base / "tokenizer.json").read_text())
    tokenizer["model"]["merges"].pop()
    (base / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(InputError, match="another tokenizer"):
        load_predictor(tiny.adapter, base)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.9, 0.9999])
def test_a_truncated_student_is_refused(tiny, tmp_path, share):
    whole = (tiny.student / "student.safetensors").read_bytes()
    file = tmp_path / "student.safetensors"
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="damaged"):
        load_predictor(file)


def test_a_student_with_spoilt_tensors_is_refused(tiny, tmp_path):
    from distilrnn.artifacts.tensors import save_tensors

    tensors, header = load_tensors(tiny.student / "student.safetensors", "student")
    header = {k: v for k, v in header.items() if k not in ("kind", "format")}
    file = tmp_path / "student.safetensors"
    spoilt = [
        {n: t for n, t in tensors.items() if n != "head.weight"},
        {n: t for n, t in tensors.items() if n != "tokenizer"},
        tensors | {"head.weight": tensors["head.weight"][:, :3]},
        tensors | {"tokenizer": tensors["tokenizer"][:50]},
        tensors | {"token_ids": tensors["token_ids"][:-1]},
    ]
    for wrong in spoilt:
        save_tensors(file, "student", wrong, header)
        with pytest.raises(InputError, match="is damaged"):
            load_predictor(file)
    save_tensors(file, "student", tensors, header | {"model": {"cell": "qrnn"}})
    with pytest.raises(InputError, match=r"model\.cell: "):
        load_predictor(file)


def test_a_line_without_end_is_refused(tmp_path):
    file = tmp_path / "sentences.txt"
    file.write_bytes(b"The cat sleeps.\n" + b"a" * (LONGEST_LINE + 1))
    with pytest.raises(InputError, match=r"sentences\.txt:2: longer"):
        list(numbered_lines(file))


def test_an_exported_student_answers_as_the_student(tiny, workplace, ask):
    exported = export_student(tiny.student / "student.safetensors", None, int8=True)
    write_export(workplace / "onnx", exported, exported.about)
    sentences = sentences_of(tiny)
    wanted = load_predictor(tiny.student / "student.safetensors").probabilities(sentences)
    found = load_predictor(workplace / "onnx" / "student.onnx").probabilities(sentences)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    int8 = load_predictor(workplace / "onnx" / "student.int8.onnx").probabilities(sentences)
    np.testing.assert_allclose(int8, wanted, rtol=0, atol=0.05)
    assert ask(workplace / "onnx" / "student.onnx", sentences[0])[:2] == (
        0,
        ask(tiny.student / "student.safetensors", sentences[0])[1],
    )
    (workplace / "onnx" / "student.onnx").write_bytes(b"onnx")
    code, _, err = ask(workplace / "onnx" / "student.onnx", sentences[0])
    assert code == 2
    assert "student.onnx" in err
    assert "export the student again" in err


def test_what_is_not_installed_is_named_with_its_extra(tiny, monkeypatch, ask):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, err = ask(tiny.adapter, "A sentence.")
    assert (code, err) == (2, "error: this needs torch, which is not installed: pip install 'distilrnn[train]'\n")


def test_the_package_offers_its_names_and_no_others():
    import distilrnn

    assert distilrnn.load_predictor is load_predictor
    assert set(distilrnn.__all__) <= set(dir(distilrnn))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = distilrnn.nothing_of_the_kind
