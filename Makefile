# make run and make test need python3 (3.11 to 3.13, with venv) and make; they set up all else.

PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv || echo .tools/bin/uv)
export UV_PYTHON_DOWNLOADS := never

.PHONY: run setup test test-fast check lock bench docs clean

run: setup  ## run the whole pipeline on the demo photos
	$(BIN)/ml-workflows run

setup: .venv/complete  ## make .venv with exactly what the lock says

test: setup  ## all tests; the fast ones on the oldest and newest Python found, too
	$(BIN)/python -m pytest
	$(PYTHON) scripts/other_pythons.py --uv $(UV)

test-fast: setup  ## the tests that import no torch
	$(BIN)/python -m pytest -m "not slow"

check: setup test-fast  ## format, lint, types, fast tests with warnings as errors, locks, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python scripts/lock.py --check --uv $(UV)
	$(BIN)/python scripts/docs.py --check

lock: setup  ## write locks/ anew with the newest versions that fit
	$(BIN)/python scripts/lock.py --upgrade --uv $(UV)

docs: setup  ## write the generated tables of README.md and docs/
	$(BIN)/python scripts/docs.py

bench: setup  ## measure, and write docs/benchmarks.md; DATA and WEIGHTS name real photos and weights
	$(BIN)/python benchmarks/measure.py $(if $(DATA),--data $(DATA)) $(if $(WEIGHTS),--weights $(WEIGHTS))

clean:  ## remove what make made; runs and the cache in .ml-workflows stay
	rm -rf .venv .venv-* .tools

.tools/bin/uv: locks/uv.txt
	@echo "fetching uv into .tools"
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/uv.txt
	@touch $@

.venv/complete: locks/development.txt pyproject.toml $(filter .tools/bin/uv,$(UV))
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12"; exit 2; }
	@echo "installing what locks/development.txt says into .venv (several GB, torch among them)"
	@rm -rf .venv
	@$(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv
	@VIRTUAL_ENV=.venv $(UV) pip sync --quiet --require-hashes locks/development.txt
	@VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
