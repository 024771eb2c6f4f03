"""What the Snakefile and the commands ask about the workflow: its stages, their files, and the code behind each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from distilrnn.artifacts import layout, transfer
from distilrnn.artifacts.files import matching_files
from distilrnn.errors import InputError
from distilrnn.params.corpus import CorpusParams
from distilrnn.params.experiment import Experiment
from distilrnn.params.transfer import TRAIN_SENTENCES, AugmentSource, DatasetSource, Source, TextSource
from distilrnn.params.variant import Variant

CORPUS_FILES = ("unlabelled.txt", "corpus.json")
"""Those beside the splits."""
TOKEN_FILES = ("tokens.json", "tokenizer.json")


def in_folder(folder: Path | str, names: Iterable[str]) -> list[str]:
    """Files of one folder as Snakemake wants them: strings, in which a name may be a wildcard such as '{teacher}'."""
    return [f"{folder}/{name}" for name in names]


def corpus_files(folder: Path, splits: Iterable[str]) -> list[str]:
    """The corpus of the experiment in `folder`."""
    return in_folder(folder / "corpus", [*(f"{split}.tsv" for split in splits), *CORPUS_FILES])


def base_files(folder: Path, base: str) -> list[str]:
    """One base."""
    return in_folder(folder / "bases" / base, layout.BASE_FILES)


def tokenizer_files(folder: Path, tokenizer: str) -> list[str]:
    """One learned tokenizer."""
    return in_folder(folder / "tokenizers" / tokenizer, layout.TOKENIZER_FILES)


def vectors_files(folder: Path, student: str) -> list[str]:
    """The pre-trained vectors that one student, or several, begin with."""
    return in_folder(folder / "vectors" / student, layout.VECTORS_FILES)


def encoder_files(folder: Path, student: str) -> list[str]:
    """The pre-trained encoder of one student, or of several."""
    return in_folder(folder / "encoders" / student, layout.ENCODER_FILES)


def token_files(folder: Path, tokenizer: str, splits: Iterable[str]) -> list[str]:
    """The corpus as one tokenizer sees it."""
    return in_folder(folder / "tokens" / tokenizer, [*(f"{split}.arrow" for split in splits), *TOKEN_FILES])


def teacher_files(folder: Path, teacher: str, seed: int | str) -> list[str]:
    """One trained teacher."""
    return in_folder(layout.teacher_folder(folder, teacher, seed), layout.TEACHER_FILES)


def logits_files(folder: Path, teacher: str, seed: int | str) -> list[str]:
    """One teacher's logits."""
    return in_folder(layout.teacher_logits_folder(folder, teacher, seed), layout.LOGITS_FILES)


def pool_files(folder: Path, source: str) -> list[str]:
    """The unlabelled sentences of one source."""
    return in_folder(folder / "transfer" / source, transfer.POOL_FILES)


def pool_token_files(folder: Path, source: str, tokenizer: str) -> list[str]:
    """Those sentences as one tokenizer sees them."""
    return in_folder(folder / "transfer_tokens" / source / tokenizer, transfer.POOL_TOKEN_FILES)


def shard_files(
    folder: Path, source: str, teacher: str, seed: int | str, shard: int | str, shards: int | str
) -> list[str]:
    """What one teacher says of one shard, counted from 1, of those sentences."""
    place = transfer.logits_folder(folder, source, teacher, seed) / transfer.shard_name(shard, shards)
    return in_folder(place, layout.LOGITS_FILES)


def pool_logits_files(experiment: Experiment, source: str, runs: Iterable[tuple[str, int]]) -> list[str]:
    """What some teachers' runs (name and seed) say of all those sentences."""
    root, shards = layout.root(experiment), experiment.transfer.shards
    return [
        file
        for teacher, seed in runs
        for shard in range(1, shards + 1)
        for file in shard_files(root, source, teacher, seed, shard, shards)
    ]


def student_files(folder: Path, student: str, teacher: str, seed: int | str) -> list[str]:
    """One student distilled from one teacher."""
    return in_folder(layout.student_folder(folder, student, teacher, seed), layout.STUDENT_FILES)


def baseline_files(folder: Path, student: str, seed: int | str) -> list[str]:
    """One student trained alone."""
    return in_folder(layout.baseline_folder(folder, student, seed), layout.STUDENT_FILES)


def linear_files(folder: Path, teacher: str, seed: int | str) -> list[str]:
    """One linear classifier: of a teacher's probabilities, or of the labels where `teacher` is 'labels'."""
    return in_folder(layout.linear_folder(folder, teacher, seed), layout.LINEAR_FILES)


def evaluation_files(experiment: Experiment) -> list[str]:
    """Scores and metrics of every system and the majority class, statistics, and mean curves."""
    names = [f"{name}.json" for name in ["majority", *experiment.system_names()]]
    details = [*in_folder("scores", names), *in_folder("metrics", names)]
    curves = in_folder("curves", (f"{name}.csv" for name in experiment.names_with_curves()))
    return in_folder(layout.root(experiment), ["metrics.json", "statistics.json", *details, *curves])


