"""The names of systems: those of their files, in tables for machines, and of published figures in params.yaml."""

LINEAR = "linear"
"""The linear classifier of the labels."""


def teacher_name(mode: str, entry: str) -> str:
    """lora-gpt2."""
    return f"{mode}-{entry}"


def tuning_mode(teacher: str) -> str:
    """The mode in a teacher's name: lora, full or probe."""
    return teacher.partition("-")[0]


def ensemble_name(ensemble: str) -> str:
    """ensemble-three."""
    return f"ensemble-{ensemble}"


def distilled_name(student: str, teacher: str) -> str:
    """distilrnn-gpt2; the linear classifier of a teacher's probabilities is distillinear-gpt2."""
    return f"distil{student}-{teacher}"
