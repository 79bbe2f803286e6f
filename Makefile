# Works on a machine that has only git, make and Python 3.11 or newer with venv. uv is used where it is there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PACKAGES := -e .[dev] -e plugins/marketo -e plugins/pardot -e plugins/enrichers
# Tests wait for servers and processes a third of their time: more workers than the two cores they are made for.
WORKERS := 3
# Compiled modules are kept, or each process that a test starts would compile them anew.
unexport PYTHONDONTWRITEBYTECODE
METADATA := pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml)

.PHONY: demo test torture lint docs bench clean

demo: $(STAMP)
	$(BIN)/engine demo

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS)

torture: $(STAMP)
	$(BIN)/python -m pytest -n 2 --torture

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

docs: $(STAMP)
	$(BIN)/python docs/generate.py

bench: $(STAMP)
	$(BIN)/python bench/mapping.py
	$(BIN)/python bench/pipeline.py
	$(BIN)/python bench/capture.py
	$(BIN)/python bench/limits.py
	$(BIN)/python bench/enrichment.py
	$(BIN)/python bench/reconcile.py

$(STAMP): $(METADATA)
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing $(VENV) && uv pip install --quiet --python $(BIN)/python -c constraints.txt $(PACKAGES); \
	else \
	  $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PACKAGES); \
	fi
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .engine .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
