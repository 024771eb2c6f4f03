"""Trainable parameters of a model, and how many there are."""

from torch import nn


def count_parameters(teacher: nn.Module) -> dict[str, int]:
    """Parameters in total and trainable ones."""
    return {
        "total": sum(p.numel() for p in teacher.parameters()),
        "trainable": sum(p.numel() for p in trainable(teacher).values()),
    }


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training changes, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
