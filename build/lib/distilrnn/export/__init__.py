"""Trained systems in other libraries' formats: students as ONNX, teachers for PEFT and transformers."""
