"""Ask one system as a Python program would, and print what that took as JSON.

`python ask.py KIND PATH SENTENCES THREADS REPEATS LONE COUNT...`: sentences, one a line, are classified one by one
(LONE of them), and in calls of COUNT sentences, REPEATS times. KIND is file (load_predictor), torch (a
student.safetensors computed by torch), fasttext, or teacher (PATH is then a shape, and the weights are random).
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

WARM_UP = 20
TEACHER_WORDS = 1500
"""Token types of a teacher's sentences: their number changes no time, and the smallest shape has room for them."""
Ask = Callable[[Sequence[str]], Any]


def from_file(path: str, threads: int, sentences: Sequence[str]) -> Ask:  # noqa: ARG001 - KINDS are called alike
    """Any checkpoint of this package, as load_predictor loads it."""
    from distilrnn import load_predictor

    return load_predictor(path, threads=threads).probabilities


def with_torch(path: str, threads: int, sentences: Sequence[str]) -> Ask:  # noqa: ARG001
    """A student computed by torch."""
    import torch
    from tokenizers import Tokenizer

    from distilrnn.export.students import as_model
    from distilrnn.models.checkpoints import load_student

    torch.set_num_threads(threads)
    student, text, header = load_student(Path(path))
    return _classifier(Tokenizer.from_str(text.decode()), as_model(student), header.pad_id)


def _classifier(tokenizer: Any, model: Any, pad_id: int) -> Ask:
    from distilrnn.data.long_texts import TextLimit
    from distilrnn.inference import Predictor

    return Predictor(["no", "yes"], tokenizer, pad_id, TextLimit(), None, model).probabilities


def teacher(shape: str, threads: int, sentences: Sequence[str]) -> Ask:
    """A teacher of this shape in fp32, as `distilrnn predict` computes it; words are its tokens."""
    import torch

    from benchmarks.shapes import body
    from distilrnn.data.tokenizer import learn_words
    from distilrnn.models.teacher import Teacher

    torch.set_num_threads(threads)
    name, _, tiny = shape.partition("/")
    made = Teacher(body(name, bool(tiny)), 2).eval()

    @torch.no_grad()
    def logits(ids: Any, lengths: Any) -> Any:
        return made(torch.from_numpy(ids), torch.from_numpy(lengths)).numpy()

    return _classifier(learn_words(iter(sentences), TEACHER_WORDS, 1, True), logits, 0)


def fast_text(path: str, threads: int, sentences: Sequence[str]) -> Ask:  # noqa: ARG001
    """A fastText classifier (Joulin et al. 2017), which uses one core."""
    import fasttext

    model = fasttext.load_model(path)
    return lambda some: model.predict(list(some), k=2)


KINDS = {"file": from_file, "torch": with_torch, "teacher": teacher, "fasttext": fast_text}


def main(kind: str, path: str, file: str, threads: str, repeats: str, lone: str, *counts: str) -> None:
    """Load, ask, and print."""
    with Path(file).open(encoding="utf-8") as lines:
        sentences = [line.rstrip("\n") for line in lines]
    started = time.perf_counter()
    ask = KINDS[kind](path, int(threads), sentences)
    ask(sentences[:1])
    found: dict[str, Any] = {"load_seconds": time.perf_counter() - started, "lone_ms": []}
    found |= {"seconds": {}, "cpu_seconds": {}}
    for sentence in sentences[:WARM_UP]:
        ask([sentence])
    for number in range(int(lone)):
        one = sentences[number % len(sentences)]
        started = time.perf_counter()
        ask([one])
        found["lone_ms"].append(1000 * (time.perf_counter() - started))
    for count in counts:
        found["seconds"][count], found["cpu_seconds"][count] = [], []
        for _ in range(int(repeats)):
            started, of_cores = time.perf_counter(), time.process_time()
            ask(sentences[: int(count)])
            found["seconds"][count].append(time.perf_counter() - started)
            found["cpu_seconds"][count].append(time.process_time() - of_cores)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
