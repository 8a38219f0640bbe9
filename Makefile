# make demo   the whole portal on this machine, without AWS, Docker, Redis or PostgreSQL
# make test   every test; what a fresh machine lacks is skipped by name
# make test-deep  the fault suites in full: hundreds of sequences, every kill, long races
# make check  format, lint, types, architecture, templates, migrations
# make lock   renew requirements/ from the ranges in pyproject.toml

PYTHON ?= python3
BIN := .venv/bin
UV := .tools/bin/uv
LOCKED := .venv/locked

.PHONY: demo test test-deep check format lock

demo: $(LOCKED)
	EMBEDDED=true STATE_DIR=var/demo $(BIN)/python manage.py demo $(ARGS)

test: $(LOCKED)
	$(BIN)/pytest $(ARGS)

test-deep: $(LOCKED)
	DEEP=1 $(BIN)/pytest tests/faults $(ARGS)

check: $(LOCKED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djade --check $$(git ls-files 'templates/*.html')
	EMBEDDED=true $(BIN)/python manage.py makemigrations --check --dry-run
	EMBEDDED=true $(BIN)/python manage.py check

format: $(LOCKED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/djade $$(git ls-files 'templates/*.html')

# The locked set, hashes checked. uv is only the faster of two ways to the same end.
$(LOCKED): requirements/development.txt
	$(PYTHON) -c 'import sys; sys.exit("ECR Portal needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(MAKE) --no-print-directory $(UV) || true
	if [ -x $(UV) ]; then \
		$(UV) pip sync --quiet --python $(BIN)/python --require-hashes $<; \
	else \
		$(BIN)/python -m pip install --quiet --require-hashes -r $<; \
	fi
	touch $@

$(UV):
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools uv

COMPILE = $(UV) pip compile pyproject.toml --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header
lock: $(UV)
	$(COMPILE) -o requirements/production.txt
	$(COMPILE) --all-extras -c requirements/production.txt -o requirements/development.txt
