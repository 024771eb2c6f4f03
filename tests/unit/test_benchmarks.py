"""The benchmarks run, at sizes that take a moment, and write what they say they write; nothing here looks at a time."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from benchmarks import gpu, textbook
from benchmarks.apart import Apart
from benchmarks.data import END_OF_TEXT, stand_in
from benchmarks.files import sentences_to_repeat
from benchmarks.inference import FORMS, NO_FASTTEXT, make_students, sentences
from benchmarks.ours import arithmetic, our_student, our_teacher
from benchmarks.run import measure, recorded, rows
from benchmarks.scoring import PAD, SHAPES, OurScorer, PlainScorer
from benchmarks.sizes import TINY
from benchmarks.timing import RESULTS, ROOT, ratio, run, spread
from transformers import GPT2Config

from distilrnn.artifacts.files import read_json
from distilrnn.models.kernels import KERNELS
from distilrnn.models.lora import linear_layers
from distilrnn.runtime.device import Device
from distilrnn.training.batch import EncodedDataset
from distilrnn.training.predict import predict_logits

CPU = Device("cpu", "fp32", 1)


@pytest.mark.slow
def test_training_benchmarks_run_and_are_written(tmp_path):
    from benchmarks.drawing import draw_ratios

    results = measure(["teacher", "distil", "baseline"], None, None, 1, TINY, tmp_path)
    table = list(rows(results))
    assert len(table) > 15
    for topic in results:
        written = read_json(tmp_path / f"{topic}.json", "machine", "versions", "commit", "threads", "repeats", "data")
        assert written["figures"] == results[topic]["figures"]
        assert written["data"] == "stand-in"
    draw_ratios(results, tmp_path)
    assert (tmp_path / "ratios.png").stat().st_size > 10_000
    assert (tmp_path / "ratios.svg").stat().st_size > 10_000


def test_the_gpu_benchmark_runs_on_a_cpu_at_tiny_size():
    figures = gpu.measure(stand_in(120), tiny=True)
    assert [row["system"] for row in figures["systems"]] == [
        *("lora-gpt2", "logits of gpt2", "lora-gpt2-medium", "logits of gpt2-medium"),
        *("distilrnn-gpt2", "distilrnn-gpt2-medium", "rnn"),
    ]


@pytest.mark.slow
def test_jobs_run_and_are_written(tmp_path):
    from benchmarks.drawing import draw_growth, draw_lengths

    results = measure(["start", "jobs", "memory", "growth", "lengths"], None, None, 1, TINY, tmp_path)
    assert {name for name, *_ in rows(results)} >= {
        "student job: launch to first step",
        "student job: peak memory",
        "student job with 200 unlabelled sentences: peak memory",
        "student inference, texts of 32 tokens",
    }
    assert all(50 < peak < 2000 for peak in results["growth"]["figures"]["student"]["peak_mb"])
    assert all(50 < peak < 2000 for peak in results["memory"]["figures"]["student_job_with_pool_mb"])
    for draw, name in ((draw_growth, "growth"), (draw_lengths, "lengths")):
        draw(results, tmp_path)
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


@pytest.mark.slow
def test_inference_is_measured_for_every_system_and_form(tmp_path):
    from benchmarks.drawing import draw_inference

    results = measure(["inference"], None, None, 1, TINY, tmp_path)
    figures = results["inference"]["figures"]
    students = {f"{name}, {form}" for name in TINY.students for form in FORMS}
    others = {"TF-IDF, linear", "teacher MiniLM", "teacher GPT-2", "teacher Gemma 3 270M"}
    assert set(figures["systems"]) - {"fastText"} == students | others
    assert figures["fastText"] in ("measured", NO_FASTTEXT)
    assert set(figures["command"]) == {f"{name}, {form}" for name in TINY.students for form in ("numpy", "ONNX fp32")}
    assert {"distilrnn predict, demo, numpy: cold start", "demo, ONNX int8, 1 thread: a lone sentence"} <= {
        name for name, *_ in rows(results)
    }
    draw_inference(results, tmp_path)
    assert (tmp_path / "inference.png").stat().st_size > 10_000


@pytest.mark.slow
def test_kernels_and_scoring_are_measured_for_all(tmp_path):
    results = measure(["kernels", "scoring"], None, None, 1, TINY, tmp_path)
    for kernels in results["kernels"]["figures"]["saved"].values():
        assert set(kernels) == set(KERNELS)
    assert set(results["scoring"]["figures"]["shapes"]) == set(SHAPES)
    assert len(list(rows(results))) >= 2 * len(KERNELS) + 3 * len(SHAPES)


@pytest.mark.parametrize("shape", SHAPES)
def test_scoring_is_the_same_work_as_plain_transformers(shape):
    """The same body: ours in batches of similar length without a mask, and plain ones with it, say the same."""
    data = stand_in(30)
    ours, plain = OurScorer(shape, data, TINY, 1, "fp32"), PlainScorer(shape, data, TINY, 1, "fp32")
    plain.body, plain.head = ours.teacher.body, ours.teacher.head
    rows = ours.data.rows
    found = predict_logits(ours.teacher, EncodedDataset(ours.data.tokens, PAD), 8, CPU, 100)
    np.testing.assert_allclose(found, plain._pass(rows), rtol=0, atol=1e-4)


def test_an_int8_student_of_30000_types_cut_to_what_was_seen_is_below_2_mb(tmp_path):
    """With its tokenizer, for each of the recorded experiments' shapes."""
    texts = [example.sentence for example in sentences_to_repeat(None)]
    for folder in make_students(tmp_path, texts).values():
        made = read_json(folder / "export.json")
        assert made["vocabulary"] == 30_000 > made["vectors"] > 100
        assert sum((folder / name).stat().st_size for name in ("student.int8.onnx", "tokenizer.json")) < 2e6


