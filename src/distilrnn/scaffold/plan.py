"""Sizes that fit somebody's data, and the params file that states them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distilrnn.data.inspect import DataFacts, UnlabelledFacts
from distilrnn.params.base import BaseParams
from distilrnn.params.corpus import CorpusParams
from distilrnn.scaffold.bases import Base

TOKENS_PER_WORD = 1.4
"""Of subword tokenizers on running text, where the base's own has not been asked."""
LONGEST_READ = 256
"""Tokens of a text that are read by default: attention over more takes too long on a CPU."""
UNBALANCED = 3.0
"""The largest class by the smallest, from which the loss weighs classes."""
STUDENT_STEPS = 2500
"""Optimizer steps after which a recurrent student has mostly converged."""
SMALL_BASE = 300 << 20
"""Bytes of weights below which a base takes a higher learning rate."""


@dataclass(frozen=True)
class TokenLengths:
    """Tokens of a text."""

    p99: int
    longest: int
    measured: bool
    """Whether the base's tokenizer counted them, or words were."""


def lengths_by_words(facts: DataFacts) -> TokenLengths:
    """Tokens as far as words tell."""
    p99, longest = (round(facts.words[key] * TOKENS_PER_WORD) + 2 for key in ("p99", "longest"))
    return TokenLengths(p99, longest, measured=False)


def split_fractions(rows: int, classes: int, has_dev: bool, has_test: bool) -> dict[str, float]:
    """Shares of train for dev and test where there are no such files: enough of a test to tell systems apart."""

    def share(wanted: int, most: float) -> float:
        return round(max(0.02, min(most, wanted / rows)), 2)

    needed = max(200, 30 * classes)
    found = {} if has_test else {"test_fraction": share(2 * needed if rows > 4000 else needed, 0.2)}
    return found if has_dev else {"dev_fraction": share(needed, 0.1 if rows >= 500 else 0.15), **found}


def pretrain_params(facts: DataFacts, lengths: TokenLengths) -> BaseParams:
    """A base that can be pre-trained on these texts in minutes."""
    tokens = facts.characters / 4
    vocabulary = int(min(8000, max(400, round(tokens / 40, -2))))
    epochs = int(min(20, max(3, 1500 * 64 / facts.rows)))
    context = max(32, min(LONGEST_READ, round_up(lengths.longest + 2, 8)))
    small = facts.rows < 2000
    return BaseParams(
        model="pretrain",
        vocabulary=vocabulary,
        width=64 if small else 96,
        layers=2 if small else 4,
        heads=2 if small else 4,
        context=context,
        epochs=epochs,
        batch_size=32 if small else 64,
        learning_rate=0.003 if small else 0.002,
    )