def export_files(experiment: Experiment) -> list[str]:
    """Every student and baseline of the comparison as ONNX."""
    root = layout.root(experiment)
    names = dict.fromkeys(system.name for system in layout.systems(experiment) if system.student)
    return [file for name in names for file in in_folder(layout.export_folder(root, name), layout.EXPORT_FILES)]


def figure_files(experiment: Experiment, suffix: str) -> list[str]:
    """Every picture, as 'png' or 'svg'."""
    names = ["overview", "comparison", "quality-cost", "reliability", "cascade", "curves"]
    names += ["labels"] if experiment.labels.sentences else []
    names += [f"curves-{name}" for name in experiment.names_with_curves()]
    return in_folder(layout.root(experiment) / "figures", (f"{name}.{suffix}" for name in names))


def report_files(experiment: Experiment) -> list[str]:
    """Table, page, model card and pictures."""
    pages = in_folder(layout.root(experiment), ["table.md", "table.json", "report.html", "model-card.md"])
    return [*pages, *figure_files(experiment, "png"), *figure_files(experiment, "svg")]


def _teacher_runs(experiment: Experiment, entry: str, files: Callable[[Path, str, int], list[str]]) -> list[str]:
    """The files of every variant and seed of a teacher."""
    root = layout.root(experiment)
    variants = _variants(entry, experiment.teachers)
    return [file for name in variants for seed in experiment.teachers[name].seeds for file in files(root, name, seed)]


def _pool_tokens(experiment: Experiment, source: str) -> list[str]:
    """The tokens of a source for every tokenizer that reads it."""
    root, tokenizers = layout.root(experiment), experiment.transfer_tokenizers(source)
    return [file for tokenizer in tokenizers for file in pool_token_files(root, source, tokenizer)]


def _pool_logits(experiment: Experiment, source: str) -> list[str]:
    """What every teacher says of a source; nothing, of one that is not scored."""
    if not experiment.transfer.sources[source].scored:
        return []
    runs = ((name, seed) for name, teacher in experiment.teachers.items() for seed in teacher.seeds)
    return pool_logits_files(experiment, source, runs)


def _student_runs(experiment: Experiment, entry: str) -> list[str]:
    """The files of every variant of a student, with every teacher and seed."""
    root = layout.root(experiment)
    return [
        file
        for student in _variants(entry, experiment.students)
        for teacher in experiment.teachers_of(student)
        for seed in experiment.seeds
        for file in student_files(root, student, teacher, seed)
    ]


def _baseline_runs(experiment: Experiment, entry: str) -> list[str]:
    """The files of every variant of a baseline, with every seed."""
    root, variants = layout.root(experiment), _variants(entry, experiment.baselines)
    return [file for name in variants for seed in experiment.seeds for file in baseline_files(root, name, seed)]


def _linear_runs(experiment: Experiment) -> list[str]:
    """The files of every linear classifier."""
    root = layout.root(experiment)
    linear = [(system, seed) for system, seed in layout.runs(experiment) if system.kind == "linear"]
    return [file for system, seed in linear for file in linear_files(root, layout.linear_name(system), seed)]


def _variants(entry: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if Variant.parse(name).entry == entry]


@dataclass(frozen=True)
class Stage:
    """A rule of Snakemake, and the stage of DVC which runs it."""

    files: Callable[[Experiment, str], list[str]]
    """The files that it makes for one name."""
    names: Callable[[Experiment], Iterable[str]] = lambda _: [""]
    """What it is run for, once each: bases, tokenizers, teachers or students; it is run once where there is no name."""
    folders: Callable[[Experiment], Iterable[str]] = lambda _: ()
    """Where it may have nothing to make: the folders in results/<experiment> that DVC expects all the same."""
    also: tuple[str, ...] = ()
    """Rules that it may need too, where DVC cannot depend on what only some experiments have."""


STAGES = {
    "experiment": Stage(lambda e, _: [f"{layout.root(e)}/params.json"]),
    "corpus": Stage(lambda e, _: corpus_files(layout.root(e), e.corpus.splits)),
    "base": Stage(lambda e, base: base_files(layout.root(e), base), lambda e: e.bases),
    "tokenizer": Stage(
        lambda e, _: [file for name in e.tokenize.learned for file in tokenizer_files(layout.root(e), name)],
        folders=lambda _: ["tokenizers"],
        also=("transfer",),
    ),
    "tokens": Stage(
        lambda e, tokenizer: token_files(layout.root(e), tokenizer, e.corpus.splits),
        lambda e: [*e.bases, *e.tokenize.tokenizers],
    ),
    "teacher": Stage(lambda e, entry: _teacher_runs(e, entry, teacher_files), lambda e: e.teacher_entries),
    "logits": Stage(lambda e, entry: _teacher_runs(e, entry, logits_files), lambda e: e.teacher_entries),
    "vectors": Stage(
        lambda e, _: [file for name in e.vectors for file in vectors_files(layout.root(e), name)],
        folders=lambda _: ["vectors"],
    ),
    "transfer": Stage(lambda e, source: pool_files(layout.root(e), source), lambda e: e.transfer.sources),
    "transfer_tokens": Stage(_pool_tokens, lambda e: e.transfer.sources),
    "transfer_logits": Stage(
        _pool_logits,
        lambda e: e.transfer.sources,
        folders=lambda e: [f"logits/transfer/{source}" for source in e.transfer.sources],
    ),
    "encoder": Stage(
        lambda e, _: [file for name in e.encoders for file in encoder_files(layout.root(e), name)],
        folders=lambda _: ["encoders"],
    ),
    "student": Stage(_student_runs, lambda e: e.student_entries),
    "baseline": Stage(_baseline_runs, lambda e: e.student_entries),
    "linear": Stage(lambda e, _: _linear_runs(e)),
    "measure": Stage(lambda e, _: [f"{layout.root(e)}/costs.json"]),
    "evaluate": Stage(lambda e, _: evaluation_files(e)),
    "export": Stage(lambda e, _: export_files(e)),
    "report": Stage(lambda e, _: report_files(e)),
}
"""The stages in the order of the data."""


