# Each target sets up what it needs. `make run`: the demo. `make test`: the tests. `make check`: lint, types, imports.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test check bench campaign fuzz leaks year screenshots lock clean

run: $(VENV)/run.done
	$(BIN)/satomori up --sample

# Two at a time, since many wait for real clocks; WORKERS=0: one after another, so that none feels another's load.
WORKERS ?= 2
test: $(VENV)/dev.done
	tests/install-servers.sh
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(PYTEST_ARGS)

check: $(VENV)/dev.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev.done .venv-peers/done
	tests/install-servers.sh
	$(BIN)/python tests/bench/run.py

# What detectors are compared with, apart from all that is ours.
.venv-peers/done: tests/bench/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --requirement tests/bench/peers.txt
	touch $@

# A million mutated messages through every format at ingest. FUZZ_ARGS='--messages N --seed N --processes N'.
fuzz: $(VENV)/dev.done
	PYTHONPATH=tests $(BIN)/python -m fuzz.run $(FUZZ_ARGS)

# Real kills of real processes, then what the sensors said against what is stored: make campaign SEED=7 FAULTS=200
SEED ?= 1
FAULTS ?= 60
campaign: $(VENV)/dev.done
	tests/install-servers.sh
	PYTHONPATH=tests $(BIN)/python -m campaign --seed $(SEED) --faults $(FAULTS) $(CAMPAIGN_ARGS)

# Leaks in districts of WNTR's networks against what was really let out: make leaks SEED=7 SCENARIOS=40
SCENARIOS ?= 40
leaks: $(VENV)/dev.done
	PYTHONPATH=tests $(BIN)/python -m leaks.evaluate --seed $(SEED) --scenarios $(SCENARIOS) $(LEAKS_ARGS)

# A year of the sample region with faults of assets and sensors, judged as in service: make year SEED=7 DAYS=365
DAYS ?= 365
year: $(VENV)/dev.done
	PYTHONPATH=tests $(BIN)/python -m region_year --seed $(SEED) --days $(DAYS) $(YEAR_ARGS)

# Pictures of the console for README.md, taken by the browser test of the live sample region.
screenshots: $(VENV)/dev.done
	tests/install-servers.sh
	SATOMORI_SCREENSHOTS=docs/images $(BIN)/python -m pytest tests/whole/test_demo.py -k 'console or history or alert or pictures'

# Only names and versions: no index, no address, not ourselves.
lock: $(VENV)/dev.done
	$(BIN)/pip-compile --quiet --strip-extras --all-extras --no-annotate --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-emit-options --no-header --upgrade --output-file requirements.lock pyproject.toml
	sed -i -E '/^(satomori |#|$$)/d' requirements.lock

$(VENV)/bin/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Satomori needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV) || { tests/install-servers.sh venv && $(PYTHON) -m venv $(VENV); }

# The lock pins every version; `-c` takes from it only what an extra needs.
$(VENV)/run.done: pyproject.toml requirements.lock | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --editable '.[all]' --constraint requirements.lock
	touch $@

# pysparkplug, a foreign node for the tests, asks for an older paho-mqtt than aiomqtt does, but runs on the newer one.
$(VENV)/dev.done: pyproject.toml requirements.lock | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --editable '.[dev]' --constraint requirements.lock
	$(BIN)/pip install --quiet --no-deps pysparkplug==0.6.1
	touch $@ $(VENV)/run.done

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
