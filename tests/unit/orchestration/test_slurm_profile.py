"""profiles/slurm, without Slurm; `make test-slurm` runs the workflow on a real one."""

import re
import tomllib

import yaml

from distilrnn.orchestration.resources import THREADS
from paths import REPOSITORY

SOURCE = REPOSITORY
PROFILE = SOURCE / "profiles" / "slurm" / "config.yaml"
RULES = "\n".join(file.read_text() for file in sorted((SOURCE / "workflow" / "rules").glob("*.smk")))


def rules():
    """The text of every rule, by name."""
    parts = re.split(r"^rule (\w+):\n", RULES, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_interrupted_jobs_are_submitted_again():
    profile = yaml.safe_load(PROFILE.read_text())
    assert profile["executor"] == "slurm"
    assert profile["retries"] >= 1
    assert profile["slurm-requeue"] is True
    assert profile["slurm-status-command"] == "squeue"  # sacct's "CANCELLED by 0" is not understood: it would hang


def test_every_rule_asks_for_what_slurm_wants_to_know():
    for name, text in rules().items():
        for key in ("mem_mb=", "runtime=", "threads:"):
            assert key in text, f"rule {name} states no {key}"


def test_what_the_profile_offers_to_uncomment_is_what_the_rules_ask():
    lines = PROFILE.read_text().partition("in a form to uncomment:\n")[2].splitlines()
    offered = yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines))
    training = {name: text for name, text in rules().items() if "gpu=" in text}
    assert set(offered["set-resources"]) == set(offered["set-threads"]) == set(training)
    for name, text in training.items():
        asked = offered["set-resources"][name]
        assert asked["gpu"] == 1
        assert f"mem_mb={asked['mem_mb']}," in text, name
        assert f"runtime={asked['runtime']}," in text, name
        assert "threads: lambda w: sizes.threads(" in text, name
        assert offered["set-threads"][name] == THREADS, name


def test_the_plugin_is_an_optional_dependency_and_pinned_where_the_test_installs_it():
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["slurm"] == ["distilrnn[workflow]", "snakemake-executor-plugin-slurm>=1"]
    assert not [name for name in project["dependencies"] if "slurm" in name]
    pinned = (SOURCE / "tests" / "slurm" / "requirements.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in pinned if not line.startswith("#"))
    # Every start of Snakemake imports every plugin that is there, and this one imports pandas.
    assert "snakemake-executor-plugin" not in (SOURCE / "requirements-dev.txt").read_text()
