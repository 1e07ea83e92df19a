# make demo: run the main job.  make test: lint, types, tests.  make slow: the slow tests.
# Each sets itself up in .venv.
PYTHON ?= python3
BIN    := .venv/bin

.PHONY: demo test slow lint bench fidelity clean

demo: .venv/ready
	$(BIN)/paychain run card-ecommerce cloudflare-2025-11-18 --exit-zero

test: lint
	$(BIN)/pytest -m "not slow" -n 2 --dist worksteal

slow: .venv/ready
	$(BIN)/pytest -m slow -n 2 --dist worksteal

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m bench

fidelity: .venv/ready
	$(BIN)/python -m bench fidelity

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "paychain needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up .venv (once)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,fast]'
	@touch $@

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
