# Two commands do everything on a machine that has Python 3.11 or later and make: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Tests run side by side in so many processes; those of one file stay together, for they share what they prepare.
JOBS ?= 2
SOURCES = pyproject.toml README.md $(shell find src -type f -not -name '*.pyc')

.PHONY: demo test test-slow lint types contract bench docs lock clean

demo: $(VENV)/.wheel
	$(BIN)/edaphic demo -o demo-run

test: $(VENV)/.dev
	cd tests && ../$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile -p no:cacheprovider
	cd tests && ../$(BIN)/python -m pytest -q --doctest-modules --pyargs edaphic -p no:cacheprovider

test-slow: $(VENV)/.dev
	cd tests && ../$(BIN)/python -m pytest -m slow -n $(JOBS) --dist loadfile -p no:cacheprovider

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks docs

types: $(VENV)/.dev
	$(BIN)/mypy

contract: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/all.py

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W -b html docs docs/_build/html

# Packages at their pinned versions, each checked against its hash.
$(VENV)/.run: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	touch $@

# The wheel as users get it; the tests run against it, never against the source tree.
$(VENV)/.wheel: $(VENV)/.run $(SOURCES)
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall dist/*.whl
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.wheel
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	touch $@

# Renew both lock files (needs uv); the files hold versions and hashes, no addresses.
lock:
	printf 'hatchling\n' | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml - -o requirements.txt
	printf 'hatchling\n' | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group dev --group docs pyproject.toml - -c requirements.txt -o requirements-dev.txt

clean:
	rm -rf $(VENV) dist demo-run docs/_build
