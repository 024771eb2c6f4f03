"""Sentences that show what a student does: right and wrong answers, and where it differs most from its teacher.

Shapes: n sentences, K classes.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from distilrnn.evaluation.records import Answer, Disagreement, Examples

SHOWN = 3
"""Right answers, and wrong ones, that are shown."""
MOST_DISAGREEMENTS = 10
LONGEST = 200
"""Characters of a sentence that are shown."""


def examples(
    system: str,
    split: str,
    logits: np.ndarray,
    labels: np.ndarray,
    sentences: Sequence[str],
    classes: Sequence[str],
) -> Examples:
    """Some right and some wrong answers of one run, drawn at random and not chosen, with a fixed seed.

    Args:
        system: its name.
        split: where the sentences are from.
        logits: [n, K].
        labels: int [n].
        sentences: [n].
        classes: the K names.
    """
    probabilities = softmax(logits.astype(np.float64), axis=1)
    predictions = logits.argmax(axis=1)
    order = np.random.RandomState(0).permutation(len(labels))  # a stream that is frozen for ever

    def some(chosen: np.ndarray) -> list[Answer]:
        return [
            Answer(
                sentence=_shortened(sentences[row]),
                label=classes[labels[row]],
                answer=classes[predictions[row]],
                probability=float(probabilities[row, predictions[row]]),
            )
            for row in [row for row in order if chosen[row]][:SHOWN]
        ]

    right = predictions == labels
    return Examples(system=system, split=split, right=some(right), wrong=some(~right))


def disagreements(
    student: np.ndarray, teacher: np.ndarray, labels: np.ndarray, sentences: Sequence[str], classes: Sequence[str]
) -> list[Disagreement]:
    """The sentences on which two systems give different answers, the most distant probabilities first.

    The distance is the total variation of their probabilities: half the sum of the absolute differences, 0 to 1.

    Args:
        student: logits [n, K].
        teacher: logits [n, K].
        labels: int [n].
        sentences: [n].
        classes: the K names.
    """
    of_student, of_teacher = (softmax(logits.astype(np.float64), axis=1) for logits in (student, teacher))
    own, better = student.argmax(axis=1), teacher.argmax(axis=1)
    distance = np.abs(of_student - of_teacher).sum(axis=1) / 2
    order = [row for row in np.argsort(-distance, kind="stable") if own[row] != better[row]]
    return [
        Disagreement(
            sentence=_shortened(sentences[row]),
            label=classes[labels[row]],
            student=classes[own[row]],
            student_probability=float(of_student[row, own[row]]),
            teacher=classes[better[row]],
            teacher_probability=float(of_teacher[row, better[row]]),
            distance=float(distance[row]),
        )
        for row in order[:MOST_DISAGREEMENTS]
    ]


def _shortened(sentence: str) -> str:
    text = " ".join(sentence.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
