"""How names and numbers are written for people."""

from collections.abc import Sequence

from distilrnn.params.splits import DEV, TEST

NOTHING = "–"


def split_title(split: str) -> str:
    """'in_domain_dev' as 'in-domain dev'."""
    return " ".join(split.replace("_", "-").rsplit("-", 1))


def short_titles(splits: Sequence[str]) -> list[str]:
    """The splits as heads of columns: 'in-domain' and 'out-of-domain' where there is only one such split."""
    return [
        split_title(split) if split == DEV and TEST in splits else split_title(split).removesuffix(" dev")
        for split in splits
    ]


def sets_title(splits: Sequence[str]) -> str:
    """'the dev set', 'the dev sets', 'the test set' or 'the dev and test sets'."""
    kinds = [split_title(split).rpartition(" ")[2] for split in splits]
    return f"the {' and '.join(dict.fromkeys(kinds))} set{'s' if len(kinds) > 1 else ''}"


def measure_title(measure: str) -> str:
    """The unit belongs to the name: accuracies are shown in percent, MCC times 100."""
    return {"accuracy": "accuracy %", "mcc": "MCC × 100"}[measure]


def percent(value: float | None, decimals: int = 1, sign: str = "-") -> str:
    """A share times 100, with a real minus sign; '–' for none."""
    return NOTHING if value is None else number(100 * value, decimals, sign)


def spread(mean: float | None, std: float | None) -> str:
    """Mean ± standard deviation, times 100; '–' for none, and no ± without a deviation."""
    return NOTHING if mean is None else percent(mean) + (f" ± {percent(std)}" if std is not None else "")


def number(value: float, decimals: int = 1, sign: str = "-") -> str:
    """A number with a real minus sign, and no minus before a zero; sign '+' writes the plus too."""
    return f"{round(value, decimals) + 0.0:{sign}.{decimals}f}".replace("-", "−")


def si_count(count: float | None, unit: str = "") -> str:
    """A count with three digits and a decimal prefix: 39780098 as '39.8M'; '–' for none."""
    if count is None:
        return NOTHING
    for factor, prefix in ((1e9, "G" if unit else "B"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * factor:
            return f"{significant_digits(count / factor)}{' ' if unit else ''}{prefix}{unit}"
    return f"{count:.0f}{' ' if unit else ''}{unit}"


def significant_digits(value: float | None) -> str:
    """Two or three significant digits, never as a power of ten; '–' for none."""
    if value is None:
        return NOTHING
    decimals = next((places for places, least in enumerate((99.95, 9.995, 0.0995)) if value >= least), 4)
    return f"{value:.{decimals}f}"