def round_up(number: int, multiple: int) -> int:
    """The next multiple."""
    return -(-number // multiple) * multiple


def max_length(lengths: TokenLengths, context: int | None) -> int | None:
    """Tokens that are read of a text; None where all are short."""
    most = min(LONGEST_READ, context or LONGEST_READ)
    if lengths.longest <= min(most, 128) or lengths.longest <= min(most, 2 * lengths.p99):
        return None
    return min(most, round_up(lengths.p99, 8))


def epochs_for(steps: int, rows: int, batch: int, fewest: int, most: int) -> int:
    """Epochs that make about that many steps."""
    return max(fewest, min(most, round(steps * batch / max(1, rows))))


def params_text(
    name: str,
    corpus: CorpusParams,
    facts: DataFacts,
    base: Base,
    pretrained: BaseParams | None,
    lengths: TokenLengths,
    unlabelled: Sequence[UnlabelledFacts],
) -> str:
    """The params file, each choice with its reason beside it."""
    kept = round(facts.rows * (1 - sum(corpus.fractions.values())))
    longest = max_length(lengths, pretrained.context if pretrained else base.context)
    weights = "balanced" if facts.imbalance >= UNBALANCED else "none"
    batch = 16 if kept < 1000 else 32
    long = longest is not None and longest >= 128
    seeds = [0, 1, 2]
    width = 96 if kept < 2000 and not unlabelled else 128
    learned = kept + sum(found.texts for found in unlabelled)
    student_batch = 32 if learned < 20_000 else 64
    lines = [
        f"# Written by `distilrnn init`: {facts.rows:,} texts in {len(facts.classes)} classes, "
        f"median {facts.words['median']} words.",
        "# Every parameter is described by `python workflow/scripts/<stage>.py --help` and in docs/own-data.md.",
        f"experiment: {name}",
        "# Students and baselines are trained once per seed: differences smaller than theirs mean nothing.",
        f"seeds: {seeds}",
        "",
        "corpus:",
        *_section(corpus.model_dump(exclude_defaults=True, exclude={"classes"})),
        f"  # Classes found: {_classes(facts)}.",
        "",
        "bases:",
        f"  {base.name}:",
        *_base_lines(base, pretrained),
        "",
        "tokenize:",
        *_length_lines(lengths, longest),
        "",
        "selection:",
        *(
            ["  validation: dev  # the epoch is chosen on dev; test is for the report alone"]
            if "in_domain_test" in corpus.splits
            else [
                "  # Without a test set the epoch is chosen on a tenth of train, so that dev's figures do not flatter.",
                "  validation: train_holdout",
            ]
        ),
        *_transfer_lines(unlabelled),
        "",
        "teachers:",
        f"  {base.name}:",
        f"    base: {base.name}",
        *_teacher_lines(base, kept, batch, weights, long),
        "",
        "students:",
        "  gru:",
        f"    tokenizer: {base.name}  # the base's, so that teacher and student see the same tokens",
        "    # Both directions and max pooling did best among cells and poolings of this size.",
        f"    model: {{cell: gru, embedding: {width}, hidden: {width}, layers: 1, bidirectional: true, pooling: max, "
        "dropout: 0.3}",
        f"    training: {{epochs: {epochs_for(STUDENT_STEPS, learned, student_batch, 4, 12 if long else 30)}, "
        f"batch_size: {student_batch}, learning_rate: 0.001, schedule: linear, clip_norm: 1.0, "
        f"class_weights: {weights}}}",
        *(
            [f"    transfer: {_sources(unlabelled)}  # the teacher labels these texts for the student"]
            if unlabelled
            else []
        ),
        "    # Squared difference of the logits (Tang et al. 2019); the other choice is `loss: kl` with a temperature.",
        "    distil: {loss: mse, label_weight: 0.0}",
        "",
        "linear: {}  # TF-IDF and logistic regression: what one would take instead",
        "",
        "evaluate:",
        "  resamples: 10000",
        "  confidence: 0.95",
    ]
    return "\n".join(lines) + "\n"


def _section(values: dict[str, object]) -> list[str]:
    return [f"  {key}: {_value(value)}" for key, value in values.items()]


def _value(value: object) -> str:
    """A value as YAML: JSON is, and quotes only what it must."""
    if isinstance(value, str) and value.replace("/", "").replace("_", "").replace("-", "").replace(".", "").isalpha():
        return value if value.lower() not in ("true", "false", "yes", "no", "on", "off", "null") else f'"{value}"'
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _classes(facts: DataFacts) -> str:
    most = [f"{name} ({count:,})" for name, count in zip(facts.classes, facts.counts, strict=True)][:12]
    return ", ".join(most) + (" …" if len(facts.classes) > len(most) else "")


def _base_lines(base: Base, pretrained: BaseParams | None) -> list[str]:
    if pretrained is None:
        revision = [f"    revision: {base.revision}"] if base.revision else []
        return [f"    model: {_value(base.model)}", *revision]
    return [
        "    # No language model was found: this one learns from your texts alone, and knows little of the language.",
        "    # A model directory, a .gguf file or a hub id with its revision in its place raises everything below.",
        *[f"    {key}: {value}" for key, value in pretrained.model_dump(exclude={"revision", "seed"}).items()],
    ]


def _length_lines(lengths: TokenLengths, longest: int | None) -> list[str]:
    coverage = f"of 99 % of the texts at most {lengths.p99} tokens, of the longest {lengths.longest}"
    if longest is None:
        return [f"  max_length: null  # nothing is cut: {coverage}"]
    lines = [f"  max_length: {longest}  # {coverage}"]
    if lengths.p99 > longest:
        lines.append("  long_texts: head_tail  # beginning and end; `windows` reads all, and takes longer")
    return lines


def _teacher_lines(base: Base, kept: int, batch: int, weights: str, long: bool) -> list[str]:
    if not base.is_pretrained:
        tuning = "{mode: lora, train_norms: true, rank: 8, alpha: 8, init: zero, dropout: 0.1, targets: [all-linear]}"
        epochs, rate = epochs_for(400, kept, batch, 5, 12), 0.003
    else:
        tuning = "{mode: lora, train_norms: true, rank: 16, alpha: 16, init: zero, dropout: 0.1, targets: [all-linear]}"
        epochs, rate = epochs_for(600, kept, batch, 2, 4 if long else 8), 0.001 if base.size < SMALL_BASE else 0.0005
    return [
        f"    tuning: {tuning}",
        f"    training: {{epochs: {epochs}, batch_size: {16 if long else batch}, learning_rate: {rate}, "
        f"schedule: linear, weight_decay: 0.01, clip_norm: 1.0, class_weights: {weights}}}",
    ]


def _by_column(unlabelled: Sequence[UnlabelledFacts]) -> dict[str, list[Path]]:
    """The files whose texts are in a column of one name: a source of the transfer set each."""
    found: dict[str, list[Path]] = {}
    for one in unlabelled:
        found.setdefault(one.column, []).append(one.path)
    return found


def _source_name(number: int) -> str:
    return "unlabelled" if number == 0 else f"unlabelled{number + 1}"


def _sources(unlabelled: Sequence[UnlabelledFacts]) -> str:
    return f"[{', '.join(_source_name(number) for number in range(len(_by_column(unlabelled))))}]"


def _transfer_lines(unlabelled: Sequence[UnlabelledFacts]) -> list[str]:
    if not unlabelled:
        return []
    lines = [
        "",
        "# Texts without labels: the teacher scores them, and the student learns from its scores.",
        "transfer:",
    ]
    lines += ["  seed: 0", "  sources:"]
    for number, (column, paths) in enumerate(_by_column(unlabelled).items()):
        files = json.dumps([str(path) for path in paths], ensure_ascii=False)
        lines.append(f"    {_source_name(number)}: {{kind: text, files: {files}, text_column: {_value(column)}}}")
    return lines
