# make demo: a shop that charges twice, and one that does not.  make test: lint, types, tests.  make slow: the slow tests.
# make thorough: what repeats at length what those show: soaks, laws in full, every pair for real.
# make demo-own: the double charge of a small shop, found; the sound shop passes.
# make docs: the docs site, in site/.
# make lowest: the lowest versions of all dependencies, in .venv-lowest.
# Each sets itself up in .venv; CONSTRAINTS=constraints.txt takes exactly the versions tested last.
PYTHON ?= python3
BIN    := .venv/bin
# pyproject.toml names the plugins. Of others, of packages that have one, pytest would compile every
# module anew to explain its assertions, also all of this package.
PYTEST := PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(BIN)/pytest

OWN    := examples/shop-python
# Of make slow: most of its tests wait. Two of five workers begin with those that compute.
WORKERS ?= 5

.PHONY: demo demo-own test fast slow thorough lint bench fidelity lowest docs clean

demo: .venv/installed
	@printf '\nHalf of the answers of a card processor are lost for eight seconds.\n\n'
	@printf '1. A shop that then tries another processor, on real processes for half a minute.\n'
	@printf '   Its customers are charged twice: FAILED is what this is to show.\n\n'
	@$(BIN)/paychain run card-gives-up processor-lost-answers --exit-zero || { \
		printf '\nThis machine was too busy to tell. The same in virtual time:\n\n'; \
		$(BIN)/paychain run card-gives-up processor-lost-answers --virtual --exit-zero; }
	@printf '\n2. A shop that reverses what it is not sure of, in virtual time: PASSED.\n\n'
	@$(BIN)/paychain run card-sound processor-lost-answers --virtual
	@printf '\nOpen the first report to see who was charged twice, and what to change.\n'

# What follows the first exit code 3 is the same once more: a machine is seldom busy for long.
# $(1): the shop, $(2): mocks that do the same, $(3): more options of both.
define OWN_RUN
@run() { PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/paychain run $(OWN)/chain-$(1).yaml $(OWN)/chaos/answers-lost.yaml $(3); }; \
run; code=$$?; [ $$code = 3 ] || exit $$code; \
printf '\nThis machine was too busy to tell. Once more:\n\n'; \
run; code=$$?; [ $$code = 3 ] || exit $$code; \
printf '\nStill too busy, and a service of yours runs in real time only: nothing is said about this shop.\n'; \
printf 'Mocks of a shop that is as $(1), in virtual time instead:\n\n'; \
$(BIN)/paychain run $(2) processor-lost-answers --virtual $(3)
endef

demo-own: .venv/ready
	@printf '\nFor five seconds Stripe works, but its answers do not arrive.\n\n'
	@printf '1. A small shop with the SDKs of Stripe and Adyen, which then pays at Adyen; half a minute.\n'
	@printf '   Its customers are charged twice: FAILED is what this is to show.\n\n'
	$(call OWN_RUN,naive,card-gives-up,--exit-zero)
	@printf '\n2. The same shop, which cancels at Stripe what it has no answer about: PASSED.\n\n'
	$(call OWN_RUN,sound,card-sound,)
	@printf '\nOpen the first report to see who was charged twice, and what the shop did.\n'

# Real processes and clocks share the machine with the other workers, and a machine may stand still:
# what failed runs once more, alone. What fails then, fails. (1 is pytest's code for failed tests.)
AGAIN = || { [ $$? = 1 ] && $(PYTEST) --last-failed --last-failed-no-failures none

# Beside each other: types are checked by one process, and many tests wait.
test:
	@$(MAKE) --no-print-directory -j 2 lint fast

fast: .venv/ready
	$(PYTEST) -m "not slow and not thorough" -n 3 --dist worksteal $(AGAIN) -m "not slow and not thorough"; }

# Only the files that have such tests: every worker imports what it is given.
SLOW = $(shell grep -rlw --include='test_*.py' slow tests) -m "slow and not thorough"

slow: .venv/ready
	@$(PYTEST) $(SLOW) -n $(WORKERS) --dist worksteal $(AGAIN) $(SLOW); }

# The variable lets laws and loops take all of their examples.
thorough: export PAYCHAIN_THOROUGH = 1
thorough: .venv/ready
	$(PYTEST) -m "thorough or law" -n $(WORKERS) --dist worksteal $(AGAIN) -m "thorough or law"; }

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m bench

fidelity: .venv/ready
	$(BIN)/python -m bench fidelity

# Where $(PYTHON) has a pip that can install elsewhere (22.3), it does: to copy one to .venv and to
# compile it takes as long as to install a third of all that is needed.
PIP = $$(test -e $(BIN)/pip && echo $(BIN)/python -m pip || echo $(PYTHON) -m pip --python $(BIN)/python)
HAS_PIP = $(PYTHON) -c 'import pip, sys; sys.exit([int(part) for part in pip.__version__.split(".")[:2]] < [22, 3])' 2>/dev/null
# pip compiles on one processor only, and what comes of it is slower: that is done afterwards, by all.
# .venv may be of another $(PYTHON), or half made, and have no pip after all.
CAN_INSTALL = @test -e $(BIN)/pip || $(HAS_PIP) || $(BIN)/python -m ensurepip --default-pip >/dev/null
INSTALL = $(PIP) --quiet --disable-pip-version-check install --no-compile $(CONSTRAINTS:%=--constraint %) --editable
# What no run imports is compiled when it is: lexers, pip itself.
NEVER = site-packages/(pip|setuptools|pkg_resources|_distutils_hack|pygments/(lexers|styles)|[a-z]+/test(s|ing)/)
# Nor, where no tests run, what other commands and other chains import.
RARELY = site-packages/(_?pytest|cffi|cryptography|engineio|future|hypothesis|libfuturize|libpasteurize|markdown_it|packaging|past|pycparser|pydantic/v1|pygments|rich/_unicode_data|socketio|websocket|wsproto|zope)/|protocol/dialects/[a-z]+/
COMPILE = $(BIN)/python -m compileall -qq -j 0 -x '$(1)' .venv/lib harness >/dev/null || true

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "paychain needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up .venv (once)"
	@if $(HAS_PIP); then $(PYTHON) -m venv --without-pip .venv; else $(PYTHON) -m venv .venv; fi

# What a user installs.
.venv/installed: $(BIN)/python pyproject.toml
	$(CAN_INSTALL)
	@$(INSTALL) '.[fast]'
	@$(call COMPILE,$(NEVER)|$(RARELY))
	@touch $@

# What its developers install, all at once; tests build and install wheels with pip.
.venv/ready: $(BIN)/python pyproject.toml
	$(CAN_INSTALL)
	@$(INSTALL) '.[dev,fast]' pip
	@$(call COMPILE,$(NEVER))
	@touch .venv/installed $@

docs: .venv/docs
	$(BIN)/python -m paychain.model.reference > docs/reference.md
	$(BIN)/python -m paychain.cli.reference > docs/cli.md
	$(BIN)/python .ci/llms.py > docs/llms.txt
	$(BIN)/zensical build --clean --strict
	cp docs/*.md site/  # llms.txt lists them

# What writes the site, beside what a user installs.
.venv/docs: .venv/installed
	@$(INSTALL) '.[docs]'
	@touch $@

lowest:
	PYTHON=$(PYTHON) .ci/lowest

clean:
	rm -rf .venv .venv-lowest build dist site .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
