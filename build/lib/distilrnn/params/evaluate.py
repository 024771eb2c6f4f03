"""The evaluate and measure sections of params.yaml."""

from pydantic import Field

from distilrnn.params.common import LARGEST_SEED, Section


class EvaluateParams(Section):
    """Metrics and statistics."""

    resamples: int = Field(10_000, ge=100, description="Bootstrap resamples.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Coverage of every interval.")
    bootstrap_seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of the resampling.")
    calibration_bins: int = Field(10, ge=2, description="Bins of the calibration error.")


class MeasureParams(Section):
    """Inference cost on this machine's CPU."""

    sentences: int = Field(200, ge=10, description="Sentences timed one at a time, and in batches.")
    batch_size: int = Field(64, ge=1, description="Sentences per batch for the throughput.")
    threads: int = Field(1, ge=1, description="CPU threads while timing.")
