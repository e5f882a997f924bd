# The README's commands, and what they are made of. Everything is made under .venv/ and var/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed
PORT ?= 8000
# What `make chaos` plays: which seed, for how long after every fault was played once, on what.
SEED ?= 7
MINUTES ?= 2
BROKER ?= redis
# Extra arguments for pip, such as the index of a CPU or GPU build of torch (see README).
PIP_ARGS ?=
MANAGE := $(BIN)/python manage.py
ONCE := $(CURDIR)/var/once
export OMP_NUM_THREADS ?= 2

.PHONY: help demo demo-once demo-reset prepare test chaos lint format install schema clean

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | sort

install: $(STAMP) ## Make .venv and install everything into it

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing. On Debian: apt-get install python3.11 python3.11-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing. On Debian: apt-get install python3.11-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (about 2 GB with a CPU build of torch; a few minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[worker,dev]'
	@touch $@

prepare: $(STAMP) ## Make keys and the demo model pack, migrate, seed the demo
	@$(MANAGE) keys
	@$(BIN)/python -m generation.packs build "$${IMPRIMATUR_VAR:-var}/models/demo"
	@test -z "$$DATABASE_OWNER_URL" || $(MANAGE) roles --apply
	@$(MANAGE) migrate --skip-checks --verbosity 0 $${DATABASE_OWNER_URL:+--database owner}
	@$(MANAGE) collectstatic --no-input --verbosity 0
	@$(MANAGE) demo_seed

demo: prepare ## Run the demo in the foreground; Ctrl-C stops it, a second start goes on
	@exec $(MANAGE) demo --port $(PORT)

demo-once: export IMPRIMATUR_VAR := $(if $(IMPRIMATUR_VAR),$(IMPRIMATUR_VAR),$(ONCE))
demo-once: $(STAMP) ## Drive the main job once in a folder of its own; leaves nothing running
	@rm -rf "$(ONCE)"
	@$(MAKE) --no-print-directory prepare
	@$(MANAGE) demo_once

demo-reset: ## Forget everything that the demo made
	rm -rf var

test: $(STAMP) ## The whole suite; on PostgreSQL and Redis too where they answer
	@$(BIN)/python -m tests.run

chaos: $(STAMP) ## Break a whole installation by a seed, mend it, check that nothing is lost
	@$(BIN)/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES) --broker $(BROKER)

lint: $(STAMP) ## Style, import rules, types, migrations, spelling
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy platform/imprimatur generation governance templates
	@$(BIN)/codespell
	@$(MANAGE) makemigrations --check --dry-run --skip-checks

format: $(STAMP) ## Let ruff put the code in order
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

schema: $(STAMP) ## Write docs/openapi.yaml from the code
	@$(MANAGE) spectacular --file docs/openapi.yaml --validate --fail-on-warn

clean: ## Remove what the tools cached
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
