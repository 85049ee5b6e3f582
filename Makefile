# Everything runs through make; only make and Python 3.11 or newer must be there before.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup lock check test demo demo-once bench chaos audit snapshots

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed-requirements.txt
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml
# Tests start dozens of processes: compiled modules are kept, whatever the surroundings say.
unexport PYTHONDONTWRITEBYTECODE
UPGRADE :=
PYTEST := $(BIN)/pytest -q

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; \
	do printf '  make %-10s %s\n' "$$name" "$$text"; done

setup: $(INSTALLED) ## make .venv and install the locked dependencies (runs once)

$(INSTALLED): requirements/dev.txt
	@found=""; for name in python3.14 python3.13 python3.12 python3.11 python3; do \
		if "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
			>/dev/null 2>&1; then found="$$name"; break; fi; done; \
	if [ -z "$$found" ]; then \
		echo "Python 3.11 or newer with its venv module is needed, and none was found."; exit 1; fi; \
	echo "making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv $(VENV)
	@echo "installing the locked dependencies (about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
		--require-hashes --requirement requirements/dev.txt
	@cp requirements/dev.txt $(INSTALLED)

lock: setup ## compile the locked requirements again (UPGRADE=--upgrade takes newer versions)
	$(COMPILE) $(UPGRADE) --group dev --output-file requirements/dev.txt
	$(COMPILE) --constraint requirements/dev.txt --output-file requirements/run.txt

check: setup ## lint, types, import contracts, SQL of migrations
	@mkdir -p var
	@echo "ruff";         $(BIN)/ruff check --quiet .
	@echo "mypy";         $(BIN)/mypy --no-error-summary
	@echo "import-linter"; $(BIN)/lint-imports --no-logo --cache-dir var/import-linter >var/imports.log 2>&1 \
		|| { cat var/imports.log; exit 1; }
	@echo "squawk";       $(BIN)/python migrations/render.py var/migrations && \
		$(BIN)/squawk --config .squawk.toml var/migrations/*.sql

test: check ## what CI runs: setup, check and the whole suite
	$(PYTEST) -n auto --dist worksteal

demo: setup ## set everything up, walk through the whole job, then serve
	@test -f demo/__main__.py || { echo "The demo is not built yet."; exit 1; }
	@$(BIN)/python -m demo

demo-once: setup ## the same, and exit when the journey is over
	@test -f demo/__main__.py || { echo "The demo is not built yet."; exit 1; }
	@$(BIN)/python -m demo --once

bench: setup ## print speed as ratios
	@test -f bench/__main__.py || { echo "The benchmarks are not built yet."; exit 1; }
	@$(BIN)/python -m bench

chaos: setup ## the tests that have a larger size, at full size
	CARD_TEST_SIZE=full $(PYTEST) -n 0 -m sized --timeout 3600

audit: setup ## known vulnerabilities of the locked dependencies; fails when one could not be looked up
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/dev.txt

snapshots: setup ## write the migration head and the database grants that the house tests compare
	$(BIN)/python -m tests.house.snapshots
