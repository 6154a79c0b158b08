# make demo: learn handwritten digits in three minutes. make test: the whole suite. Everything lives in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install test lint demo clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ganvas needs Python 3.11 or later, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

test: install
	$(BIN)/python -m pytest -n 2

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

demo: install
	$(BIN)/ganvas train digits --minutes 3 --out runs/demo --overwrite
	@echo "Open runs/demo/report.html in a browser."

clean:
	rm -rf .venv runs .pytest_cache .mypy_cache .ruff_cache
