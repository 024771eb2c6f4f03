"""Exports, each read by the library that it is for: onnxruntime, peft, transformers."""

import shutil
import subprocess
import sys
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import softmax

from distilrnn.artifacts import layout
from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.tensors import load_arrays
from distilrnn.cli import options
from distilrnn.cli.main import commands
from distilrnn.data.corpus import SPLITS, read_split
from distilrnn.data.long_texts import TextLimit
from distilrnn.data.tokenizer import load_tokenizer
from distilrnn.errors import InputError
from distilrnn.export import onnx as onnx_export
from distilrnn.export.onnx import quantized, student_onnx
from distilrnn.export.students import export_student, runtime
from distilrnn.inference import load_predictor
from distilrnn.models.adapters import load_teacher, save_adapter
from distilrnn.models.bases import save_base, without_pooler
from distilrnn.models.student import Student
from distilrnn.models.teacher import build_teacher
from distilrnn.params.base import BaseParams
from distilrnn.params.experiment import validate_experiment
from distilrnn.params.student import StudentModelParams
from distilrnn.params.teacher import TuningParams
from distilrnn.pipeline.export import export_systems
from distilrnn.pipeline.tokens import tokenize_corpus
from headers import teacher_header
from paths import REPOSITORY
from tiny import MODEL, SELECTION, study

ROOT = REPOSITORY
VOCABULARY, PAD, WIDTH = 50, 3, 9
VARIANTS = list(product(["rnn", "gru", "lstm"], [1, 2], [False, True], ["last_step", "last_token", "mean", "max"]))
STRANGE = ["Ünïcode 🙂 zzz.", "xq", "The cat sleeps and the dogs that the king must invited bark and sing and walk."]


