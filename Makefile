# `make help` lists the targets. Caches live outside of this folder, in UNDERSTAGE_CACHE.
SHELL := /bin/bash
CACHE := $(or $(UNDERSTAGE_CACHE),$(HOME)/.cache/understage)
UV := $(or $(shell command -v uv),$(CACHE)/uv/bin/uv)
RUN := $(UV) run --frozen
# Tests and commands start hundreds of Python processes: each would have to compile all packages anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

$(CACHE)/uv/bin/uv:
	@echo "Fetching uv, once"
	@python3 -m venv $(CACHE)/uv || { echo "python3 cannot make virtual environments: install python3-venv"; exit 1; }
	@$(CACHE)/uv/bin/pip install --quiet uv

.PHONY: install
install: $(filter-out $(shell command -v uv),$(UV)) ## fetch the Python packages of the lock file
	@$(UV) sync --frozen --quiet --compile-bytecode

.PHONY: up
up: install ## the main job: run Understage with a stock Backstage page on http://localhost:7007
	@$(RUN) understage up

.PHONY: demo
demo: install ## up, connected to a real Kubernetes API server, Argo CD and Gitea (built on first use: about 25 minutes)
	@rm -rf .understage/demo && mkdir -p .understage/demo
	@APP_CONFIG_understage_dataDirectory=.understage/demo APP_CONFIG_backend_database_connection_directory=.understage/demo \
	$(RUN) python -m tests.cluster.demo --config-out .understage/demo/app-config.yaml -- \
	  .venv/bin/understage up --config app-config.yaml --config .understage/demo/app-config.yaml

# More workers than a small machine has cores: the tests of the bench mostly wait. Who gets what: tests/workers.py
WORKERS := 3

.PHONY: test
test: install ## all tests that this machine can run, by WORKERS=3 processes; the others say what they miss
	$(RUN) pytest -n $(WORKERS) --inline-snapshot=disable --durations=25

.PHONY: test-validate-5000
test-validate-5000: install ## validation and ingestion agree about 5 000 made-up files (`make test` looks at 300)
	@UNDERSTAGE_VALIDATION_FILES=5000 $(RUN) pytest -s tests/store/test_validation_agreement.py

.PHONY: test-again
test-again: install ## the tests that failed the last time
	@$(RUN) pytest --last-failed --last-failed-no-failures none

.PHONY: check
check: lint types contracts test ## everything that must hold before a commit

.PHONY: lint
lint: install ## ruff: rules and format
	$(RUN) ruff check
	$(RUN) ruff format --check

.PHONY: format
format: install ## ruff: mend what can be mended
	$(RUN) ruff check --fix
	$(RUN) ruff format

.PHONY: types
types: install ## mypy --strict
	$(RUN) mypy

.PHONY: contracts
contracts: install ## import-linter: who may import whom
	$(RUN) lint-imports

.PHONY: docs
docs: install ## write the reference pages that are made of code
	$(RUN) python -m tests.docs.pages

CHART_VERSION = $(shell sed -n 's/^version: //p' skeletons/charts/base-service/Chart.yaml)

.PHONY: chart
chart: install ## pack the chart base-service; push it with REGISTRY=oci://…, one of understage.helm.repositories (CONFIG=file)
	@grep -q '^## $(CHART_VERSION)$$' skeletons/charts/base-service/CHANGELOG.md || \
	  { echo "base-service $(CHART_VERSION) is not in its CHANGELOG.md: say there what is new"; exit 1; }
	@$(RUN) understage action run helm:package --workspace . $(addprefix --config ,$(CONFIG)) \
	  --set chart=skeletons/charts/base-service --set targetPath=dist
	@$(if $(REGISTRY),$(RUN) understage action run helm:push --workspace . $(addprefix --config ,$(CONFIG)) \
	  --set path=dist/base-service-$(CHART_VERSION).tgz --set repository=$(REGISTRY))

.PHONY: test-crash
test-crash: install ## kill workers at every commit and await: 200 kills on SQLite, 200 on PostgreSQL, 50 and more on Temporal; counts of effects
	@UNDERSTAGE_KILLS=$(or $(KILLS),230) $(RUN) pytest -s -q tests/crash/test_kills.py -k "not temporal"
	@UNDERSTAGE_KILLS=$(or $(KILLS),70) $(RUN) pytest -s -q tests/crash/test_kills.py -k temporal
	@UNDERSTAGE_OUTAGE_SECONDS=60 $(RUN) pytest -s -q tests/crash --ignore tests/crash/test_kills.py

.PHONY: mutants
mutants: install ## put some sixty faults into the catalog's wire code, one by one: a fast test must notice each; FROM=30 goes on, RULE="words of one"
	@$(RUN) python -m tests.contract.mutation $(addprefix --from ,$(FROM)) $(RULE)

.PHONY: schema
schema: install ## record what the migrations say to an empty database, after a new one
	@$(RUN) python -m tests.store.schema_record

.PHONY: test-plans
test-plans: install ## the query plans on PostgreSQL with 100 000 entities (the ordinary tests have 20 000)
	UNDERSTAGE_PLAN_ENTITIES=100000 $(RUN) pytest -q tests/store/test_hot_plans.py

.PHONY: plans
plans: install ## write the query plans that the tests expect, after a change that is meant
	UNDERSTAGE_RENEW_PLANS=1 $(RUN) pytest -q tests/store/test_hot_plans.py
	UNDERSTAGE_RENEW_PLANS=1 UNDERSTAGE_PLAN_ENTITIES=100000 $(RUN) pytest -q tests/store/test_hot_plans.py

# What is measured runs on the distribution's Python where it is new enough: that is built for speed, as the image's is. A Python
# that pyenv builds by its defaults is a quarter slower. Another one: BENCH_PYTHON=/path/to/python
BENCH_PYTHON := $(lastword $(wildcard /usr/bin/python3.1[1-9]))
BENCH := UV_PROJECT_ENVIRONMENT=$(CACHE)/venv-bench UV_COMPILE_BYTECODE=1 $(RUN) $(addprefix --python ,$(BENCH_PYTHON)) --group bench

.PHONY: bench
bench: install ## the stock backend and Understage on the same PostgreSQL and entities: docs/performance.md (half an hour)
	@$(BENCH) python -m tests.perf.bench --write $(OPTIONS)

.PHONY: bench-quick
bench-quick: install ## the same with 1 000 entities and few rounds, for those who optimise; OPTIONS="--only ours"
	@$(BENCH) python -m tests.perf.bench --quick $(OPTIONS)

.PHONY: bench-large
bench-large: install ## Understage alone with 10 000 and 100 000 entities, and how each figure grew: docs/performance.md
	@$(BENCH) python -m tests.perf.large --write $(OPTIONS)

.PHONY: bench-pages
bench-pages: install ## the stock catalog pages over 10 000 entities in Chromium: docs/performance.md
	@$(BENCH) python -m tests.perf.browser --write $(OPTIONS)

.PHONY: bench-tasks
bench-tasks: install ## tasks and 1 000 event streams, beside the stock scaffolder: docs/performance.md
	@$(BENCH) python -m tests.perf.tasks --write $(OPTIONS)

.PHONY: bench-templates
bench-templates: install ## renders of small templates a millisecond of processor time; fails below two
	@$(BENCH) python -m tests.perf.rendering

.PHONY: tools
tools: install ## build the bench's Go tools into the cache
	$(RUN) python -m tests.cluster.tools build

.PHONY: print-uv
print-uv:
	@echo $(UV)
