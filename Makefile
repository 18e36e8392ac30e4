# The one door for commands. `make` alone tells what there is.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.PHONY: help run demo superuser test fuzz live chaos bench-polling chaos-limits bench-staff lint audit format check messages schema clean venv venv-dev

# The first of these that is really there (a name on the PATH may be an empty shim), is 3.11+ and can make a virtual
# environment; else the first that is 3.11+. `make PYTHON=/path/to/python3 ...` overrules it.
CANDIDATES := python3.13 python3.12 python3.11 python3
IS_NEW := import sys; assert sys.version_info >= (3, 11)
IS_WHOLE := $(IS_NEW); import venv, ensurepip
first_that = $(shell for p in $(CANDIDATES); do $$p -c '$($(1))' >/dev/null 2>&1 && echo $$p && break; done)
PYTHON ?= $(or $(call first_that,IS_WHOLE),$(call first_that,IS_NEW))
NO_PYTHON := Lumi needs Python 3.11 or newer, and none of $(CANDIDATES) is. Install one, or name it: make PYTHON=/path/to/python3.12 run
PY := .venv/bin/python
MANAGE := $(PY) manage.py
ROOMS := lumi providers gallery generation interactions
PROMPT ?= a small cat
OUT ?= out
REQUESTS ?= 200
KILLS ?= 500
ARGS ?=

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

run: venv ## serve Lumi on 127.0.0.1:$PORT (8000): nothing but Python needed
	@exec $(MANAGE) serve

demo: venv ## PROMPT="a small cat" OUT=out: the main job once, from the sentence to the model's files
	@exec $(MANAGE) demo "$$PROMPT" "$$OUT"
demo: export PROMPT := $(PROMPT)
demo: export OUT := $(OUT)

superuser: venv ## make an account for the admin
	@$(MANAGE) migrate -v 0 && exec $(MANAGE) createsuperuser

test: venv-dev ## the whole suite, on SQLite and on real MariaDB + Redis; ARGS="-k cat" goes to pytest
	@exec $(PY) -m tests.run $(ARGS)

chaos: venv-dev ## SEED= REQUESTS=200 KILLS=500: kill everything while it is used, then read the books; a seed replays
	@exec $(PY) -m tests.chaos.chaos $(if $(SEED),--seed $(SEED)) --requests $(REQUESTS) --kills $(KILLS) $(ARGS)

fuzz: venv-dev ## ARGS="--examples 500 --seed 7": strangers' data over the whole contract, on real processes
	@exec $(PY) -m tests.fuzz.fuzz $(ARGS)

live: venv-dev ## the providers' contract at the real vendors, with your keys: it spends money
	@LUMI_LIVE=1 exec $(PY) -m pytest tests/live -rs -s $(ARGS)

bench-polling: venv-dev ## ARGS="--jobs 5000 --seconds 60": 3D jobs in flight on one worker process, on both databases
	@exec $(PY) -m tests.chaos.bench_polling $(ARGS)

chaos-limits: venv-dev ## ARGS="--workers 8 --seconds 300": the providers' limits under many processes
	@exec $(PY) -m tests.chaos.bench_limits $(ARGS)

bench-staff: venv-dev ## ARGS="--models 100000": how long staff wait for every page of the admin, on MariaDB
	@exec $(PY) -m tests.bench.staff_lists $(ARGS)

lint: venv-dev ## ruff, and its format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

audit: venv-dev ## known holes in what Lumi stands on; asks the advisory database, so it needs the internet
	@$(PY) -m pip install -q pip-audit==2.10.1 && exec $(PY) -m pip_audit -r requirements.txt --no-deps --disable-pip

format: venv-dev ## put the code in ruff's format
	@$(PY) -m ruff check --fix --exit-zero .
	@$(PY) -m ruff format .

check: lint ## lint, types, arrows between rooms, holes, migrations, production settings
	@$(PY) -m mypy
	@.venv/bin/bandit -q -c pyproject.toml -r $(ROOMS) scripts
	@.venv/bin/lint-imports
	@$(MANAGE) makemigrations --check --dry-run
	@LUMI_SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(64))') LUMI_HTTPS=true LUMI_ADMIN_TOTP=true \
	 LUMI_ALLOWED_HOSTS=lumi.example.com EMAIL_URL=smtp://user:password@mail.example.com:587 $(MANAGE) check --deploy --fail-level WARNING

messages: venv-dev ## collect the sentences to translate, and compile the catalogues
	@$(PY) -m babel.messages.frontend -q extract -F pyproject.toml -k gettext_lazy -k ngettext_lazy:1,2 -k pgettext_lazy:1c,2 \
	 --no-location --no-wrap --sort-output --omit-header -o lumi/locale/django.pot $(ROOMS)
	@$(PY) -m babel.messages.frontend -q update -D django -i lumi/locale/django.pot -d lumi/locale --no-fuzzy-matching --no-wrap --ignore-pot-creation-date
	@$(PY) -m babel.messages.frontend -q compile -D django -d lumi/locale

schema: venv-dev ## write docs/openapi.yaml
	@$(MANAGE) spectacular --lang en --validate --fail-on-warn --file docs/openapi.yaml
	@echo "docs/openapi.yaml is written"

clean: ## remove .venv and caches; the data in var/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

define set_up
@python="$(PYTHON)"; test -n "$$python" || { echo "$(NO_PYTHON)"; exit 1; }; exec $$python scripts/setup.py
endef

venv:
	$(set_up)

venv-dev:
	$(set_up) --dev