@pytest.fixture
def export(monkeypatch, capsys):
    """Run `distilrnn export` with these arguments, and return exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["distilrnn", "export", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            options.run(commands)
        return left.value.code or 0, *capsys.readouterr()

    return run


def sentences_of(tiny, split=SPLITS[1]):
    return [example.sentence for example in read_split(tiny.corpus / f"{split}.tsv")]


# Students as ONNX


def random_student(types, **model):
    torch.manual_seed(0)
    return Student(np.asarray(types), 3, StudentModelParams(embedding=12, hidden=7, **model), 5).eval()


def random_sentences(types, rows=6, longest=8):
    random = np.random.default_rng(0)
    lengths = random.integers(1, longest + 1, rows)
    lengths[0], lengths[1] = longest, 1
    return np.where(np.arange(longest) < lengths[:, None], random.choice(types, (rows, longest)), PAD), lengths


def asked(student, ids, lengths):
    """What the student itself says."""
    if student.params.pooling == "last_step":
        ids = np.pad(ids, ((0, 0), (0, WIDTH - ids.shape[1])), constant_values=PAD)
    with torch.no_grad():
        return student(torch.from_numpy(ids), torch.from_numpy(lengths)).numpy()


@pytest.mark.parametrize(("cell", "layers", "bidirectional", "pooling"), VARIANTS)
def test_onnxruntime_computes_the_students_logits(cell, layers, bidirectional, pooling):
    model = {"cell": cell, "layers": layers, "bidirectional": bidirectional, "pooling": pooling}
    student = random_student(range(VOCABULARY), **model)
    ids, lengths = random_sentences(range(VOCABULARY))
    wanted = asked(student, ids, lengths)
    judge = runtime(student_onnx(student, VOCABULARY, PAD, TextLimit(max_length=WIDTH), int8=False), 1)
    np.testing.assert_allclose(judge(ids, lengths), wanted, rtol=0, atol=1e-5)
    for row in range(len(ids)):  # alone and unpadded: batch and length are free
        alone = ids[row : row + 1, : lengths[row]], lengths[row : row + 1]
        np.testing.assert_allclose(judge(*alone), wanted[row : row + 1], rtol=0, atol=1e-5)
    anything = np.where(np.arange(ids.shape[1]) < lengths[:, None], ids, 7)  # padded with another type
    np.testing.assert_allclose(judge(anything, lengths), wanted, rtol=0, atol=1e-5)
    with torch.no_grad():
        for name, weight in student.named_parameters():
            if weight.dim() == 2:
                integers, scales = quantized(weight.numpy())
                assert (integers.dtype, scales.shape) == (np.int8, (len(weight), 1)), name
                assert (np.abs(integers * scales - weight.numpy()) <= scales / 1.99).all()
                weight.copy_(torch.from_numpy(integers * scales))
    packed = runtime(student_onnx(student, VOCABULARY, PAD, TextLimit(max_length=WIDTH), int8=True), 1)
    np.testing.assert_allclose(packed(ids, lengths), asked(student, ids, lengths), rtol=0, atol=1e-5)


@pytest.mark.parametrize("int8", [False, True])
def test_a_type_without_a_vector_gets_zeros(int8):
    types = np.arange(0, VOCABULARY, 3)
    student = random_student(types)
    full = random_student(range(VOCABULARY))
    with torch.no_grad():
        full.embedding.weight.zero_()[torch.from_numpy(types)] = student.embedding.weight
        full.load_state_dict({n: w for n, w in student.state_dict().items() if n != "embedding.weight"}, strict=False)
    ids, lengths = random_sentences(range(VOCABULARY))
    assert not np.isin(ids, types).all()
    found = runtime(student_onnx(student, VOCABULARY, PAD, TextLimit(), int8), 1)(ids, lengths)
    wanted = runtime(student_onnx(full, VOCABULARY, PAD, TextLimit(), int8), 1)(ids, lengths)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pooling", ["last_step", "last_token", "mean"])
def test_longer_sentences_are_cut(pooling):
    student = random_student(range(VOCABULARY), pooling=pooling)
    ids, lengths = random_sentences(range(VOCABULARY), longest=WIDTH + 6)
    found = runtime(student_onnx(student, VOCABULARY, PAD, TextLimit(max_length=WIDTH), int8=False), 1)(ids, lengths)
    wanted = asked(student, ids[:, :WIDTH].copy(), np.minimum(lengths, WIDTH))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", ["last_step", "last_token", "max"])
@pytest.mark.parametrize("limit", [TextLimit("tail", WIDTH, None, 1, 1), TextLimit("head_tail", WIDTH, None, 0, 1)])
def test_longer_texts_are_cut_where_the_policy_says(pooling, limit):
    student = random_student(range(VOCABULARY), pooling=pooling)
    ids, lengths = random_sentences(range(VOCABULARY), longest=WIDTH + 6)
    found = runtime(student_onnx(student, VOCABULARY, PAD, limit, int8=False), 1)(ids, lengths)
    cut = np.full((len(ids), WIDTH), PAD)
    for row, length in enumerate(lengths):
        kept = limit.cut(ids[row, :length].tolist())
        cut[row, : len(kept)] = kept
    assert not np.array_equal(cut, ids[:, :WIDTH])
    wanted = asked(student, cut, np.minimum(lengths, WIDTH))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_too_many_vectors_for_one_file_are_refused(monkeypatch):
    monkeypatch.setattr(onnx_export, "LARGEST", 1000)
    with pytest.raises(InputError, match="export with --vocabulary seen"):
        student_onnx(random_student(range(VOCABULARY)), VOCABULARY, PAD, TextLimit(), int8=False)


def probabilities(folder, sentences, file="student.onnx"):
    """What a person gets who has the exported folder alone, as the example of the README reads it."""
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

    encodings = Tokenizer.from_file(str(folder / "tokenizer.json")).encode_batch(sentences)
    ids = np.array([encoding.ids for encoding in encodings], np.int64)
    lengths = np.array([sum(encoding.attention_mask) for encoding in encodings], np.int64)
    return InferenceSession(folder / file).run(["probabilities"], {"ids": ids, "lengths": lengths})[0]


@pytest.mark.parametrize(("pooling", "max_length"), [("last_token", None), ("max", 9), ("last_step", 9)])
def test_an_exported_student_answers_as_predict_does(tiny, workplace, export, pooling, max_length):
    tokenize_corpus(tiny.corpus, tiny.base, max_length, workplace / "tokens")
    study(tiny, workplace / "student", model=MODEL.model_copy(update={"pooling": pooling}), tokens=workplace / "tokens")
    checkpoint, out = workplace / "student" / "student.safetensors", workplace / "out"
    code, said, err = export("onnx", checkpoint, "--output", out, "--int8")
    assert (code, err) == (0, "")
    about = read_json(out / "export.json")
    assert about["classes"] == ["unacceptable", "acceptable"]
    assert about["vectors"] == about["vocabulary"]
    assert about["bytes"] == {file.name: file.stat().st_size for file in out.iterdir() if file.name != "export.json"}
    assert all(f"{size:,} bytes" in said for size in about["bytes"].values())
    sentences = [*sentences_of(tiny), *STRANGE]
    wanted = load_predictor(checkpoint).probabilities(sentences)
    np.testing.assert_allclose(probabilities(out, sentences), wanted, rtol=0, atol=1e-5)
    packed = probabilities(out, sentences, "student.int8.onnx")
    np.testing.assert_allclose(packed, wanted, rtol=0, atol=0.05)
    assert np.abs(packed - wanted).max() > 1e-5


def test_only_seen_types_make_a_smaller_file(tiny, workplace, export):
    checkpoint = tiny.student / "student.safetensors"
    sizes = {}
    for types in ("all", "seen"):
        assert export("onnx", checkpoint, "--output", workplace / types, "--vocabulary", types)[0] == 0
        assert sorted(file.name for file in (workplace / types).iterdir()) == [
            "export.json",
            "student.onnx",
            "tokenizer.json",
        ]
        sizes[types] = read_json(workplace / types / "export.json")["bytes"]["student.onnx"]
    assert sizes["seen"] < sizes["all"]
    seen = sentences_of(tiny, SPLITS[0])
    wanted = load_predictor(checkpoint).probabilities(seen)
    np.testing.assert_allclose(probabilities(workplace / "seen", seen), wanted, rtol=0, atol=1e-5)


def test_the_same_student_has_the_same_bytes(tiny):
    first, second = (export_student(tiny.student / "student.safetensors", None, True).files for _ in range(2))
    assert first == second


# The rule


@pytest.fixture(scope="module")
def exported(tiny, tmp_path_factory):
    """The small experiment with its params, after the rule export."""
    folder = tmp_path_factory.mktemp("exported") / "small"
    shutil.copytree(tiny.folder, folder, ignore=shutil.ignore_patterns(".resume"))
    values = {
        "experiment": "small",
        "seeds": [0],
        "corpus": {"train_size": 100, "dev_size": 40},
        "bases": {"tiny": {}},
        "selection": SELECTION.model_dump(),
        "teachers": {"tiny": {"base": "tiny", "seeds": [0]}},
        "students": {"rnn": {"tokenizer": "tiny", "model": MODEL.model_dump()}},
    }
    experiment = validate_experiment(values, "params")
    (folder / "params.json").write_text(experiment.model_dump_json())
    return SimpleNamespace(folder=folder, found=export_systems(folder / "params.json", 1), experiment=experiment)


@pytest.mark.parametrize("system", ["distilrnn-tiny", "rnn"])
def test_the_rule_judges_what_onnxruntime_says(tiny, exported, system):
    folder = layout.export_folder(exported.folder, system)
    assert {file.name for file in folder.iterdir()} == set(layout.EXPORT_FILES)
    about = read_json(folder / "export.json")
    assert about == exported.found[system]
    assert set(exported.found) == {"distilrnn-tiny", "rnn"}
    assert about["parity"] <= 1e-5
    assert about["bytes"]["student.int8.onnx"] < about["bytes"]["student.onnx"]
    run = tiny.student if system == "distilrnn-tiny" else tiny.baseline
    assert about["checkpoint_bytes"] == (run / "student.safetensors").stat().st_size
    logits, _ = load_arrays(run / "logits.safetensors", "logits")
    for split in SPLITS[1:]:
        labels = np.array([example.label for example in read_split(tiny.corpus / f"{split}.tsv")])
        for file in ("student.onnx", "student.int8.onnx"):
            found = probabilities(folder, sentences_of(tiny, split), file)
            if file == "student.onnx":
                np.testing.assert_allclose(found, softmax(logits[f"{split}.logits"], axis=1), rtol=0, atol=1e-5)
            assert about["scores"][split][file]["accuracy"] == pytest.approx((found.argmax(1) == labels).mean())
            assert -1 <= about["scores"][split][file]["mcc"] <= 1


# Teachers in other libraries

ARCHITECTURES = {
    "gpt2": ("GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}),
    "gemma": ("Gemma3TextConfig", {"num_key_value_heads": 1, "head_dim": 16}),
    "llama": ("LlamaConfig", {}),
    "bert": ("BertConfig", {}),
    "distilbert": ("DistilBertConfig", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}),
    "roberta": ("RobertaConfig", {}),
    "modernbert": ("ModernBertConfig", {}),
}
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def make_teacher(tiny, folder, architecture, **tuning):
    """A base of this architecture with random weights, and a teacher of three classes with random ones too."""
    import transformers

    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=load_tokenizer(tiny.base), eos_token="<|endoftext|>"
    )
    name, settings = ARCHITECTURES[architecture]
    pad_id = tokenizer.eos_token_id
    special = {f"{role}_token_id": pad_id for role in ("pad", "bos", "eos", "cls", "sep")}
    sizes = {} if architecture in ("gpt2", "distilbert") else SIZES
    shape = {"vocab_size": len(tokenizer), "max_position_embeddings": 64, **sizes, **settings, **special}
    config = getattr(transformers, name)(**shape)
    torch.manual_seed(1)
    auto = transformers.AutoModel if "bert" in architecture else transformers.AutoModelForCausalLM
    model = without_pooler(auto.from_config(config))
    save_base(model, tokenizer, folder / "base", BaseParams(model="x"))
    params = TuningParams(**{"rank": 2, "alpha": 4, "init": "xavier", "dropout": 0.0} | tuning)
    teacher = build_teacher(folder / "base", 3, params, 3)
    with torch.no_grad():
        for weight in teacher.parameters():
            if weight.requires_grad:
                weight += 0.1 * torch.randn_like(weight)
    header = teacher_header(folder / "base", ["bad", "so so", "good"], params, pad_id=pad_id)
    save_adapter(folder / "adapter.safetensors", teacher, header)
    return folder / "adapter.safetensors", folder / "base"


def teachers_logits(base, adapter, texts):
    """Ids, mask and logits of the teacher, for sentences of different lengths."""
    teacher, header = load_teacher(base, adapter)
    ids = [encoding.ids for encoding in load_tokenizer(base).encode_batch(texts)]
    lengths = torch.tensor([len(sentence) for sentence in ids])
    padded = torch.full((len(ids), int(lengths.max())), header.pad_id)
    for row, sentence in enumerate(ids):
        padded[row, : len(sentence)] = torch.tensor(sentence)
    mask = (torch.arange(padded.shape[1]) < lengths[:, None]).long()
    with torch.no_grad():
        return {"input_ids": padded, "attention_mask": mask}, teacher(padded, lengths)


def require_same_in_peft(base, adapter, folder, texts):
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    inputs, wanted = teachers_logits(base, adapter, texts)
    header = load_teacher(base, adapter)[1]
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=len(header.classes), pad_token_id=header.pad_id
    )
    model = PeftModel.from_pretrained(model, folder).eval()
    with torch.no_grad():
        found = model(**inputs).logits
        with model.disable_adapter():
            without = model(**inputs).logits
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    assert (without - wanted).abs().max() > 0.01


def require_same_in_pipeline(base, adapter, folder, texts):
    from transformers import pipeline

    _, logits = teachers_logits(base, adapter, texts)
    pipe = pipeline("text-classification", str(folder), top_k=None)
    for batch_size in (1, len(texts)):
        for answers, wanted in zip(pipe(texts, batch_size=batch_size), logits.softmax(-1), strict=True):
            found = {answer["label"]: answer["score"] for answer in answers}
            classes = load_teacher(base, adapter)[1].classes
            assert [found[name] for name in classes] == pytest.approx(wanted.tolist(), abs=1e-5)


def test_a_trained_teacher_is_the_same_in_peft_and_transformers(tiny, workplace, export):
    texts = [*sentences_of(tiny)[:6], "The cat.", "A king and a doctor that the dogs see in the garden."]
    for library in ("peft", "huggingface"):
        code, said, err = export(library, tiny.adapter, "--output", workplace / library)
        assert (code, err.replace("\r", "").strip()) == (0, "")
        assert str(workplace / library) in said
    require_same_in_peft(tiny.base, tiny.adapter, workplace / "peft", texts)
    require_same_in_pipeline(tiny.base, tiny.adapter, workplace / "huggingface", texts)
    found = load_predictor(tiny.adapter).probabilities(texts)
    np.testing.assert_allclose(found, teachers_logits(tiny.base, tiny.adapter, texts)[1].softmax(-1), atol=1e-6)
    config = read_json(workplace / "peft" / "adapter_config.json")
    assert config["fan_in_fan_out"] is True
    assert {"score", "transformer.ln_f", "transformer.h.0.ln_1"} <= set(config["modules_to_save"])


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "modernbert"])
def test_architectures_are_the_same_in_peft_and_transformers(tiny, workplace, export, architecture):
    adapter, base = make_teacher(tiny, workplace, architecture)
    for library in ("peft", "huggingface"):
        assert export(library, adapter, "--base", base, "--output", workplace / library)[0] == 0
    texts = ["The cat sleeps.", "A", "The king must invite the doctor and the dogs bark."]
    require_same_in_peft(base, adapter, workplace / "peft", texts)
    require_same_in_pipeline(base, adapter, workplace / "huggingface", texts)


@pytest.mark.parametrize("tuning", [{"alpha": None}, {"train_norms": False}, {"targets": ("*.attn.c_attn",)}])
def test_tunings_are_the_same_in_peft(tiny, workplace, export, tuning):
    adapter, base = make_teacher(tiny, workplace, "gpt2", **tuning)
    assert export("peft", adapter, "--base", base, "--output", workplace / "peft")[0] == 0
    require_same_in_peft(base, adapter, workplace / "peft", ["The cat sleeps.", "A dog and the king."])


@pytest.mark.parametrize("mode", ["full", "probe"])
def test_without_lora_there_is_no_peft_but_a_merged_model(tiny, workplace, export, mode):
    adapter, base = make_teacher(tiny, workplace, "gpt2", mode=mode)
    code, _, err = export("peft", adapter, "--base", base, "--output", workplace / "peft")
    assert code == 2
    assert f"mode {mode}, not lora: use `distilrnn export huggingface`" in err
    assert not (workplace / "peft").exists()
    assert export("huggingface", adapter, "--base", base, "--output", workplace / "merged")[0] == 0
    require_same_in_pipeline(base, adapter, workplace / "merged", ["The cat sleeps.", "A"])


def test_a_head_that_cannot_compute_it_is_refused(tiny, workplace, export):
    adapter, base = make_teacher(tiny, workplace, "modernbert")
    for library in ("peft", "huggingface"):
        code, _, err = export(library, adapter, "--base", base, "--output", workplace / library)
        assert code == 2
        assert "ModernBertForSequenceClassification cannot do what this teacher does" in err
        assert not (workplace / library).exists()


def test_other_files_are_refused_in_one_sentence(tiny, workplace, export):
    student = tiny.student / "student.safetensors"
    for arguments, words in (
        (("onnx", tiny.adapter), "holds a adapter file"),
        (("peft", student), "holds a student file"),
        (("huggingface", workplace / "none.safetensors"), "no such file"),
        (("huggingface", tiny.adapter, "--base", workplace), "no such file"),
    ):
        code, said, err = export(*arguments, "--output", workplace / "out")
        assert (code, said) == (2, "")
        assert words in err
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert not (workplace / "out").exists()


# The README's examples


def test_the_examples_say_what_predict_says(tiny, exported):
    sentences = sentences_of(tiny)[:5]
    wanted = load_predictor(tiny.student / "student.safetensors").probabilities(sentences)
    onnx = layout.export_folder(exported.folder, "distilrnn-tiny") / "student.onnx"
    blocked = "import runpy, sys; sys.modules |= dict.fromkeys(['torch', 'transformers', 'distilrnn']); sys.argv.pop(0)"
    plain = [ROOT / "examples" / "predict.py", tiny.student / "student.safetensors"]
    alone = ["-c", f"{blocked}; runpy.run_path(sys.argv[0])", ROOT / "examples" / "predict_onnx.py", onnx]
    for command in (plain, alone):
        done = subprocess.run([sys.executable, *command, *sentences], capture_output=True, text=True, check=True)
        for line, sentence, row in zip(done.stdout.splitlines(), sentences, wanted, strict=True):
            label, probability, repeated = line.split("\t")
            assert (label, repeated) == (("unacceptable", "acceptable")[row.argmax()], sentence)
            assert float(probability) == pytest.approx(row.max(), abs=1e-4)
