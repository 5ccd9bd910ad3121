# Needs Python 3.11 or newer, pip and make. Another interpreter: make test PYTHON=python3.12
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
ARGS ?=
WORKERS ?= 2

.PHONY: help demo test lint bench clean

help:
	@echo 'make demo    train on the embedded digits and write a report (under three minutes after the install)'
	@echo 'make test    run every test (options: make test ARGS="-x -m \"not slow\"")'
	@echo 'make lint    ruff and pyright'
	@echo 'make bench   time the training step'
	@echo 'make clean   remove the environment, the demo and all caches'

# The stamp is touched last: an install that was cut short is taken up again by the next command.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("memlearn needs Python 3.11 or newer: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/memlearn run experiments/demo_digits.toml --out demo --overwrite
	$(BIN)/memlearn report demo
	@for page in demo/*.html; do echo "Open $(CURDIR)/$$page"; done

test: $(STAMP)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(STAMP)
	$(BIN)/memlearn bench train

clean:
	rm -rf .venv demo build dist .pytest_cache .ruff_cache .hypothesis .benchmarks
	find src tests -type d -name __pycache__ -prune -exec rm -rf {} +
