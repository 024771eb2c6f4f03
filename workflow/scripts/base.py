"""Rule base: the language model that teachers start from."""

from pathlib import Path
from typing import Annotated

import typer

from distilrnn.cli.options import run, with_params
from distilrnn.params.base import BaseParams


@with_params(base=BaseParams)
def main(
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    corpus: Annotated[Path | None, typer.Option(help="Folder of the corpus, for pretrain.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all].")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs to lease for this job; the first one computes.")] = 1,
    *,
    base: BaseParams,
) -> None:
    """Pre-train the embedded base, or bring one from a directory, a GGUF file or the hub, as one folder."""
    from distilrnn.errors import InputError

    if base.model != "pretrain":
        from distilrnn.models.bases import import_base

        made = import_base(base, output)
    elif corpus is None:
        raise InputError("--model is 'pretrain' but no --corpus is given: name the corpus folder with unlabelled.txt")
    else:
        from distilrnn.runtime.gpu_leases import leased

        with leased(gpus):
            from distilrnn.pipeline.base import pretrain

            made = pretrain(corpus / "unlabelled.txt", base, output, threads)
    print(f"{made['architecture']}: {made['parameters']:,} parameters in {output}")


if __name__ == "__main__":
    run(main)
