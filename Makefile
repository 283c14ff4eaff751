# Each target makes .venv first, from requirements.lock, where it is missing, half made or out of date.
# Needs python3 (3.11 or newer) and make; uv is used where it is on the PATH.

PYTHON ?= python3
BIN := .venv/bin
OUT := demo-out
SHELL := /bin/sh

.DEFAULT_GOAL := help
.PHONY: help demo test lint format lock clean environment

help: ## say what the targets do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: environment ## plan, verify, train and report on built-in text, into demo-out/
	$(BIN)/modelcollapse demo --out $(OUT)

test: environment ## run the tests of the program and the proofs of the theorems
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal

lint: environment ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --output-format=concise .
	$(BIN)/mypy

format: environment ## put the source in the form that lint asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

environment: ## make .venv what the lock says
	@$(PYTHON) .ci/environment.py

EXPORT := uv export --quiet --frozen --all-extras --all-groups --no-emit-project --no-header --no-annotate

lock: ## resolve the dependencies again (needs uv)
	uv lock --upgrade
	$(EXPORT) --output-file requirements.lock
	$(EXPORT) --no-hashes --output-file constraints.txt

clean: ## remove what running leaves behind, except .venv
	rm -rf $(OUT) build dist *.egg-info .coverage htmlcov .pytest_cache .ruff_cache .mypy_cache .hypothesis .jax_cache
	find . -name .git -prune -o -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
