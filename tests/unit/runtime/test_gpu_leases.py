"""A GPU of its own for every job: real processes on made-up devices; none of this needs a GPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from distilrnn.errors import InputError
from distilrnn.runtime import gpu_leases
from distilrnn.runtime.device import Device, select_device
from paths import REPOSITORY

SOURCE = REPOSITORY
FOUR = ["GPU-a", "GPU-b", "GPU-c", "GPU-d"]

LISTING = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-0a1b2c3d-1111-2222-3333-444455556666)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736-a75d-5afc-978f-d2f1294409fd)
  MIG 3g.20gb     Device  1: (UUID: MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d)
GPU 2: NVIDIA A100-SXM4-40GB (UUID: GPU-77777777-d268-c3f3-1b07-005d5ae1dc3f)
"""

JOB = """
import os, signal, sys, time
from pathlib import Path
from distilrnn.runtime.gpu_leases import leased
count, seconds, dies = int(sys.argv[1]), float(sys.argv[2]), "dies" in sys.argv
with leased(count) as devices:
    assert "torch" not in sys.modules and os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(devices)
    markers = [Path(f"{device}.held") for device in devices]
    for marker in markers:
        if marker.exists() and marker.read_text() == "held":
            Path("collisions").open("a").write(f"{marker}\\n")
        marker.write_text("held")
    time.sleep(seconds)
    for marker in markers:
        marker.write_text("left")
    Path("ended").open("a").write(f"{' '.join(devices)}\\n")
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def four(workplace, monkeypatch):
    """A machine with four devices that exist in name alone."""
    monkeypatch.setenv(gpu_leases.DEVICES, ",".join(FOUR))
    monkeypatch.setenv(gpu_leases.FOLDER, str(workplace / "leases"))
    monkeypatch.delenv(gpu_leases.VISIBLE, raising=False)
    return workplace


def start(*arguments, **environment):
    command = [sys.executable, "-c", JOB, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment)


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 4])
def test_fifty_jobs_at_once_never_share_a_device_though_some_are_killed(four, most):
    """Those that are killed die by SIGKILL while they hold devices, which is when it matters."""
    jobs = [
        start(1 + number % most, 0.02 * (number % 4), "dies" if number % 5 == 0 else "lives") for number in range(50)
    ]
    codes = [job.wait(timeout=120) for job in jobs]
    assert not Path("collisions").exists(), Path("collisions").read_text()
    assert codes == [-9 if number % 5 == 0 else 0 for number in range(50)]
    ended = [line.split() for line in Path("ended").read_text().splitlines()]
    assert sorted(map(len, ended)) == sorted(1 + number % most for number in range(50))
    assert all(len(set(devices)) == len(devices) for devices in ended)
    assert {device for devices in ended for device in devices} == set(FOUR)
    assert [gpu_leases.holder(device) for device in FOUR] == [None] * 4


def test_a_killed_job_leaves_its_device_to_one_that_waits(four):
    holder = start(4, 600)
    assert holder.stdout.readline() == f"GPU: {', '.join(FOUR)}\n"
    waiting = start(1, 0)
    assert waiting.stdout.readline() == "waiting for a GPU of 4: `distilrnn doctor` tells who holds them\n"
    assert {gpu_leases.holder(device) for device in FOUR} == {holder.pid}
    holder.kill()
    assert waiting.communicate(timeout=60)[0] == "GPU: GPU-a\n"  # it has said once that it waits
    assert (holder.wait(), waiting.returncode) == (-9, 0)


def test_runs_that_number_the_devices_differently_agree_on_them(four):
    first = start(1, 600, CUDA_VISIBLE_DEVICES="2,3")
    assert first.stdout.readline() == "GPU: GPU-c\n"
    second = start(1, 600, CUDA_VISIBLE_DEVICES="GPU-c,1")
    assert second.stdout.readline() == "GPU: GPU-b\n"
    third = start(2, 0)
    assert third.stdout.readline() == "GPU: GPU-a, GPU-d\n"
    assert third.wait(timeout=60) == 0
    for job in (first, second):
        job.kill()
        job.communicate()


@pytest.mark.parametrize(
    ("visible", "usable"),
    [
        (None, FOUR),
        ("", []),
        ("1", ["GPU-b"]),
        (" 3, 0 ", ["GPU-d", "GPU-a"]),
        ("GPU-c,GPU-a", ["GPU-c", "GPU-a"]),
        ("-1", []),
        ("NoDevFiles", []),  # what Slurm sets for a job without a GPU
        ("0,7,1", ["GPU-a"]),  # as for CUDA, what follows a device that is not there does not count
        ("0,0", ["GPU-a"]),
        ("GPU-", []),  # the beginning of more than one
    ],
)
def test_an_outer_cuda_visible_devices_is_honoured(four, monkeypatch, visible, usable):
    if visible is not None:
        monkeypatch.setenv(gpu_leases.VISIBLE, visible)
    assert gpu_leases.usable_devices() == usable
    with gpu_leases.leased(1) as devices:
        assert devices == usable[:1]
        assert os.environ.get(gpu_leases.VISIBLE) == (usable[0] if usable else visible)
    assert os.environ.get(gpu_leases.VISIBLE) == visible


def test_without_a_device_nothing_is_leased_and_nothing_changes(four, monkeypatch):
    monkeypatch.setenv(gpu_leases.DEVICES, "")
    monkeypatch.setenv(gpu_leases.VISIBLE, "0")
    with gpu_leases.leased(2) as devices:
        assert devices == []
        assert os.environ[gpu_leases.VISIBLE] == "0"
    assert list(four.iterdir()) == []


def test_no_gpus_hides_them_all(four):
    with gpu_leases.leased(0) as devices:
        assert devices == []
        assert os.environ[gpu_leases.VISIBLE] == ""
    assert gpu_leases.VISIBLE not in os.environ


def test_more_than_there_are_is_refused_at_once(four, monkeypatch):
    monkeypatch.setenv(gpu_leases.VISIBLE, "1,2")
    with (
        pytest.raises(InputError, match=r"3 GPUs are asked for, but this job may use 2 \(GPU-b, GPU-c\)"),
        gpu_leases.leased(3),
    ):
        pass


def test_devices_are_read_from_nvidia_smi(workplace, monkeypatch):
    """A GPU that is cut up is leased by its MIG instances."""
    monkeypatch.delenv(gpu_leases.DEVICES, raising=False)
    monkeypatch.setenv("PATH", str(workplace))
    assert gpu_leases.machine_devices() == []
    program = workplace / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] && /bin/cat <<'END'\n{LISTING}END\n")
    program.chmod(0o755)
    names = [device[:8] for device in gpu_leases.machine_devices()]
    assert names == ["GPU-5c89", "MIG-c738", "MIG-a28a", "GPU-7777"]
    program.write_text("#!/bin/sh\necho 'Failed to initialize NVML: Driver/library version mismatch'\nexit 18\n")
    assert gpu_leases.machine_devices() == []


def test_locks_of_a_user_lie_in_a_folder_that_is_theirs_alone(monkeypatch):
    monkeypatch.delenv(gpu_leases.FOLDER, raising=False)
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert gpu_leases.lock_file("MIG-GPU-1/7/0") == Path(f"/tmp/distilrnn-gpus-{os.getuid()}/MIG-GPU-1_7_0.lock")


def test_a_lock_file_that_was_cleaned_away_is_made_again(four):
    with gpu_leases.leased(1):
        gpu_leases.lock_file("GPU-a").unlink()
        with gpu_leases.leased(1) as devices:  # the lock is of the file, not of its name
            assert devices == ["GPU-a"]
    assert gpu_leases.holder("GPU-a") is None


def test_every_rule_with_a_gpu_hands_their_number_to_its_script():
    for file in (SOURCE / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^rule ", file.read_text(), flags=re.MULTILINE)[1:]:
            assert ("gpu=" in rule) == ("--gpus {resources.gpu}" in rule), rule.partition(":")[0]


@pytest.mark.slow
def test_a_training_script_leases_its_device_and_says_so(tiny, four):
    script = SOURCE / "workflow" / "scripts" / "student.py"
    options = ["--embedding=4", "--hidden=4", "--epochs=1", "--threads=1", "--gpus=2", "--output=out"]
    command = [sys.executable, str(script), "--tokens", str(tiny.tokens), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("GPU: GPU-a, GPU-b\n")
    done = subprocess.run([*command, "--gpus=5"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: 5 GPUs are asked for")
    assert "Trace" not in done.stderr


def test_run_json_says_which_gpu_computed_and_the_state_goes_on_on_another(monkeypatch):
    import torch

    class Properties:
        name, uuid = "NVIDIA H100", "5c89852c"

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    device = select_device("fp32")
    assert device.gpu == "NVIDIA H100 (GPU-5c89852c)"
    assert repr(device) == repr(Device("cuda", "fp32", 1, "another"))  # part of the state's key
