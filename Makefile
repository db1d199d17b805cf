# Two commands matter: `make demo` shows it, `make test` proves it. Everything is installed into .venv, nothing elsewhere.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install up demo test coverage requirements check format bench bench-numbers histories lock clean system

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

install: $(STAMP) ## make the virtual environment

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Dialtone needs Python 3.11 or newer; set PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	@echo "Installing into $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

up: $(STAMP) ## start the local stack and leave it running
	@$(BIN)/dialtone up

demo: $(STAMP) ## onboard six real customers and audit the books
	@$(BIN)/dialtone demo

system: ## install what only the full test run needs (root on Debian or Ubuntu)
	@deploy/install-test-system.sh

test: $(STAMP) system ## run every test
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

# Not with every run: measuring costs half as much time again.
coverage: $(STAMP) system ## run every test, and fail if they leave more than a twentieth of the process unproven
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --cov --cov-report=term:skip-covered

check: $(STAMP) ## format, lint, types, import rules, migrations
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_architecture.py tests/adapters/database/test_migrations.py tests/test_compose.py

format: $(STAMP) ## format and sort imports
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

requirements: $(STAMP) ## run the tests that prove rows of docs/requirements.md, and show which rows are proven
	@$(BIN)/python -m tests.requirements --numprocesses 2 --dist loadfile

bench: $(STAMP) ## measure, as a table and one JSON line (FULL=1 for the long run)
	@$(BIN)/python -m bench

bench-numbers: $(STAMP) ## measure searching and holding among ten million numbers
	@$(BIN)/python -m bench.numbers

histories: $(STAMP) ## record the histories that every later version must replay
	@$(BIN)/python -m tests.histories.record

lock: $(STAMP) ## renew requirements.lock and deploy/requirements.lock from pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --group pyproject.toml:local --group pyproject.toml:dev pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header pyproject.toml -o deploy/requirements.lock

clean: ## remove the environment and the local state
	@rm -rf $(VENV) .dialtone .mypy_cache .pytest_cache .ruff_cache