def files_of(experiment: Experiment, *stages: str) -> list[str]:
    """Every file that some stages make."""
    return [
        file
        for stage in stages
        for name in STAGES[stage].names(experiment)
        for file in STAGES[stage].files(experiment, name)
    ]


KEPT_BY_GIT = ("experiment", "measure", "evaluate", "report")
"""The stages whose files are small enough for git (report.html, which is not, is DVC's)."""


def files_for_git(experiment: Experiment) -> list[str]:
    """Every file of the experiment that git keeps, once the experiment is recorded: parameters, figures, tables."""
    return [file for file in files_of(experiment, *KEPT_BY_GIT) if not file.endswith(".html")]


def make_folders(experiment: Experiment) -> None:
    """Make the folders of stages that may have nothing to make: DVC's outputs must exist."""
    for stage in STAGES.values():
        for folder in stage.folders(experiment):
            (layout.root(experiment) / folder).mkdir(parents=True, exist_ok=True)


def all_outputs(experiment: Experiment) -> list[str]:
    """Every file of the experiment, so that none can be missing while Snakemake finds nothing to do."""
    return files_of(experiment, *STAGES)


def targets(experiment: Experiment, stage: str, name: str = "") -> list[str]:
    """The files that `stage` makes for `name`; raises InputError for an unknown stage or name."""
    if stage not in STAGES:
        raise InputError(f"unknown stage {stage!r}: choose one of {', '.join(STAGES)}")
    names = list(STAGES[stage].names(experiment))
    if name not in names:
        choice = f"choose one of {', '.join(names)}" if any(names) else "it takes none, leave it out"
        raise InputError(f"unknown {stage} {name!r}: {choice}")
    return STAGES[stage].files(experiment, name)


def unexpected_files(experiment: Experiment) -> list[Path]:
    """Files in the experiment's folder that no stage makes any more, such as those of a student that was removed.

    DVC hashes whole folders, so they would be recorded as inputs that a clone does not have. Hidden files do not count.
    """
    known = {Path(file) for file in all_outputs(experiment)}
    root = layout.root(experiment)
    found = (path for path in root.rglob("*") if path.is_file() and path not in known)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts))


def external_files(path: str | None) -> list[str]:
    """The files of a corpus, model or tokenizer that lies outside: those of a folder, or the one file.

    None where the path is a hub id, a keyword or a mistake: the script says what is wrong with it.
    """
    place = Path(path or "")
    if path and place.is_dir():
        return sorted(str(file) for file in place.iterdir() if file.is_file() and not file.name.startswith("."))
    return [str(place)] if place.is_file() else []


def corpus_sources(corpus: CorpusParams) -> list[str]:
    """The files outside that a corpus is made of, as far as they are there."""
    if corpus.source == "files":
        places = [Path(place) for place in corpus.places.values()]
        files = (
            file for place in places for file in (_texts_of(place) if place.is_dir() else external_files(str(place)))
        )
        return list(dict.fromkeys(files))
    if corpus.source == "dataset" and Path(str(corpus.path)).is_dir():
        return _files_below(Path(str(corpus.path)))
    return [file for file in external_files(corpus.path) if Path(file).stem in corpus.splits]


def _files_below(folder: Path) -> list[str]:
    """The files in a folder and below it, but for hidden ones."""
    return sorted(str(f) for f in folder.rglob("*") if f.is_file() and not f.name.startswith("."))


def _texts_of(folder: Path) -> list[str]:
    """The files in a folder's sub-folders, one per class."""
    return sorted(str(file) for file in folder.glob("[!.]*/[!.]*") if file.is_file())


def transfer_source_files(source: Source) -> list[str]:
    """The files outside that a source of unlabelled sentences is made of, as far as they are there."""
    if isinstance(source, TextSource):
        return list(dict.fromkeys(str(file) for pattern in source.files for file in matching_files(pattern)))
    if isinstance(source, DatasetSource):
        return _files_below(Path(source.path))
    return []


def augmented_sources(source: Source) -> list[str]:
    """The other sources that a source is made of."""
    return [name for name in source.of if name != TRAIN_SENTENCES] if isinstance(source, AugmentSource) else []
