"""Rule export: every student and baseline as ONNX, in fp32 and int8."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run


def main(
    experiment: Annotated[Path, typer.Option(help="The experiment's params.json.")],
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Write exports/<system>/ beside the params: the first seed of each student, and what onnxruntime makes of it."""
    from distilrnn.pipeline.export import export_systems

    for system, about in export_systems(experiment, threads).items():
        sizes = ", ".join(f"{name} {size / 1e6:,.2f} MB" for name, size in about["bytes"].items())
        print(f"{system}: {sizes}; fp32 differs from the student by at most {about['parity']:.1e} in a logit")


if __name__ == "__main__":
    run(main)
