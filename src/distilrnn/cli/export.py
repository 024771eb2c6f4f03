"""The commands export: a trained system in the format of another library."""

from pathlib import Path
from typing import Annotated, Literal

import typer

export = typer.Typer(
    add_completion=False, rich_markup_mode=None, help="Write a trained system in the format of another library."
)

Adapter = Annotated[Path, typer.Argument(help="A teacher's adapter.safetensors.")]
Output = Annotated[Path, typer.Option(help="Folder to write into.")]
Base = Annotated[Path | None, typer.Option(help="Folder of the adapter's base [default: the experiment's own].")]


@export.command()
def peft(adapter: Adapter, output: Output, base: Base = None) -> None:
    """Write a LoRA teacher for the library peft: adapter_config.json and adapter_model.safetensors."""
    from distilrnn.export.peft import export_adapter

    export_adapter(adapter, _base_of(adapter, base), output)
    print(f"{output}: PeftModel.from_pretrained(model, folder) reads it")


@export.command()
def huggingface(adapter: Adapter, output: Output, base: Base = None) -> None:
    """Write a teacher, its adapters merged, as a sequence classifier that transformers loads by itself."""
    from distilrnn.export.huggingface import export_teacher

    export_teacher(adapter, _base_of(adapter, base), output)
    print(f'{output}: pipeline("text-classification", folder) reads it')


@export.command()
def onnx(
    student: Annotated[Path, typer.Argument(help="A student.safetensors.")],
    output: Output,
    int8: Annotated[bool, typer.Option("--int8", help="Write student.int8.onnx too: weights of 8 bits.")] = False,
    types: Annotated[
        Literal["all", "seen"],
        typer.Option(
            help="Token types that have a vector. all: every one of the tokenizer; seen: those that training saw, the "
            "others are zeros."
        ),
    ] = "all",
) -> None:
    """Write a student for onnxruntime: student.onnx, tokenizer.json and export.json with the names of the classes."""
    from distilrnn.export.students import export_student, write_export

    exported = export_student(student, None if types == "all" else [], int8)
    write_export(output, exported, exported.about)
    for name, size in exported.about["bytes"].items():
        print(f"{output / name}: {size:,} bytes")


def _base_of(adapter: Path, base: Path | None) -> Path:
    from distilrnn.artifacts.tensors import read_header
    from distilrnn.inference import find_base

    return base or find_base(adapter, read_header(adapter, "adapter")["base_hash"])
