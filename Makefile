# Fillstream's targets. `make help` lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test lint soak bench image docker-check clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml setup.py $(wildcard native/*.py native/src/*.c native/src/*.h native/include/*.h)
	@command -v $${CC:-cc} >/dev/null || { echo "no C compiler ($${CC:-cc}): on Debian 'apt-get install gcc libc6-dev python3-dev python3-venv', on macOS 'xcode-select --install'" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

install: $(STAMP) ## make the virtual environment and install everything into it

demo: $(STAMP) ## play a market against the whole stack and check the books (CAPTURE=file for a real one)
	$(BIN)/fillstream demo $(if $(CAPTURE),--capture $(CAPTURE)) $(if $(SPEED),--speed $(SPEED))

test: $(STAMP) ## run every test
	$(BIN)/python -m pytest

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: $(STAMP) ## long campaigns: 20 000 simulated desks, 5 million commands against the list book, crash tests with more kills
	$(MAKE) -C native versus
	BOOK_RUNS=5000 $(BIN)/python -m pytest tests/property/test_book.py
	SIMULATION_SEEDS=20000 $(BIN)/python -m pytest tests/simulation
	CRASH_SIGNALS=10000 CRASH_KILLS=25 $(BIN)/python -m pytest tests/crash

bench: $(STAMP) ## measure: each stage, end to end, and the floor; writes bench/results/
	$(BIN)/python -m bench

image: ## build the container image
	docker compose build signals

docker-check: $(STAMP) ## the compose stack on Redis and on Valkey: trade, kill, restart, check the books (needs Docker)
	FILLSTREAM_DEPLOY_TEST=1 $(BIN)/python -m pytest tests/deploy

clean: ## remove what was built
	rm -rf $(VENV) build dist *.egg-info native/_core*.so native/_core.c
