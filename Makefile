# make demo: run the main job.  make test: lint, types, tests.  make slow: the slow tests, laws in full.
# make demo-own: the double charge of a small shop, found; the sound shop passes.
# Each sets itself up in .venv.
PYTHON ?= python3
BIN    := .venv/bin

OWN    := examples/shop-python
# Of make slow: most of its tests wait.
WORKERS ?= 4

.PHONY: demo demo-own test slow lint bench fidelity clean

demo: .venv/ready
	$(BIN)/paychain run card-ecommerce cloudflare-2025-11-18 --exit-zero

demo-own: .venv/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/paychain run $(OWN)/chain-naive.yaml $(OWN)/chaos/answers-lost.yaml --exit-zero
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/paychain run $(OWN)/chain-sound.yaml $(OWN)/chaos/answers-lost.yaml

test: lint
	$(BIN)/pytest -m "not slow" -n 3 --dist worksteal  # some of them wait

slow: .venv/ready
	PAYCHAIN_THOROUGH=1 $(BIN)/pytest -m "slow or law" -n $(WORKERS) --dist worksteal

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
