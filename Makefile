# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Tests start promptctl many times: its modules are compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test coverage check check-format check-lint check-types check-imports format bench samples pictures check-pictures docs clean

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "promptctl needs Python 3.11 or newer; set PYTHON=… to one" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing promptctl and its tools into $(VENV) (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/.ready  ## the main job, with no key and no network
	@PROMPTCTL=$(BIN)/promptctl sh scripts/demo.sh

# Neighbours run in one process, as far as work is even: they share what is imported and made once.
test: $(VENV)/.ready  ## the whole suite; on two cores, as tests wait for disks and processes
	@$(BIN)/python -m tests.compiled
	@$(BIN)/python -m pytest -n 3 --dist worksteal

coverage: $(VENV)/.ready  ## the whole suite, measured; fails below the floor in pyproject.toml
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest -n 2 -m "not untraced"
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

check: check-format check-lint check-types check-imports  ## format, lint, types, import rules

check-format: $(VENV)/.ready
	@$(BIN)/ruff format --check .

check-lint: $(VENV)/.ready
	@$(BIN)/ruff check .

check-types: $(VENV)/.ready
	@$(BIN)/mypy

check-imports: $(VENV)/.ready
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/.ready  ## rewrite the source in the house's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.ready  ## speed and memory, beside the peers that are installed
	@$(BIN)/python benchmarks/run.py

samples: $(VENV)/.ready  ## write the recordings of the hand-written sample replies
	@$(BIN)/python scripts/record_samples.py

pictures: $(VENV)/.ready  ## draw the pictures of the README and docs/; needs Chromium
	@$(BIN)/python -m scripts.pictures

check-pictures: $(VENV)/.ready  ## fail if a picture would say something else today
	@$(BIN)/python -m scripts.pictures --check

docs: $(VENV)/.ready  ## write the generated pages of docs/
	@$(BIN)/python -m tests.docs_reference
	@$(BIN)/python -m tests.docs_generated
	@$(BIN)/python -m tests.json_schemas

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