def test_what_is_recorded_can_be_printed():
    """A run of one topic prints the others' recorded results too, whatever version wrote them."""
    results = recorded(RESULTS)
    assert {"teacher", "memory", "growth"} <= set(results)
    assert len(list(rows(results))) > 30


def test_what_is_asked_has_the_words_of_the_corpus_in_another_order():
    examples = sentences_to_repeat(None)[:50]
    asked = sentences(examples, 120)
    assert asked[:50] == [example.sentence for example in examples]
    assert [sorted(text.split()) for text in asked[50:100]] == [sorted(text.split()) for text in asked[:50]]
    assert len(set(asked)) > 100


def test_a_process_is_charged_its_own_memory_alone():
    """Not that of the process which starts it, however large."""
    held = np.ones(60_000_000)  # 480 MB
    small = run([sys.executable, "-c", "print('said')"])
    assert small.output == "said\n"
    assert small.peak_mb < 100 < held.nbytes / 1e6
    assert run([sys.executable, "-c", "x = bytearray(200_000_000)"]).peak_mb > 200
    with pytest.raises(RuntimeError, match="exit code 3"):
        run([sys.executable, "-c", "raise SystemExit(3)"])


class Twice:
    def __init__(self, number):
        if number < 0:
            raise ValueError("below zero")
        self.number = number

    def times(self, other):
        return 2 * self.number * other, os.getpid()


def test_contestants_are_apart():
    with Apart(Twice, 3) as one, Apart(Twice, 4) as other, Apart(Twice, -1) as broken:
        assert [one.call("times", 5)[0], other.call("times", 5)[0]] == [30, 40]
        assert len({os.getpid(), one.call("times", 1)[1], one.call("times", 2)[1], other.call("times", 1)[1]}) == 3
        with pytest.raises(TypeError):
            one.call("times", None)
        assert one.call("times", 1)[0] == 6
        with pytest.raises(ValueError, match="below zero"):
            broken.call("times", 1)


def test_medians_and_ratios_are_of_pairs():
    assert spread([3, 1, 2]) == {"median": 2, "low": 1, "high": 3, "all": [3, 1, 2]}
    assert ratio([4, 9], [2, 3])["all"] == [2, 3]


def test_what_is_drawn_makes_batches_of_like_length_and_has_the_corpus_lengths():
    data = stand_in()
    drawn = [data.batches(384, 128, number) for number in range(20)]
    assert {len(part.rows) for part in drawn} == {384}
    lengths = [np.sort(part.tokens.lengths) for part in drawn]
    spans = [int(batch[-1] - batch[0]) for part in lengths for batch in np.split(part, 3)]
    assert np.median(spans) <= 1
    assert [part.mean() for part in lengths] == pytest.approx([data.tokens.lengths.mean()] * 20, rel=0.01)
    assert lengths[0].tolist() != lengths[1].tolist()
    assert len(data.batches(40, 128, 0).rows) == 40  # so few that no draw has the corpus's mean length


def test_the_stand_in_is_like_cola():
    data = stand_in()
    lengths = np.array([len(row) for row in data.rows])
    assert len(lengths) == 8551
    assert 8.5 < lengths.mean() < 9.6
    assert lengths.max() <= 20
    assert 0.68 < data.labels.mean() < 0.72
    assert 5000 < len(data.types) <= 6413


def test_the_textbook_trains_what_the_reference_trains():
    """The published counts: 629,760 trainable for GPT-2, and 39,780,098 of the RNN."""
    with torch.device("meta"):
        teacher, student = textbook.Teacher(GPT2Config()), textbook.Student(50257)
    assert sum(p.numel() for p in teacher.parameters() if p.requires_grad) == 629_760
    assert sum(p.numel() for p in teacher.parameters()) == 125_031_168
    assert sum(p.numel() for p in student.parameters()) == 39_780_098


def test_the_textbooks_teacher_is_ours():
    """The same weights say the same of the same sentences: what is compared is the same work."""
    data = stand_in(30)
    ours, plain = our_teacher(TINY, CPU).eval(), textbook.Teacher(GPT2Config(n_embd=16, n_layer=2, n_head=2)).eval()
    weights = {
        name.replace("gpt2.", "body.").replace("frozen", "linear"): value for name, value in plain.state_dict().items()
    }
    ours.load_state_dict(weights)
    ids, lengths = data.tokens.padded(np.arange(30), END_OF_TEXT)
    with torch.no_grad():
        found = ours(torch.from_numpy(ids), torch.from_numpy(lengths))
    expected = textbook.score(plain, textbook.dataset(data.rows, data.labels, END_OF_TEXT))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_arithmetic_counts_real_tokens_alone():
    """By hand: every map at every token, the last MLP's two and the one before it at one token a sentence."""
    teacher, data = our_teacher(TINY, CPU), stand_in(10)
    tokens = sum(map(len, data.rows))
    weights = {name: m.weight.numel() for name, m in linear_layers(teacher.body).items()}
    last = sum(n for name, n in weights.items() if name.startswith(("h.1.mlp", "h.1.attn.c_proj")))
    assert arithmetic(teacher, data, training=False) == 2 * (tokens * (sum(weights.values()) - last) + 10 * last)


def test_the_student_has_a_row_for_every_type_of_the_corpus():
    data = stand_in(50)
    assert our_student(data, TINY).embedding.weight.shape == (len(data.types), 16)


def test_a_topic_that_is_none_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.run", "moon"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "moon is nothing to measure" in done.stderr
