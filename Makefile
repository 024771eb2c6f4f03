# The two commands: `make run` and `make test`. Everything else is in docs/.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run test lint

run: $(BIN)/installed
	snakemake --cores 1 --resources gpu=1

test: $(BIN)/installed lint
	pytest

lint: $(BIN)/installed
	ruff check
	ruff format --check
	snakemake --lint

# The stamp is written last: an install that broke off is begun again.
$(BIN)/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@
