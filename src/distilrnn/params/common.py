"""What every section of params.yaml shares: strictness, safe names, and training."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from distilrnn.params.variant import Variant

NAME_CHARACTERS = "letters, digits, '.', '_' and '-', beginning with a letter or digit"
RESERVED_NAMES = frozenset({"majority", "labels", "seed", "transfer"})
LARGEST_SEED = 2**32 - 1
"""The largest that every random generator here takes."""


def _safe_name(name: str) -> str:
    plain = name.replace("-", "a").replace("_", "a").replace(".", "a")
    if not (name and name.isascii() and plain.isalnum() and name[0].isalnum() and len(name) <= 64):
        raise ValueError(f"{name!r} is not a usable name: use at most 64 {NAME_CHARACTERS}")
    if name in RESERVED_NAMES:
        raise ValueError(f"{name!r} is a reserved name: choose another")
    return name


Name = Annotated[str, AfterValidator(_safe_name)]
"""A name that becomes part of a path and of a shell command: no separators, no spaces, no quotes."""


VARIANT_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+=,")


def _safe_variant_name(name: str) -> str:
    try:
        variant = Variant.parse(name)
    except ValueError:
        variant = None
    if variant is None or len(variant.label) > 200 or not VARIANT_CHARACTERS.issuperset(variant.label):
        raise ValueError(f"{name!r} is not a usable name: use at most 64 {NAME_CHARACTERS}")
    _safe_name(variant.entry)
    return name


VariantName = Annotated[str, AfterValidator(_safe_variant_name)]
"""A Name, or a Name and the settings of one variant of it: 'rnn/temperature=2'."""


def _distinct_seeds(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds {list(seeds)} repeat: name each seed once")
    if not all(0 <= seed <= LARGEST_SEED for seed in seeds):
        raise ValueError(f"seeds {list(seeds)} hold one that is not from 0 to {LARGEST_SEED}: choose another")
    return seeds


Seeds = Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(_distinct_seeds)]
"""At least one seed, each once."""


Policy = Literal["error", "head", "tail", "head_tail", "windows"]


class Section(BaseModel):
    """A section of params.yaml: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TrainingParams(Section):
    """How a model is trained; shared by teachers and students."""

    epochs: int = Field(4, ge=1, description="Passes over the training sentences.")
    batch_size: int = Field(128, ge=1, description="Sentences per optimizer step.")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step size.")
    weight_decay: float = Field(0.0, ge=0, description="Decoupled weight decay (AdamW), of all but embeddings.")
    schedule: Literal["constant", "linear"] = Field(
        "constant", description="Learning rate over the run: constant, or linear decay to 0."
    )
    clip_norm: float | None = Field(None, gt=0, description="Maximum gradient norm; null: no clipping.")
    batching: Literal["bucketed", "shuffled"] = Field(
        "bucketed", description="bucketed: similar lengths in a batch; shuffled: plain random batches."
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: the hard-label loss weighs each class by the inverse of its frequency."
    )
    validate_every: int | None = Field(None, ge=1, description="Steps between validations; null: after each epoch.")
    patience: int | None = Field(
        None, ge=1, description="Early stopping: validations without improvement before training stops; null: never."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the hardware multiplies it natively, else fp32."
    )


class HoldoutParams(Section):
    """What the validation sentences are, in every curve: all that a pool or an encoder need know of selection."""

    validation: Literal["train_holdout", "dev"] = Field(
        "train_holdout",
        description="train_holdout: a part split off train; dev: the reported in-domain dev set (the reference).",
    )
    holdout_fraction: float = Field(
        0.1, gt=0, lt=1, description="Share of train that is held out (stratified by label)."
    )
    holdout_seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of the split, the same for all systems.")


class EpochSelectionParams(HoldoutParams):
    """By what the best epoch is chosen: all that a teacher need know of selection."""

    metric: Literal["accuracy", "mcc", "macro_f1", "loss"] = Field(
        "mcc",
        description="What is best: highest accuracy (the reference), Matthews correlation or mean F1, lowest loss.",
    )


class SelectionParams(EpochSelectionParams):
    """Where and by what the best epoch is chosen, and where a student then decides between classes."""

    threshold: Literal["argmax", "tuned", "accuracy", "mcc", "macro_f1", "loss"] = Field(
        "argmax",
        description="Where a student decides between classes: at the highest logit, or after class biases that make "
        "a metric highest on the held-out sentences: tuned, that of selection.metric (mcc, where it is loss), or the "
        "one that is named; loss: those of the best calibration, with less noise than those for accuracy.",
    )

    @model_validator(mode="after")
    def _tuned_on_what_is_not_reported(self) -> "SelectionParams":
        if self.decision_metric is not None and self.validation == "dev":
            raise ValueError(
                f"threshold is {self.threshold} and validation dev: the threshold would be chosen on the reported set; "
                "set validation to train_holdout"
            )
        return self

    @property
    def holdout(self) -> HoldoutParams:
        """The part that says what is held out: whoever reads no more of it is not run again for the rest."""
        return HoldoutParams(**self.model_dump(include=set(HoldoutParams.model_fields)))

    @property
    def of_epochs(self) -> EpochSelectionParams:
        """The part that says which epoch is the best."""
        return EpochSelectionParams(**self.model_dump(include=set(EpochSelectionParams.model_fields)))

    @property
    def decision_metric(self) -> str | None:
        """What the threshold is best for: accuracy, mcc, macro_f1 or loss; None, where the highest logit decides."""
        if self.threshold == "argmax":
            return None
        if self.threshold != "tuned":
            return self.threshold
        return "mcc" if self.metric == "loss" else self.metric
