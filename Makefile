# Tayfa: type `make` for what there is. Everything is put together by runtime/setup/{setup,build}.sh; CI runs `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TAYFA_DEPS ?= $(CURDIR)/.deps
export TAYFA_DEPS
BUILD_DIR ?= build
SEEDS ?= 1000
FUZZ_SECONDS ?= 10
TEST_JOBS ?= 3

SETUP := runtime/setup/setup.sh
BUILD := runtime/setup/build.sh
TEST_ENV := runtime/setup/test_env.sh
PYTHON := $(TAYFA_DEPS)/venv/bin/python
FORMATTED = git ls-files '*.cpp' '*.hpp'
SANITIZED := ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1

.PHONY: help setup build product model run test storm fleet-storm sim bench fuzz sanitize format lint clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18
	@printf '\nTAYFA_DEPS=DIR  another place for what Debian does not package (default .deps)\nBUILD_DIR=DIR   another build folder (default build)      JOBS=N  compile jobs\nTAYFA_NO_TEST_VENV=1   no tests against programs from PyPI (RunPod SDK)\n'

setup: ## install the packages that Tayfa builds with (Debian 12), msgpack and libtorch
	@$(SETUP) --retry

build: ## build/tayfa, build/tayfa-engine and all tests
	@$(SETUP)
	@$(BUILD) $(BUILD_DIR)

product: ## build/tayfa and build/tayfa-engine, without tests
	@$(SETUP)
	@$(BUILD) $(BUILD_DIR) -- product

run: product ## show it: a pod starts, upscales a photo with a real model, stops
	@tests/demo/run_demo.py --build $(BUILD_DIR)

model:
	@tests/demo/run_demo.py --build $(BUILD_DIR) --model-only

test: build model ## build everything and run every test
	@$(TEST_ENV) $(BUILD_DIR)
	@ctest --test-dir $(BUILD_DIR) --output-on-failure --no-tests=error -j$(TEST_JOBS)

storm: build ## kill runtime and engines at random under 2,000 jobs; STORM_SEED chooses the seed
	@TAYFA_E2E_SLOW=1 TAYFA_E2E_BUILD="$$(realpath $(BUILD_DIR))" python3 -B tests/e2e/test_kill_storm.py slow_kill_storm

fleet-storm: build ## a head and three pods under faults of every kind with 10,000 jobs; STORM_SEED chooses the seed
	@TAYFA_E2E_SLOW=1 TAYFA_E2E_BUILD="$$(realpath $(BUILD_DIR))" python3 -B tests/e2e/test_fleet_storm.py slow_fleet_storm

sim: product ## simulate whole pods from SEEDS seeds (default 1000)
	@$(BUILD_DIR)/tayfa sim --seeds $(SEEDS)

bench: build model ## measure it on this machine (docs/benchmarks.md says how to read it)
	@$(SETUP) bench || printf 'bench: going on without the queues that are not installed\n'
	@$(TEST_ENV) $(BUILD_DIR) || printf 'bench: going on without RunPod'"'"'s worker\n'
	@$(TEST_ENV) $(BUILD_DIR) bench || printf 'bench: going on without Celery and Ray\n'
	@python3 -B tests/bench/bench.py --build $(BUILD_DIR) $(BENCH_ARGS)

fuzz: ## clang's libFuzzer with ASan and UBSan, FUZZ_SECONDS each (default 10)
	@$(SETUP) dev
	@CC=clang-16 CXX=clang++-16 $(BUILD) build-fuzz -DTAYFA_FUZZ=ON -DTAYFA_TESTS=OFF -- fuzz
	@runtime/setup/fuzz.sh build-fuzz $(FUZZ_SECONDS)

sanitize: ## every test under AddressSanitizer and UndefinedBehaviorSanitizer, in build-sanitize
	@$(SETUP)
	@$(BUILD) build-sanitize -DTAYFA_SANITIZE=address,undefined
	@$(TEST_ENV) build-sanitize
	@tests/demo/run_demo.py --build build-sanitize --model-only
	@$(SANITIZED) ctest --test-dir build-sanitize --output-on-failure --no-tests=error -j$(TEST_JOBS)

format: ## format every C++ file in the tree
	@$(SETUP) dev
	@$(FORMATTED) | xargs -r clang-format-16 -i

lint: ## check formatting; with TIDY=1 clang-tidy as well (minutes)
	@$(SETUP) dev
	@$(FORMATTED) | xargs -r clang-format-16 --dry-run -Werror
	@printf 'lint: %s C++ files are formatted\n' "$$($(FORMATTED) | wc -l)"
ifdef TIDY
	@$(BUILD) $(BUILD_DIR)
	@git ls-files '*.cpp' | xargs -r -P2 -n4 clang-tidy-16 --quiet -p $(BUILD_DIR)
endif

clean: ## remove what was built (.deps and data folders stay)
	@rm -rf build build-fuzz build-sanitize
