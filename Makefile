# Fillstream's targets. `make help` lists them.
#
# RANGE says which versions of everything are installed, each in a virtual environment of its own: `pinned` (those of
# constraints.txt, by hash), `newest` and `lowest` (the ends of the ranges in pyproject.toml, resolved today).
PYTHON ?= python3
RANGE  ?= pinned
ifeq ($(RANGE),pinned)
VENV        ?= .venv
CONSTRAINTS := constraints.txt
else
VENV        ?= .venv-$(RANGE)
CONSTRAINTS := $(VENV)/constraints.txt
endif
BIN     := $(VENV)/bin
# Tests run in as many processes as there are cores, each with a Redis and ports of its own. One server of yours, or one
# compose stack, is for one process; so is WORKERS=0, without pytest-xdist. A file stays in one process: its tests share
# a desk, and some go on from what others did there. In the order of the folders, so that short files are the last.
WORKERS ?= $(if $(TEST_REDIS_URL)$(FILLSTREAM_DEPLOY_TEST),0,auto)
PYTEST  := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
PIP     := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --all-extras --generate-hashes --no-annotate --no-header --no-emit-index-url
SOURCES := pyproject.toml setup.py deploy/requirements.py $(wildcard native/*.py native/src/*.c native/src/*.h native/include/*.h)

# Each test starts programs, which would otherwise be compiled anew each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install develop demo test coverage mutants lint ranges upgrade fuzz-gateway vendor picture soak bench wheel image docker-check clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A pip that reads hashes out of a constraints file: those that come with Python 3.11 to 3.13 do not.
$(BIN)/.pip: constraints.txt
	@command -v $${CC:-cc} >/dev/null || { echo "no C compiler ($${CC:-cc}): on Debian 'apt-get install gcc libc6-dev python3-dev python3-venv', on macOS 'xcode-select --install'" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python deploy/requirements.py --pinned pip > $(VENV)/pip.txt
	$(PIP) install --require-hashes -r $(VENV)/pip.txt
	@touch $@

.venv-newest/constraints.txt: RESOLUTION := highest
.venv-lowest/constraints.txt: RESOLUTION := lowest-direct
.venv-newest/constraints.txt .venv-lowest/constraints.txt: pyproject.toml $(BIN)/.pip
	$(BIN)/python deploy/requirements.py --pinned uv > $(VENV)/uv.txt
	$(PIP) install --require-hashes -r $(VENV)/uv.txt
	$(COMPILE) --resolution $(RESOLUTION) --python $(BIN)/python --output-file $@

$(VENV)/.installed: $(BIN)/.pip $(CONSTRAINTS) $(SOURCES)
	$(BIN)/python deploy/requirements.py build local analytics gateway > $(VENV)/run.txt
	$(PIP) install --require-hashes -c $(CONSTRAINTS) -r $(VENV)/run.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.developing: $(VENV)/.installed tests/support/specs.txt
	$(BIN)/python deploy/requirements.py dev > $(VENV)/dev.txt
	$(PIP) install --require-hashes -c $(CONSTRAINTS) -r $(VENV)/dev.txt
	$(PIP) install --require-hashes --no-deps -r tests/support/specs.txt
	@touch $@

install: $(VENV)/.installed ## make the virtual environment and what runs a desk in it, at the versions of constraints.txt

develop: $(VENV)/.developing ## the same, with what tests and checks need

demo: install ## play a market against the whole stack and check the books (CAPTURE=file for a real one)
	$(BIN)/fillstream demo $(if $(CAPTURE),--capture $(CAPTURE)) $(if $(SPEED),--speed $(SPEED))

test: develop ## run every test
	$(PYTEST)

coverage: develop ## run every test and say which lines none of them reaches (pages in build/coverage/)
	$(PYTEST) --cov --cov-report=term --cov-report=html:build/coverage

# A name may have a folder in front of it: MODULES="runner position_service.ledger". Without names, all that has not
# been run; results are kept in mutants/ until the code or the choice of tests changes.
mutants: develop ## change the code a little, many times, and see whether a fast test notices (MODULES="runner money")
	nice -n 10 $(BIN)/mutmut run --max-children $(or $(JOBS),1) $(foreach each,$(MODULES),'*.$(each).*')
	$(BIN)/python -m tests.support.mutants

lint: develop ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ranges: ## every test with the lowest and with the newest versions that pyproject.toml allows
	$(MAKE) test RANGE=lowest
	$(MAKE) test RANGE=newest

upgrade: develop ## write constraints.txt anew: the newest of everything, for Python 3.11 to 3.13, with hashes
	$(COMPILE) --upgrade --universal --python-version 3.11 --output-file constraints.txt

# Calls of each route made up by schemathesis; EXAMPLES=1000 of each, SEED=n for the same ones again.
fuzz-gateway: develop ## thousands of calls made up out of the gateway's own OpenAPI document (EXAMPLES=300 SEED=1)
	$(BIN)/python -m tests.support.fuzzing $(or $(EXAMPLES),300) $(or $(SEED),1)

soak: develop ## long campaigns: 20 000 simulated desks, 5 million commands against the list book, crash tests with more kills
	$(MAKE) -C native versus
	BOOK_RUNS=5000 $(PYTEST) tests/property/test_book.py
	SIMULATION_SEEDS=20000 LOSS_SEEDS=3000 $(PYTEST) tests/simulation
	CRASH_SIGNALS=10000 CRASH_KILLS=25 FAULT_SIGNALS=2000 $(PYTEST) tests/crash
	EVERY_LOOK=1 $(PYTEST) tests/browser/test_rooms.py
	EVERY_DESK=1 $(PYTEST) tests/integration/test_backup.py
	EVERY_PYTHON=1 FROM_NOTHING=1 $(PYTEST) tests/deploy/test_wheel.py tests/deploy/test_readme_words.py

bench: develop ## measure: each stage, end to end, and the floor; writes bench/results/
	$(BIN)/python -m bench

vendor: ## copy what the desk's page is made with out of its npm packages, by the lock (needs npm)
	python3 deploy/vendor.py

picture: develop ## take the README's picture of the web desk anew (needs chromium)
	$(BIN)/python -m tests.support.pictures

wheel: install ## build the sdist's wheel into dist/: one for every Python from 3.11
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .

image: ## build the container images
	docker compose build
	docker image prune --force --filter label=org.opencontainers.image.title=Fillstream # those that these replace

docker-check: develop ## the compose stack on Redis and on Valkey: quick start, trade, kill, restart, check the books (needs Docker)
	FILLSTREAM_DEPLOY_TEST=1 $(BIN)/python -m pytest tests/deploy

clean: ## remove what was built
	rm -rf .venv .venv-* build dist mutants .coverage *.egg-info native/_core*.so native/_core.c
