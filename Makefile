# The two commands: `make run` and `make test`. Everything else is in docs/.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

PYTEST := pytest --numprocesses auto --maxschedchunk 2

.PHONY: run test coverage check lint lock bench test-slurm

run: $(BIN)/installed
	snakemake --cores all --resources gpu=1

test: $(BIN)/installed lint
	$(PYTEST) --durations 20

coverage: $(BIN)/installed
	$(PYTEST) --cov

# For the daily loop: what starts real engines, draws many pictures or takes more than some seconds is left out.
check: $(BIN)/installed lint
	pytest --numprocesses auto --durations 10 -m "not slow"

lint: $(BIN)/installed
	ruff check
	ruff format --check
	lint-imports
	mypy
	snakemake --lint

# Speed: docs/benchmarks.md. COLA is the folder of CoLA's raw TSV files, TOKENIZER that of GPT-2's tokenizer.
bench: $(BIN)/bench-installed
	python -m benchmarks.run $(if $(COLA),--cola $(COLA)) $(if $(TOKENIZER),--tokenizer $(TOKENIZER)) $(if $(REPEATS),--repeats $(REPEATS)) $(TOPICS)

# As root on Debian or Ubuntu: installs Slurm, starts it on the loopback address, stops it. See docs/slurm.md.
test-slurm: $(BIN)/installed
	$(BIN)/python tests/slurm/run.py

# The stamp is written last: an install that broke off is begun again.
$(BIN)/installed: requirements.txt requirements-dev.txt requirements-torch.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --requirement requirements-torch.txt
	$(BIN)/pip install --no-deps --require-hashes --requirement requirements-dev.txt
	$(BIN)/pip install --no-deps --editable .
	touch $@

# New pins and hashes, from pyproject.toml; needs uv. torch brings its own packages for a GPU: they are left to it.
UNPINNED := $(addprefix --no-emit-package ,distilrnn setuptools torch triton cuda-bindings cuda-pathfinder cuda-toolkit \
  $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse \
  cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx))
# tokenizers names huggingface_hub for its downloads, typer rich for its colours: prediction needs neither, nor what
# they bring.
NOT_TO_PREDICT := $(addprefix --no-emit-package ,anyio certifi click filelock fsspec h11 hf-xet httpcore2 httpx2 \
  huggingface-hub idna markdown-it-py mdurl packaging pygments pyyaml rich tqdm truststore)
UV ?= uv
LOCK = $(UV) pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 $(UNPINNED) pyproject.toml
lock:
	$(LOCK) --extra slurm --output-file requirements.txt
	$(LOCK) --extra dev --constraint requirements.txt --output-file requirements-dev.txt
	$(LOCK) $(NOT_TO_PREDICT) --constraint requirements.txt --output-file requirements-predict.txt

$(BIN)/bench-installed: $(BIN)/installed benchmarks/requirements.txt
	$(BIN)/pip install --quiet --requirement benchmarks/requirements.txt
	touch $@
