"""Judge sentences with an exported student: onnxruntime, tokenizers and numpy are all that is needed.

python examples/predict_onnx.py results/demo/exports/distilrnn-tiny/student.int8.onnx "The cat sleeps."
"""

import json
import sys
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from tokenizers import Tokenizer

model, *sentences = sys.argv[1:]
classes = json.loads(Path(model).with_name("export.json").read_text(encoding="utf-8"))["classes"]
tokenizer = Tokenizer.from_file(str(Path(model).with_name("tokenizer.json")))  # pads to the longest sentence
encodings = tokenizer.encode_batch(sentences)
ids = np.array([encoding.ids for encoding in encodings], np.int64)
lengths = np.array([sum(encoding.attention_mask) for encoding in encodings], np.int64)
(probabilities,) = InferenceSession(model).run(["probabilities"], {"ids": ids, "lengths": lengths})
for sentence, row in zip(sentences, probabilities, strict=True):
    print(f"{classes[row.argmax()]}\t{row.max():.4f}\t{sentence}")
