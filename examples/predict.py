"""Classify sentences with a trained student or teacher.

python examples/predict.py results/demo/students/rnn/tiny/seed0/student.safetensors "The cat sleeps."
"""

import sys

from distilrnn import load_predictor

checkpoint, *sentences = sys.argv[1:]
predictor = load_predictor(checkpoint)
for sentence, row in zip(sentences, predictor.probabilities(sentences), strict=True):
    print(f"{predictor.classes[row.argmax()]}\t{row.max():.4f}\t{sentence}")
