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
    """Save a LoRA teacher's adapter for peft: adapter_config.json and adapter_model.safetensors."""
    from distilrnn.export.peft import export_adapter

    export_adapter(adapter, _base_of(adapter, base), output)
    print(f"{output}: PeftModel.from_pretrained(model, folder) reads it")


@export.command()
def huggingface(adapter: Adapter, output: Output, base: Base = None) -> None:
    """Merge the adapters and save the teacher as a transformers sequence-classification model."""
    from distilrnn.export.huggingface import export_teacher

    export_teacher(adapter, _base_of(adapter, base), output)
    print(f'{output}: pipeline("text-classification", folder) reads it')


@export.command()
def onnx(
    student: Annotated[Path, typer.Argument(help="A student.safetensors.")],
    output: Output,
    int8: Annotated[bool, typer.Option("--int8", help="Also write student.int8.onnx, with 8-bit weights.")] = False,
    vocabulary: Annotated[
        Literal["all", "seen"],
        typer.Option(
            help="Which tokens keep their embedding. all: the whole vocabulary; seen: those seen in training, the "
            "rest become zeros."
        ),
    ] = "all",
) -> None:
    """Save a student as ONNX: student.onnx, tokenizer.json and export.json with the class names."""
    from distilrnn.export.students import export_student, write_export

    exported = export_student(student, None if vocabulary == "all" else [], int8)
    write_export(output, exported, exported.about)
    for name, size in exported.about["bytes"].items():
        print(f"{output / name}: {size:,} bytes")


def _base_of(adapter: Path, base: Path | None) -> Path:
    from distilrnn.inference import find_base

    return base or find_base(adapter)
