# Everything a fresh machine needs: make demo, make test. Each target makes its own .venv first.
.DEFAULT_GOAL := help
.PHONY: help demo up test days faults lint bench docs reference pictures release clean

PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:  ## Show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

.venv/ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Forecourt needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@echo "Preparing .venv (once, about half a minute) ..."
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python $(PYTHON) .venv && uv pip install --quiet --python $(BIN)/python -r requirements.lock && uv pip install --quiet --python $(BIN)/python --no-deps -e .; \
	else \
		$(PYTHON) -m venv .venv && $(BIN)/pip install --quiet -r requirements.lock && $(BIN)/pip install --quiet --no-deps -e .; \
	fi
	@touch $@

demo: .venv/ready  ## A whole night of a car marketplace, in two minutes
	@$(BIN)/forecourt demo

up: .venv/ready  ## Run everything in this terminal: database, clock, worker, web
	@$(BIN)/forecourt up

test: .venv/ready  ## All tests, on a private PostgreSQL
	@$(BIN)/pytest -n 3 --dist worksteal -q

days: .venv/ready  ## The tests that know the time, on another day: DAY="29 February"
	@PYTHONPATH=tests $(BIN)/python -m days $(if $(DAY),"$(DAY)")

faults: .venv/ready  ## Kill, starve and cut off everything for a quarter of an hour
	@PYTHONPATH=tests $(BIN)/python -m faults

lint: .venv/ready  ## Formatting, linting, types, and the direction of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/ready  ## Benchmarks beside their peers, as ratios: fifty minutes (ONLY="noop memory", MINUTES=10)
	@$(BIN)/python -m benchmarks.peers
	@$(BIN)/python -m benchmarks --write $(if $(MINUTES),--minutes $(MINUTES)) $(ONLY)

docs: .venv/ready  ## The documentation with live reload, at http://127.0.0.1:8008
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --dev-addr 127.0.0.1:8008

reference: .venv/ready  ## Write docs/reference anew from the code
	@$(BIN)/python docs/generating/reference.py

pictures: .venv/ready  ## Take the pictures of the pages in docs/pages anew
	@PYTHONPATH=tests $(BIN)/python docs/generating/pictures.py

release: .venv/release/ready  ## Source, wheel and bill of materials in dist/, checked
	@rm -rf dist && mkdir dist
	@.venv/release/bin/python -m build --outdir dist . >dist/build.log || { cat dist/build.log; exit 1; }
	@rm dist/build.log
	@.venv/release/bin/twine check --strict dist/*
	@PYTHONWARNINGS=ignore .venv/release/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file dist/forecourt.cdx.json requirements.lock

.venv/release/ready: .venv/ready
	@$(PYTHON) -m venv .venv/release
	@.venv/release/bin/pip install --quiet build==1.6.1 twine==7.0.0 cyclonedx-bom==7.5.0
	@touch $@

clean:  ## Remove the virtual environment and everything local
	@if [ -x $(BIN)/forecourt ]; then $(BIN)/forecourt db stop || true; fi
	@rm -rf .venv .bench .site var
