"""The machine that the code runs on: device and precision, GPUs leased to jobs, hardware and versions."""
