# Everything runs in .venv, which is made once and again whenever pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test browser lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/.stamp-examples
	@$(BIN)/python examples/demo.py $(ARGS)

test: $(VENV)/.stamp-test
	@$(BIN)/python -m pytest $(ARGS)

browser: $(VENV)/.stamp-test $(VENV)/.stamp-browser
	@INCNB_REQUIRE_BROWSER=1 $(BIN)/python -m pytest tests/browser $(ARGS)

lint: $(VENV)/.stamp-lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

clean:
	rm -rf $(VENV) .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find incnb tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

# An editable install: what runs is the code in this folder, so only pyproject.toml makes it out of date.
$(VENV)/.stamp-%: $(VENV)/.stamp-venv pyproject.toml
	@echo "Installing incnb with its '$*' extra into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]' \
	  || { echo "pip could not install incnb: see its message above; a network or a package index must be reachable." >&2; exit 1; }
	@touch $@

$(VENV)/.stamp-venv:
	@command -v $(PYTHON) >/dev/null 2>&1 \
	  || { echo "$(PYTHON) was not found: install Python 3.11 or newer, or say which one to use: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1), and incnb needs 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	  || { rm -rf $(VENV); echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian and Ubuntu: apt-get install python3-venv)." >&2; exit 1; }
	@touch $@

.PRECIOUS: $(VENV)/.stamp-%
