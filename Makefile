# Each target installs what it needs; a second run installs nothing again.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where the environment forbids bytecode, each process would compile the code again.
export PYTHONDONTWRITEBYTECODE :=
# Many tests wait, so there are two more processes than cores, and at most one for each 2.5 GB of memory.
TEST_PROCESSES ?= $(shell awk -v cores=$$(nproc) '/MemTotal/ {n = int($$2 / 2500000); print n < 2 ? 2 : n < cores + 2 ? n : cores + 2}' /proc/meminfo)
# The goal that runs the tests, if there is one.
WITH_TESTS := $(filter test test-all,$(MAKECMDGOALS))
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

setup: ## virtual environment with everything pinned (runs by itself before the others)
	@CLIENTS=$(WITH_TESTS) PYTHON=$(PYTHON) deploy/setup.sh $(VENV)

demo: setup ## start everything, generate a text- and an image-to-video, save the MP4s under demo/
	@$(BIN)/easyanimate demo --output demo

serve: setup ## start everything and keep it running: API, keeper, worker, Redis, storage
	@$(BIN)/easyanimate up

test: setup ## the tests but the slow ones, in two processes more than cores, since many wait (TEST_PROCESSES=2)
	$(call run-tests,-m "not slow")

test-all: setup ## all tests, about twice as long
	$(call run-tests)

# The clients of other projects are installed meanwhile. One thread in each process.
define run-tests
	@tests/browser/chromium.sh
	@tests/programs.sh
	@$(BIN)/python tests/clients/environments.py & \
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup --no-loadscope-reorder --durations=10 $(1) $(PYTEST_ARGS); \
	code=$$?; wait; exit $$code
endef

docs: setup ## the documentation as a site, in site/; a broken link is an error
	@PYTHON=$(PYTHON) deploy/docs.sh $(VENV)

check: setup ## format, lint, types, import contracts, unsafe calls, secrets, links in the docs; `make check test` runs each test once
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	$(if $(WITH_TESTS),@{ $(BIN)/python tests/clients/environments.py; $(BIN)/python -m pytest --collect-only -q >/dev/null 2>&1; } & # mypy leaves a core idle: the bytecode of the tests is written once)
	@PYTHON=$(PYTHON) deploy/docs.sh $(VENV) & docs=$$!; \
	$(BIN)/lint-imports & linter=$$!; \
	$(BIN)/bandit -q -c pyproject.toml -r service jobs worker cli clients/python/easyanimate_client & bandit=$$!; \
	$(BIN)/python -m deploy.secret_scan & secrets=$$!; \
	$(BIN)/mypy; code=$$?; wait $$docs && wait $$linter && wait $$bandit && wait $$secrets && exit $$code
	$(if $(WITH_TESTS),,@$(BIN)/python -m pytest -q tests/contracts)

fix: setup ## format and repair what can be repaired by machine
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

dashboards: setup ## the dashboards of Grafana as JSON, from deploy/observability/dashboards
	@$(BIN)/python -m deploy.observability.dashboards

faults: setup ## inject each fault in each phase and measure recovery; writes docs/explanation/reliability.md (SEED=7, MINUTES=25 for a part)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults tour --seed $(or $(SEED),7) $(if $(MINUTES),--minutes $(MINUTES))
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults recovery --seed $(or $(SEED),7)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults figures --seed $(or $(SEED),7)

soak: setup ## 500 small jobs while processes are killed at random; writes docs/explanation/reliability.md (SEED=7)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults soak --seed $(or $(SEED),7)

upgrade-test: setup ## replace API, keeper and worker of a release by those of this commit, in each order (RELEASE=v0.2.0)
	@$(BIN)/python -m tests.upgrades --release $(or $(RELEASE),v0.2.0) --current $(or $(CURRENT),HEAD) --orders $(or $(ORDERS),6)

pollers: setup ## 1,000 clients poll through nginx for 3 minutes, none may lose a request (URL=https://… KEY=…: yours)
	@tests/programs.sh
	@$(BIN)/python -m tests.pollers $(if $(URL),--url $(URL) --key $(KEY))

mutants: setup ## change the code in small ways and count what no test notices (6 h; SUBJECTS="queue", SURVIVORS=yes)
	@$$($(BIN)/python tests/clients/environments.py cosmic-ray)/bin/python -m tests.mutants $(SUBJECTS) $(if $(SURVIVORS),--survivors)

fuzz: setup ## read 10,000 damaged images and videos as the front end does (SEED=7, COUNT=10000)
	@$(BIN)/python -m tests.media_fuzz --seed $(or $(SEED),7) --count $(or $(COUNT),10000)
	@$(BIN)/python -m tests.unit.media.video.damaged_videos $(or $(COUNT),10000)

bench: setup ## speed, as ratios measured side by side in one run
	@$(BIN)/python -m benchmarks

bench-gpu: setup ## speed and memory of the published size with random weights on a GPU, in ten minutes (OUTPUT=benchmark-gpu.json)
	@$(BIN)/python -m benchmarks.gpu --output $(or $(OUTPUT),benchmark-gpu.json)

capacity: setup ## simulate 1 to 1,000 workers; tables and picture of docs/operations/scaling.md (SECONDS_PER_VIDEO=60)
	@$(BIN)/python -m benchmarks.capacity --run-s $(or $(SECONDS_PER_VIDEO),60)

capacity-test: setup ## 200 workers without a model at a real Redis and API; table of docs/operations/scaling.md (WORKERS=200, JOBS=400)
	@$(BIN)/python -m benchmarks.capacity.load_test --workers $(or $(WORKERS),200) --jobs $(or $(JOBS),400)
	@$(BIN)/python -m benchmarks.capacity.costs

drift: setup ## brightness, contrast, sharpness and colour over 200 windows and 50 extensions, small model (can be interrupted)
	@$(BIN)/python -m benchmarks.drift $(DRIFT_ARGS)
	@$(BIN)/python -m benchmarks.drift.scenes

rehearsal: setup ## a model of the published size with random weights, from file to frames (45 GB, about an hour)
	@$(BIN)/easyanimate models rehearse --yes --output rehearsal

evaluate: setup ## generate 200 held-out captions with the small model; tables and contact sheets under evaluation/
	@OMP_NUM_THREADS=1 $(BIN)/easyanimate evaluate --captions 200 --workers 2 --output evaluation

snapshot: ## renew the snapshot of the OpenAPI document, after the API has changed
	@$(BIN)/python -m tests.integration.service.openapi.snapshot

clients: setup ## write the generated files of both clients, after the API or the asynchronous client has changed
	@$(BIN)/python -m clients.generator

reference: setup ## write the generated pages of docs/reference, after API, settings, errors or commands have changed
	@$(BIN)/python docs/reference/generate.py

lock: ## pin all requirements anew (needs uv)
	@UV=$(UV) deploy/lock.sh

audit: setup ## known vulnerabilities of the pinned requirements, by pip-audit; needs pypi.org, and says if nothing was checked
	@deploy/audit.sh $(VENV)

lowest: ## install the lowest versions that pyproject.toml allows, and import every module (TORCH=2.13.0)
	@PYTHON=$(PYTHON) TORCH=$(TORCH) deploy/lowest.sh

.PHONY: help setup demo serve test test-all docs check fix faults soak upgrade-test pollers mutants fuzz bench bench-gpu drift rehearsal evaluate snapshot clients reference lock audit lowest capacity capacity-test
