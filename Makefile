# The two commands: `make run` and `make test`. Everything else is in docs/.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run test check lint bench test-slurm

run: $(BIN)/installed
	snakemake --cores all --resources gpu=1

test: $(BIN)/installed lint
	pytest --cov --numprocesses auto --durations 20

# For the daily loop: what starts real engines or trains for many seconds is left out.
check: $(BIN)/installed lint
	pytest --numprocesses auto --durations 10 -m "not slow"

lint: $(BIN)/installed
	ruff check
	ruff format --check
	lint-imports
	snakemake --lint

# Speed: docs/benchmarks.md. COLA is the folder of CoLA's raw TSV files, TOKENIZER that of GPT-2's tokenizer.
bench: $(BIN)/bench-installed
	python -m benchmarks.run $(if $(COLA),--cola $(COLA)) $(if $(TOKENIZER),--tokenizer $(TOKENIZER)) $(TOPICS)

# As root on Debian or Ubuntu: installs Slurm, starts it on the loopback address, stops it. See docs/slurm.md.
test-slurm: $(BIN)/installed
	$(BIN)/python tests/slurm/run.py

# The stamp is written last: an install that broke off is begun again.
$(BIN)/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --requirement requirements.txt
	$(BIN)/pip install --no-deps --editable .
	touch $@

$(BIN)/bench-installed: $(BIN)/installed benchmarks/requirements.txt
	$(BIN)/pip install --quiet --requirement benchmarks/requirements.txt
	touch $@
