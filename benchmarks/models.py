"""Topics teacher, distil and baseline: this package, the textbook and Trainer + peft side by side."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from benchmarks import contestants
from benchmarks.apart import Apart
from benchmarks.data import Data
from benchmarks.sizes import Sizes
from benchmarks.timing import interleaved, ratio, spread
from benchmarks.trainer_peft import INSTALLED
from distilrnn.runtime.device import multiplies_bf16


def _formats() -> list[str]:
    return ["fp32", *(["bf16"] if multiplies_bf16("cpu") else [])]


def _measured(places: Mapping[str, Apart], method: str) -> dict[str, Callable[[int], float]]:
    return {name: lambda number, place=place: place.call(method, number) for name, place in places.items()}


def _rates(found: Mapping[str, list[float]], counts: int) -> dict[str, list[float]]:
    return {name: [counts / value for value in values] for name, values in found.items()}


def measure_teacher(data: Data, sizes: Sizes, threads: int) -> dict:
    """LoRA training and inference: sentences per second, ratios, and the share of the measured matrix product rate."""
    fastest = _formats()[-1]
    with ExitStack() as stack:

        def apart(build: Callable, *arguments: str) -> Apart:
            return stack.enter_context(Apart(build, data, sizes, threads, *arguments))

        ours = {f"ours, {precision}": apart(contestants.OurTeacher, precision) for precision in _formats()}
        textbook = {"textbook": apart(contestants.TextbookTeacher)}
        peft = {f"Trainer + peft, {fastest}": apart(contestants.PeftTeacher, fastest)} if INSTALLED else {}
        training, limits = _compare_teachers("train", ours, textbook | peft, sizes)
        for place in ours.values():
            place.call("merge")
        inference, limits_again = _compare_teachers("score", ours, textbook, sizes)
    return {
        "sentences": sizes.teacher_sentences,
        "Trainer + peft": INSTALLED,
        "training": training,
        "inference": inference,
        "limit_gflops": {
            name.removeprefix("ours, "): spread([limit / 1e9 for limit in limits[name] + limits_again[name]])
            for name in ours
        },
    }


def _compare_teachers(
    method: str, ours: Mapping[str, Apart], others: Mapping[str, Apart], sizes: Sizes
) -> tuple[dict, dict[str, list[float]]]:
    """Figures of one method of all contestants; and the machine's FLOP/s beside each repeat of ours."""
    limits: dict[str, list[float]] = {name: [] for name in ours}

    def beside_limit(name: str, place: Apart) -> Callable[[int], float]:
        def measure(number: int) -> float:
            limits[name].append(place.call("limit"))
            return place.call(method, number)

        return measure

    measures = {name: beside_limit(name, place) for name, place in ours.items()} | _measured(others, method)
    times = interleaved(measures, sizes.repeats, warm_up=sizes.repeats)
    limits = {name: of_warm_up_too[1:] for name, of_warm_up_too in limits.items()}
    rates = _rates(times, sizes.teacher_sentences)
    shares = {}
    for name, place in ours.items():
        needed = [place.call("arithmetic", number, method == "train") for number in range(sizes.repeats)]
        shares[name] = [
            flops / took / limit for flops, took, limit in zip(needed, times[name], limits[name], strict=True)
        ]
    figures = {
        "sentences_per_second": {name: spread(values) for name, values in rates.items()},
        "ratios": {f"{name} / {other}": ratio(rates[name], rates[other]) for name in ours for other in others},
        "share_of_limit": {name: spread(values) for name, values in shares.items()},
    }
    return figures, limits


def measure_distil(data: Data, sizes: Sizes, threads: int) -> dict:
    """The whole distillation of a student, really run on a part of the corpus: its first student, and a further one."""
    precision = _formats()[-1]
    limits: list[float] = []
    needed: list[float] = []
    with (
        Apart(contestants.OurDistillation, data, sizes, threads, precision) as ours,
        Apart(contestants.TextbookDistillation, data, sizes, threads) as plain,
    ):

        def teacher_pass(number: int) -> float:
            limits.append(ours.call("limit"))
            needed.append(ours.call("arithmetic", number, False))
            return ours.call("score", number)

        distilling = _measured({"further student": ours, "textbook": plain}, "distil")
        found = interleaved({"pass": teacher_pass, **distilling}, sizes.repeats)
    first = [one + other for one, other in zip(found["pass"], found["further student"], strict=True)]
    # Were every product at the measured rate and all else free: what the first student cannot be faster than.
    bound = [
        plain_time / (flops / limit + student)
        for plain_time, flops, limit, student in zip(
            found["textbook"], needed, limits, found["further student"], strict=True
        )
    ]
    return {
        "sentences": sizes.distil_sentences,
        "epochs": sizes.epochs,
        "precision": precision,
        "seconds": {
            "first student": spread(first),
            "further student": spread(found["further student"]),
            "the teacher's pass in it": spread(found["pass"]),
            "textbook, each student": spread(found["textbook"]),
        },
        "ratios": {
            "first student / textbook": ratio(found["textbook"], first),
            "further student / textbook": ratio(found["textbook"], found["further student"]),
        },
        "bound_of_first_student": spread(bound),
    }


def measure_baseline(data: Data, sizes: Sizes, threads: int) -> dict:
    """One epoch of the RNN on labels; also read at the last time step, as the reference does."""
    with ExitStack() as stack:
        ours = {
            f"ours, {pooling.replace('_', ' ')}, {precision}": stack.enter_context(
                Apart(contestants.OurBaseline, data, sizes, threads, precision, pooling)
            )
            for precision in _formats()
            for pooling in ("last_token", "last_step")
        }
        plain = stack.enter_context(Apart(contestants.TextbookBaseline, data, sizes, threads))
        times = interleaved(_measured({**ours, "textbook": plain}, "train"), sizes.repeats, warm_up=sizes.repeats)
    rates = _rates(times, sizes.baseline_sentences)
    return {
        "sentences": sizes.baseline_sentences,
        "sentences_per_second": {name: spread(values) for name, values in rates.items()},
        "ratios": {f"{name} / textbook": ratio(rates[name], rates["textbook"]) for name in ours},
    }
