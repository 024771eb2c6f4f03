"""Rules tokenizer and vectors, and students that begin with pre-trained vectors."""

from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer

from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.tensors import load_arrays
from distilrnn.data.encoded import read_encoded_split
from distilrnn.errors import InputError
from distilrnn.inference import load_predictor
from distilrnn.models.checkpoints import load_student
from distilrnn.models.embeddings import initial_embeddings
from distilrnn.orchestration.code import code_version
from distilrnn.params.splits import SPLITS, TRAIN
from distilrnn.params.student import DistilParams
from distilrnn.params.tokenize import LearnedTokenizerParams
from distilrnn.pipeline.start import StartingPoint
from distilrnn.pipeline.student import StudentJob, train_student
from distilrnn.pipeline.tokenizer import learn_tokenizer
from distilrnn.pipeline.tokens import tokenize_corpus
from distilrnn.pipeline.vectors import prepare_vectors
from tiny import MODEL, SELECTION, STUDYING

WIDTH = 6


@pytest.fixture(scope="module")
def own(tiny, tmp_path_factory):
    """A word tokenizer of the small corpus, and vectors of all but a few of its words, and of words it never saw."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "more.txt").write_text("zebras zebras gallop\n")
    params = LearnedTokenizerParams(learn="word", vocabulary=500, min_frequency=1, lowercase=True)
    learn_tokenizer(tiny.corpus, [folder / "more.txt"], params, folder / "tokenizer")
    tokenize_corpus(tiny.corpus, folder / "tokenizer", None, folder / "tokens")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))
    random = np.random.default_rng(0)
    words = sorted(tokenizer.get_vocab())[2:-3]
    lines = [f"{word} {' '.join(f'{x:.4f}' for x in random.normal(0, 0.3, WIDTH))}\n" for word in [*words, "zebras"]]
    (folder / "words.txt").write_text("".join(lines))
    prepare_vectors(folder / "tokens", folder / "words.txt", WIDTH, folder / "vectors")
    return folder


def train(own, output, freeze_vectors=False):
    model = MODEL.model_copy(update={"embedding": WIDTH})
    start = StartingPoint(own / "vectors" / "vectors.safetensors", freeze_vectors)
    job = StudentJob(own / "tokens", model, STUDYING, SELECTION, DistilParams(), start=start, threads=1)
    train_student(job, output)
    return load_student(output / "student.safetensors")[0]


def test_a_tokenizer_is_learned_from_train_and_text_but_not_from_what_is_judged(tiny, own):
    run = read_json(own / "tokenizer" / "run.json")
    assert run["code"] == code_version("tokenizer")
    assert run["sentences"] == 101
    tokenizer = Tokenizer.from_file(str(own / "tokenizer" / "tokenizer.json"))
    assert tokenizer.token_to_id("zebras") is not None
    text = (tiny.corpus / f"{TRAIN}.tsv").read_text() + "zebras gallop"
    words = {token for line in text.splitlines() for token in tokenizer.encode(line.split("\t")[-1]).tokens}
    assert set(tokenizer.get_vocab()) <= words | {"[PAD]", "[UNK]"}
    assert run["entries"] == tokenizer.get_vocab_size()


def test_coverage_is_counted(own):
    run = read_json(own / "vectors" / "run.json")
    assert run["code"] == code_version("vectors")
    arrays, _ = load_arrays(own / "vectors" / "vectors.safetensors", "vectors")
    ids = read_encoded_split(own / "tokens", TRAIN).ids
    assert run["train_coverage"] == round(float(np.isin(ids, arrays["token_ids"]).mean()), 4)
    assert run["with_vector"] == len(arrays["token_ids"]) < run["entries"]
    of_train = arrays["vectors"][np.isin(arrays["token_ids"], ids)]
    assert abs(np.square(of_train, dtype=np.float64).mean() - 1) < 1e-5  # as initial embeddings are


def test_a_student_begins_with_the_vectors_and_keeps_those_of_words_it_never_saw(own, workplace):
    arrays, _ = load_arrays(own / "vectors" / "vectors.safetensors", "vectors")
    student = train(own, workplace / "tuned")
    rows = dict(zip(student.token_ids.tolist(), student.embedding.weight.detach().numpy(), strict=True))
    trained = np.unique(read_encoded_split(own / "tokens", TRAIN).ids).tolist()
    assert set(rows) >= set(arrays["token_ids"].tolist())
    given = zip(arrays["token_ids"].tolist(), arrays["vectors"], strict=True)
    moved = {i: not np.array_equal(rows[i], vector) for i, vector in given}
    assert sum(moved.values()) > len(trained) / 2  # words that only the held-out part has do not move
    assert {i for i in moved if moved[i]} <= set(trained)
    assert Tokenizer.from_file(str(own / "tokenizer" / "tokenizer.json")).token_to_id("zebras") in moved
    run = read_json(workplace / "tuned" / "run.json")
    assert run["vectors"]["train_coverage"] == read_json(own / "vectors" / "run.json")["train_coverage"]
    assert run["parameters"]["trainable"] == run["parameters"]["total"]


def test_frozen_vectors_do_not_move(own, workplace):
    arrays, _ = load_arrays(own / "vectors" / "vectors.safetensors", "vectors")
    student = train(own, workplace / "frozen", freeze_vectors=True)
    rows = student.embedding.weight.detach().numpy()
    where = np.searchsorted(student.token_ids.numpy(), arrays["token_ids"])
    assert np.array_equal(rows[where], arrays["vectors"])
    others = np.setdiff1d(student.token_ids.numpy(), arrays["token_ids"])
    assert len(others)
    assert np.array_equal(
        rows[np.searchsorted(student.token_ids.numpy(), others)], initial_embeddings(0, others, WIDTH)
    )
    parameters = read_json(workplace / "frozen" / "run.json")["parameters"]
    vocabulary = read_json(own / "tokens" / "tokens.json")["vocabulary"]
    assert parameters["trainable"] == parameters["total"] - WIDTH * vocabulary


def test_prediction_agrees_with_the_saved_logits(tiny, own, workplace):
    train(own, workplace / "student")
    lines = (tiny.corpus / f"{SPLITS[2]}.tsv").read_text().splitlines()
    predictor = load_predictor(workplace / "student" / "student.safetensors")
    found = predictor.probabilities([line.split("\t")[3] for line in lines])
    logits = load_arrays(workplace / "student" / "logits.safetensors", "logits")[0][f"{SPLITS[2]}.logits"]
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(found, exponentials / exponentials.sum(1, keepdims=True), atol=1e-5)


def test_input_embeddings_of_a_teacher_are_projected(tiny, own, workplace):
    run = prepare_vectors(own / "tokens", tiny.base, WIDTH, workplace / "vectors")
    assert (run.width, run.embedding) == (32, WIDTH)
    assert run.train_coverage > 0.9
    arrays, _ = load_arrays(workplace / "vectors" / "vectors.safetensors", "vectors")
    assert arrays["vectors"].shape == (run.with_vector, WIDTH)


@pytest.mark.parametrize(
    ("content", "size", "said"),
    [
        ("the 1 2 3 4 5 6\n", 12, r"vectors of 6 numbers, but .*embedding is 12: set it to 6, or lower"),
        ("der 1 2 3 4 5 6\n", 6, "a vector for none of the tokens of train"),
        ("the 0 0 0 0 0 0\n", 6, "all vectors of train's tokens are zero"),
    ],
)
def test_vectors_that_do_not_serve_are_refused(own, workplace, content, size, said):
    (workplace / "words.txt").write_text(content)
    with pytest.raises(InputError, match=said):
        prepare_vectors(own / "tokens", workplace / "words.txt", size, workplace / "vectors")
    assert not (workplace / "vectors").exists()


def test_vectors_of_another_tokenizer_or_width_are_refused(tiny, own, workplace):
    start = StartingPoint(own / "vectors" / "vectors.safetensors")
    model = MODEL.model_copy(update={"embedding": WIDTH})
    job = StudentJob(own / "tokens", model, STUDYING, SELECTION, DistilParams(), start=start, threads=1)
    with pytest.raises(InputError, match="made with another tokenizer"):
        train_student(replace(job, tokens=tiny.tokens), workplace / "s")
    with pytest.raises(InputError, match="does not fit a student of embedding 8"):
        train_student(replace(job, model=MODEL), workplace / "s")
    assert not (workplace / "s").exists()
