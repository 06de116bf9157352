# Tasks of forewarn. `make help` lists them.
# Needs make, sh and Python 3.11 or 3.12; everything else goes into $(VENV).

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
# Processes that share the test suite; 0: this one runs it.
JOBS ?= 0
# One stamp for each set of extras: a second make installs nothing.
RUNTIME := $(VENV)/.installed-cpu-train
TOOLS := $(VENV)/.installed-cpu-train-dev
RECIPE_OF_AN_INSTALL := pyproject.toml constraints.txt scripts/install

export VENV PYTHON

.PHONY: help install venv demo test soak bench check lint types contracts format clean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(RUNTIME): $(RECIPE_OF_AN_INSTALL)
	@scripts/install cpu,train
	@touch $@

$(TOOLS): $(RECIPE_OF_AN_INSTALL)
	@scripts/install cpu,train,dev,examples
	@touch $(RUNTIME) $@

install: $(RUNTIME) ## install into .venv what serving and training need

venv: $(TOOLS) ## install into .venv what developing needs as well

demo: ## run the whole path on simulated help-desk agents (KEEP=1: stay up, serving; ARGS="--runs 400")
	@t0=$$(date +%s); \
	$(MAKE) --no-print-directory $(RUNTIME) || exit $$?; \
	t1=$$(date +%s); \
	$(BIN)/forewarn demo $(if $(KEEP),--keep) $(ARGS); \
	status=$$?; \
	echo "installation $$((t1 - t0)) s · run $$(($$(date +%s) - t1)) s"; \
	exit $$status

test: $(TOOLS) ## run the whole test suite (JOBS=2: in two processes)
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

soak: $(TOOLS) ## run the long tests that the suite leaves out (about an hour)
	$(BIN)/python -m pytest -m soak -s $(ARGS)

bench: $(TOOLS) ## measure the live service on this machine: one line of JSON (needs wrk; ARGS="--only rate --seconds 5")
	@$(BIN)/python -m scripts.bench $(ARGS)

check: lint types contracts test ## run exactly what CI runs

lint: $(TOOLS) ## ruff: style, order of imports, format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(TOOLS) ## mypy, strict
	$(BIN)/mypy

contracts: $(TOOLS) ## import contracts: which package may know which
	$(BIN)/lint-imports

format: $(TOOLS) ## rewrite the code as `make lint` wants it
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean: ## remove .venv and all caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
