# ThetaGangExpanded. `make` lists the targets; continuous integration runs the same ones.
PYTHON     ?= python3.11
VENV       := .venv
BIN        := $(VENV)/bin
PIP        := $(BIN)/python -m pip --disable-pip-version-check
PACKAGES   := libs/common services/broker-gateway services/strategy services/risk services/alerts \
              tools/simulator tools/thetactl tools/embedded
LOCKS      := requirements/build.txt requirements/dev.txt
SEEDS      ?= 20
FIRST_SEED ?= 1
# Tests and campaign start hundreds of short processes: each would compile all of our modules anew.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help setup lint type test sim e2e demo bench containers lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9]+:.*## /{printf "%-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.stamp ## make .venv: hash-locked packages, then our own, offline
$(VENV)/.stamp: $(LOCKS) $(PACKAGES:%=%/pyproject.toml)
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: install Python 3.11 or 3.12, or name one: make setup PYTHON=python3.12" >&2; exit 78; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || { echo "$(PYTHON) is not Python 3.11 or 3.12: name one that is: make setup PYTHON=python3.11" >&2; exit 78; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian: apt install python3.11-venv) and run make setup again" >&2; exit 78; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q --require-hashes -r requirements/build.txt
	$(PIP) install -q --require-hashes --no-build-isolation --use-pep517 -r requirements/dev.txt
	$(PIP) install -q --no-index --no-deps --no-build-isolation $(PACKAGES:%=-e %)
	@touch $@

lint: setup ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: setup ## mypy, strict
	$(BIN)/mypy

test: setup ## the fast suite: unit, property, contract, architecture, integration
	$(BIN)/pytest -n 3 --dist worksteal -m "not slow"

sim: setup ## the services under faults: make sim SEEDS=20 FIRST_SEED=1
	$(BIN)/python -m tests.simulation.campaign --seeds $(SEEDS) --first-seed $(FIRST_SEED)

e2e: setup ## the slow tests: whole processes, clean environments
	$(BIN)/pytest -n 2 --dist worksteal -m slow

demo: setup ## sell a put on a simulated market through the real path; ONCE=1 runs once and checks
	$(BIN)/python -m theta.embedded demo $(if $(ONCE),--once)

bench: setup ## measure the budgets; writes build/bench.json
	$(BIN)/python -m benchmarks

containers: ## container images and their tests
	@echo "There are no container images yet: they and their tests come with the deployment work."

lock: setup ## resolve requirements/*.txt anew; UPGRADE=1 takes the newest versions
	$(BIN)/python requirements/lock.py $(if $(UPGRADE),--upgrade)

clean: ## remove .venv, caches and build products; never the data in var/
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
