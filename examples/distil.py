"""Tune a teacher, let it judge unlabelled sentences, distil a student, and predict.

python examples/distil.py BASE labelled.tsv unlabelled.txt FOLDER
labelled.tsv has a label, a tab and a sentence on each line; unlabelled.txt a sentence.
"""

import sys
from pathlib import Path

from distilrnn import distil, tune_teacher

base, labelled, unlabelled, folder = sys.argv[1:]
rows = [line.split("\t", 1) for line in Path(labelled).read_text(encoding="utf-8").splitlines()]
labels, sentences = zip(*rows, strict=True)
teacher = tune_teacher(sentences, labels, base, folder)
student = distil(teacher, Path(unlabelled).read_text(encoding="utf-8").splitlines())
student.save(f"{folder}/student.safetensors")
print(f"teacher: {teacher.predict(sentences[:5])}, student: {student.predict(sentences[:5])}")
