# `make demo` and `make test` need nothing before them but Python 3.11 or newer and the package registry.

PYTHON ?= python3
OUT ?= demo-out
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

# A few threads: more only wait for each other on pictures of this size.
export OMP_NUM_THREADS ?= $(shell $(PYTHON) -c "import os; print(min(4, os.cpu_count() or 1))")

# Pinned: an open range brings gigabytes of CUDA where the registry's newest build has it.
TORCH ?= torch==2.13.0

# The browser of the pages' tests comes from the system's packages.
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

# So do node and npm, which check the pages' scripts; the packages of that are pinned in package.json.
NODE ?= $(shell command -v node)
NPM ?= $(shell command -v npm)
NODE_STAMP := node_modules/.ready

# What pytest is told besides, e.g. PYTEST=--durations=20
PYTEST ?=

# Processes that share the tests, a file at a time, and the check of types; each takes up to 2 GB.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(4, os.cpu_count() or 1))")
SHARED := --numprocesses $(WORKERS) --dist loadfile

# pip compiles on one core, this on all; else every start would, where Python is told to keep no bytecode. Tests of libraries
# are left out, which nobody runs, and a file of one for a newer Python does not compile.
COMPILED := $(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib || true

.PHONY: setup demo test test-all browser test-ui node script-tools lint-scripts test-scripts check bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile "$(TORCH)" -c constraints.txt
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e ".[dev]"
	$(COMPILED)
	touch $(STAMP)

# The first picture of README.md, from the photographs of the demo.
.PHONY: photographs
photographs: demo
	$(BIN)/python -m docs.photographs $(OUT)

demo: setup
	$(BIN)/intarsia demo --out $(OUT) --overwrite

# On pictures as small as those of the tests, a second thread only waits for the first.
test test-all test-ui: export OMP_NUM_THREADS = 1

test: setup
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m "not slow and not ui" $(SHARED) $(PYTEST)

# Where there is no browser, the tests that need one are skipped. The screenshots are for people to look at.
test-all: setup
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,ui,test-ui]"
	HF_HUB_OFFLINE=1 INTARSIA_SCREENSHOTS=1 $(BIN)/python -m pytest --hypothesis-profile other-examples $(PYTEST)

# Installs it where it is missing: as root, or where sudo asks for no password.
browser:
	@test -n "$(CHROMIUM)" || { sudo=; test "$$(id -u)" = 0 || sudo="sudo --non-interactive"; \
		$$sudo apt-get update --quiet && $$sudo apt-get install --quiet --yes chromium; }

test-ui: setup browser
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,ui,test-ui]"
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest tests/web/browser -m "ui and not slow" $(SHARED) $(PYTEST)

# Installed as the browser is. Node 18.18 or newer will do.
node:
	@test -n "$(NODE)" -a -n "$(NPM)" || { sudo=; test "$$(id -u)" = 0 || sudo="sudo --non-interactive"; \
		$$sudo apt-get update --quiet && $$sudo apt-get install --quiet --yes --no-install-recommends nodejs npm; }

script-tools: node $(NODE_STAMP)

$(NODE_STAMP): package.json .npmrc | node
	npm install
	touch $(NODE_STAMP)

lint-scripts: script-tools
	npm run lint

test-scripts: node
	npm test

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers $(WORKERS)
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_house.py -m "not slow"

bench: setup
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.regions --seed 7 --count 100 --columns default,fitted,oracle,segment,whole --json bench-regions.json
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.layout --seed 7 --count 30 --columns compose,paste_inpaint --json bench-layout.json

# What can be relied on, in figures: docs/reliability.md. Hours; QUICK=1 for few cases of each, PARTS="fuzz kills" for some.
.PHONY: trust
trust: export OMP_NUM_THREADS = 1
trust: setup
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,ui,trust]"
	HF_HUB_OFFLINE=1 $(BIN)/python -m trust $(PARTS) $(if $(QUICK),--quick)

# Which lines the quick tests run, as a table. Apart from `make test`, since it takes a quarter longer.
.PHONY: coverage
coverage: export OMP_NUM_THREADS = 1
coverage: setup
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m "not slow and not ui" --cov --cov-report=term-missing:skip-covered $(PYTEST)

# The tables of settings in docs/reference.md, written from the records.
.PHONY: reference
reference: setup
	$(BIN)/python -m docs.settings

# The pages of docs/ as a site in build/docs; a warning is an error, and nothing is fetched.
.PHONY: docs
docs: setup
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	$(BIN)/python -m docs.settings --check
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --nitpicky --fresh-env --quiet docs build/docs
	@echo "Open build/docs/index.html"

# Checks of each commit, from .pre-commit-config.yaml.
.PHONY: hooks
hooks: setup
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[hooks]"
	$(BIN)/pre-commit install

# Builds, checks and tags the version in pyproject.toml; uploading stays a step by hand. DRY=1 sets no tag.
.PHONY: release
release: setup
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[release]"
	DRY=$(DRY) PYTHON=$(BIN)/python .ci/release

clean:
	rm -rf $(VENV) node_modules build dist
