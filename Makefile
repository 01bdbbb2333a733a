# `make run` and `make test` do everything on a fresh machine; both keep to the project's own environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

PIPECAT := .venv-pipecat

.PHONY: run test bench bench-embedded lint clean

run: $(VENV)/.installed
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.installed-dev lint
	PYTHONASYNCIODEBUG=1 $(BIN)/python -m pytest $(ARGS)

# Beside the peers, FastRTC and Pipecat, on stub engines; what cannot be installed is left out, and the bench says so.
bench: $(VENV)/.installed-dev
	-$(MAKE) $(PIPECAT)/.installed
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-embedded: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.conversation

lint: $(VENV)/.installed-dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

clean:
	rm -rf $(VENV) $(PIPECAT) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Voice Bot needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements.txt requirements-dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@

$(PIPECAT)/.installed: tests/benchmarks/pipecat/requirements.txt
	$(PYTHON) -m venv $(PIPECAT)
	echo '*' > $(PIPECAT)/.gitignore
	$(PIPECAT)/bin/python -m pip install --quiet --requirement $<
	touch $@
