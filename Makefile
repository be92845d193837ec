# Two commands need nothing but git, make and Python 3.11+ with venv: `make run` and `make test`.
# Everything is installed into .venv and frontend/node_modules of this folder, from the hashed lock files.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run sign-on test check lint types contracts unit coverage bench bench-quick soak screens migrate lock audit sbom clean

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
PORT ?= 8000
CITIZENS ?= 10000
JOBS ?= 2
VENV := .venv/bin
# Paths stay relative, so that a folder with a space in its name works; node comes from the virtual environment.
export PATH := $(CURDIR)/$(VENV):$(PATH)
export PYTHONUTF8 := 1
# What was compiled is kept, whatever the surroundings say: otherwise each process compiles everything again.
export PYTHONDONTWRITEBYTECODE :=
NODE_READY := .venv/node-ready

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: .venv/run-ready src/voting/static/dist/manifest.json ## Serve a living demo city on http://127.0.0.1:8000 (PORT=… to change)
	@PORT=$(PORT) $(VENV)/python -m voting demo --if-empty --citizens $(CITIZENS)
	@PORT=$(PORT) exec $(VENV)/python -m voting serve

sign-on: .venv/run-ready src/voting/static/dist/manifest.json ## The same, with a sign-on of the city where you choose which resident you are
	@PORT=$(PORT) $(VENV)/python -m voting demo --if-empty --citizens $(CITIZENS)
	@PORT=$(PORT) exec $(VENV)/python -m voting sign-on

test: check unit ## Check the code and run every test (databases included)

check: lint types contracts ## Lint, formatting, types, import contracts

lint: .venv/dev-ready
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .

types: .venv/dev-ready src/voting/static/dist/manifest.json
	$(VENV)/mypy
	cd frontend && node node_modules/typescript/bin/tsc --noEmit

contracts: .venv/dev-ready
	$(VENV)/lint-imports

unit: .venv/dev-ready src/voting/static/dist/manifest.json
	$(VENV)/python -m pytest -n $(JOBS) --dist worksteal

coverage: .venv/dev-ready src/voting/static/dist/manifest.json ## Run every test and hold the lines they reach to the floor
	rm -f .coverage .coverage.*
	$(VENV)/python -m coverage run -m pytest -n $(JOBS) --dist worksteal
	$(VENV)/python -m coverage combine -q
	$(VENV)/python -m coverage report

screens: .venv/dev-ready src/voting/static/dist/manifest.json ## Take the screenshots of docs/screens
	$(VENV)/python tests/browser/screens.py

bench: .venv/dev-ready src/voting/static/dist/manifest.json ## Run all benchmarks, each with its baseline in the same run
	$(VENV)/python bench/summary.py

bench-quick: .venv/dev-ready src/voting/static/dist/manifest.json ## The same ratios at small sizes, in under two minutes
	$(VENV)/python bench/summary.py --quick

soak: .venv/dev-ready src/voting/static/dist/manifest.json ## Look for new failures for an hour or more: orders of events, examples, crashes, load
	VECHE_SOAK_STEPS=100000 HYPOTHESIS_PROFILE=search $(VENV)/python -m pytest -q -s tests/polls/test_box_machine.py
	VECHE_FULL_COUNTS=1 $(VENV)/python -m pytest -q -s tests/crash
	VECHE_LEAKS=all $(VENV)/python -m pytest -q tests/flows/test_hidden_until_close.py
	HYPOTHESIS_PROFILE=search $(VENV)/python -m pytest -q -n $(JOBS) --dist worksteal tests/polls --ignore tests/polls/test_box_machine.py
	$(VENV)/python bench/soak.py

migrate: .venv/run-ready ## Bring the database to this release's schema
	$(VENV)/python -m voting migrate

lock: .venv/dev-ready ## Resolve the dependencies anew and export the hashed lists
	$(VENV)/uv lock
	$(MAKE) exports

.PHONY: exports
exports: .venv/dev-ready
	$(VENV)/uv export -q --frozen --no-emit-project --no-header --format requirements-txt -o requirements.txt
	$(VENV)/uv export -q --frozen --no-emit-project --all-groups --no-header --format requirements-txt -o requirements-dev.txt

audit: .venv/dev-ready $(NODE_READY) ## Ask PyPI and npm for known weaknesses of every locked version
	$(VENV)/python .ci/audit

sbom: .venv/dev-ready $(NODE_READY) ## Write the list of all parts (CycloneDX) into var/sbom
	$(VENV)/python .ci/sbom

clean: ## Remove everything installed or built here
	rm -rf .venv frontend/node_modules frontend/build src/voting/static/dist .mypy_cache .ruff_cache .pytest_cache

# ---- installing

# A missing piece is named, with what to do about it.
.venv/bin/uv: requirements-uv.txt
	@test -n "$(PYTHON)" || { echo "Python is missing: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Set PYTHON=… to another one."; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing (Debian: apt-get install python3-venv)"; exit 1; }
	"$(PYTHON)" -m venv --clear .venv
	$(VENV)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@touch $@

.venv/run-ready: .venv/bin/uv uv.lock pyproject.toml
	$(VENV)/uv sync -q --frozen --inexact --group frontend || $(call with-pip,requirements.txt)
	@touch $@

.venv/dev-ready: .venv/bin/uv uv.lock pyproject.toml
	$(VENV)/uv sync -q --frozen --inexact --all-groups || $(call with-pip,requirements-dev.txt)
	@touch $@ .venv/run-ready

# Where uv cannot run: the same hashed versions through pip, and the sources by a path file.
define with-pip
{ $(VENV)/python -m pip install -q --require-hashes --no-deps -r $(1) && $(VENV)/python -c "import sysconfig, pathlib; pathlib.Path(sysconfig.get_path('purelib'), 'veche.pth').write_text(str(pathlib.Path('src').resolve()))"; }
endef

# ---- the front end

$(NODE_READY): frontend/package-lock.json frontend/package.json frontend/.npmrc .venv/run-ready
	cd frontend && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

src/voting/static/dist/manifest.json: $(NODE_READY) frontend/build.mjs frontend/designsystemet.config.json $(wildcard frontend/src/* frontend/src/verify/* frontend/src/verify/count/*)
	cd frontend && node build.mjs
	@touch $@
