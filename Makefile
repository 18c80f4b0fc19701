# `make run` runs the service and `make test` tests it. Both install what they need.

PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Without compiled files, each process of a test would compile the service again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-fast check format docs screenshot bench bench-quick bench-peers soak clean

run: .venv/ready
	@exec $(BIN)/pos serve

# The second run starts even if a test of the first one fails.
test: .venv/browser .venv/ready-dev
	$(BIN)/pytest -n 4 --dist worksteal -m 'not alone'; first=$$?; $(BIN)/pytest -m alone && exit $$first

test-fast: .venv/ready-dev
	$(BIN)/pytest -m 'pure and not alone and not soak'

check: .venv/ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture
	$(BIN)/deptry .

format: .venv/ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/ready-dev
	$(BIN)/python -m scripts.house
	$(BIN)/python -m scripts.roles
	$(BIN)/python -m app.openapi.http_file > docs/pos.http

bench: .venv/ready-bench
	$(BIN)/python -m benchmarks

bench-quick: .venv/ready-bench
	$(BIN)/python -m benchmarks --quick

bench-peers: .venv/ready-bench .venv-peers/ready
	$(BIN)/python -m benchmarks peers

soak: .venv/browser .venv/ready-dev
	$(BIN)/pytest --soak -m soak

# The pictures in the documentation: the board in a browser, and PDFs.
screenshot: .venv/browser .venv/ready-dev
	$(BIN)/python -m scripts.board_screenshot
	$(BIN)/python -m scripts.pdf_screenshot

clean:
	rm -rf .venv .venv-peers *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed.") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv

.venv/ready: .venv/bin/python requirements.txt pyproject.toml
	@echo "Installing …"
	$(BIN)/pip install --quiet --requirement requirements.txt
	$(BIN)/pip install --quiet --editable '.[embedded]'
	@$(BIN)/python scripts/prerequisites.py libcurl
	@touch $@

# Only the tests need a browser. It is checked first, so that a manual installation is requested immediately.
.venv/browser:
	@$(PYTHON) scripts/prerequisites.py browser
	@mkdir -p .venv && touch $@

.venv/ready-bench: .venv/ready requirements-bench.txt
	$(BIN)/pip install --quiet --requirement requirements-bench.txt
	@touch $@

# The dependencies of the peers differ from ours.
.venv-peers/ready: benchmarks/peers/requirements.txt benchmarks/peers/package.json | .venv/bin/python
	@$(PYTHON) scripts/prerequisites.py npm
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --requirement benchmarks/peers/requirements.txt
	@cp benchmarks/peers/package.json .venv-peers/
	npm install --silent --prefix .venv-peers --engine-strict --ignore-scripts --no-package-lock --no-audit --no-fund
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	$(BIN)/pip install --quiet --requirement requirements-dev.txt
	@touch $@
