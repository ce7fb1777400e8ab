# The menu: `make help`. The build itself is CMake's (CMakeLists.txt, CMakePresets.json); this only names what people do.
# `make demo` and `make test` each install what is missing and work alone on a fresh Debian machine.

PRESET ?= release
WERROR ?= ON
JOBS   ?= $(shell nproc)
BIN     = $(CURDIR)/build/$(PRESET)/bin

# How much `make test` does; it takes about 30 minutes on two cores with these, and must stay below 38 (.ci/run).
SIM_SEED     ?= 1
SIM_RUNS     ?= 20
SIM_SECONDS  ?= 60
FUZZ_SECONDS ?= 1
MUTANT_KILL  ?= 120
export SIM_SEED SIM_RUNS SIM_SECONDS FUZZ_SECONDS MUTANT_KILL

CTEST = ctest --no-tests=error --output-on-failure -j $(JOBS) --test-dir build
# Thread sanitizer wants the address space where it was in older kernels; not every container lets us ask for that.
PLAIN_ADDRESSES = $$(setarch -R true 2>/dev/null && echo setarch -R)
LIMITS_OF_SANITIZERS = \
	ASAN_OPTIONS="$${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}" \
	UBSAN_OPTIONS="$${UBSAN_OPTIONS:-print_stacktrace=1}" \
	TSAN_OPTIONS="$${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}"

.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: help build deps demo soak test test-unit test-asan test-tsan test-fuzz test-sim test-mutants test-explorer \
	test-scenario test-e2e test-install test-symbols test-rest-of-release sim fuzz bench bench-gate tcb check-symbols \
	format check-format coverage install clean

help: ## this list
	@echo "Redoubt. PRESET=release|release-clang|debug|asan|tsan|fuzz|coverage picks a build, WERROR=OFF tolerates warnings."
	@awk -F ':.*## ' '/^[a-z0-9-]+( [a-z-]+)?:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build it (build/$(PRESET)/bin)
	@mkdir -p build
	@cmake --preset $(PRESET) -DREDOUBT_WERROR=$(WERROR) >build/configure-$(PRESET).log 2>&1 || \
		{ cat build/configure-$(PRESET).log; exit 1; }
	@cmake --build --preset $(PRESET) -j $(JOBS) $(if $(TARGETS),--target $(TARGETS))

deps: ## install the Debian packages that are missing
	@tools/install-deps

demo: deps build ## a cluster, a killed replica, a lying replica, and right answers (PROTOCOL=hybster: the other cluster)
	@case "$(PROTOCOL)" in ""|splitbft) REDOUBT_BIN=$(BIN) tools/demo.sh ;; hybster) REDOUBT_BIN=$(BIN) tools/demo-hybster.sh ;; \
		*) echo "make demo PROTOCOL=$(PROTOCOL): there is splitbft (as without PROTOCOL) and hybster" >&2; exit 2 ;; esac

test: ## everything below that starts with test-, and more: what CI runs
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory test-symbols
	@$(MAKE) --no-print-directory tcb
	@$(MAKE) --no-print-directory test-asan
	@$(MAKE) --no-print-directory test-tsan
	@$(MAKE) --no-print-directory test-fuzz
	@$(MAKE) --no-print-directory test-install
	@$(MAKE) --no-print-directory test-rest-of-release

# What the others have not run yet. (The fuzz targets on pseudo-random input are for who has no clang: ctest -L fuzz.)
test-rest-of-release: build
	@$(CTEST)/$(PRESET) -LE '^(unit|paper|fuzz|symbols)$$'

test-unit: build ## unit and paper tests
	@$(CTEST)/$(PRESET) -L '^(unit|paper)$$'

test-asan: ## unit and paper tests under address and undefined-behaviour sanitizers (as test-fuzz is)
	@$(MAKE) --no-print-directory build PRESET=asan TARGETS="tests_unit tests_paper"
	@$(LIMITS_OF_SANITIZERS) $(CTEST)/asan -L '^(unit|paper)$$'

test-tsan: ## unit tests of what has threads under the thread sanitizer
	@$(MAKE) --no-print-directory build PRESET=tsan TARGETS=tests_threads
	@$(LIMITS_OF_SANITIZERS) $(PLAIN_ADDRESSES) $(CTEST)/tsan -L '^threads$$'

test-fuzz: ## every fuzz target for FUZZ_SECONDS (1)
	@$(MAKE) --no-print-directory build PRESET=fuzz TARGETS=tests_fuzz
	@tools/run-fuzz

test-scenario: build ## golden traces
	@$(CTEST)/$(PRESET) -L '^scenario$$'

test-sim: build ## SIM_RUNS (20) seeds of the simulator for each protocol
	@$(CTEST)/$(PRESET) -L '^sim$$'

test-mutants: build ## every seeded bug of the simulator is found
	@$(CTEST)/$(PRESET) -V -L '^mutants$$'

test-explorer: build ## the view change alone, exhaustively for small bounds, and its mutants
	@$(CTEST)/$(PRESET) -L '^explorer$$'

test-e2e: build ## whole clusters and real clients
	@$(CTEST)/$(PRESET) -L '^e2e$$'

test-install: build ## install to a folder of its own and build examples/ against that
	@tools/check-install build/$(PRESET)

check-symbols: test-symbols
test-symbols: build ## trusted code calls nothing that it should not
	@$(CTEST)/$(PRESET) -L '^symbols$$'

sim: build ## one simulation, with PROTOCOL, SIM_SEED, SIM_RUNS, SIM_SECONDS, SIM_FAULTS
	@REDOUBT_BIN=$(BIN) tools/run-sim $${PROTOCOL:-splitbft}

fuzz: ## fuzz every target for ten minutes (FUZZ_SECONDS=600)
	@$(MAKE) --no-print-directory test-fuzz FUZZ_SECONDS=$(if $(filter command line environment,$(origin FUZZ_SECONDS)),$(FUZZ_SECONDS),600)

soak: build ## wear clusters down for MINUTES (10), in memory and on disk, and check every answer
	@tools/soak $(BIN) --minutes $$(awk "BEGIN { print $${MINUTES:-10} / 2 }") --faults pause,kill -- --durability memory
	@tools/soak $(BIN) --minutes $$(awk "BEGIN { print $${MINUTES:-10} / 2 }") --faults pause,kill,wipe,replace,resize,power -- --durability sync

bench: build ## a table of the promised figures, measured here
	@tools/bench

bench-gate: ## HEAD against its parent; fails below 0.9
	@tools/bench-gate

tcb: build ## files and lines of each compartment binary, from the linker's map
	@tools/tcb build/$(PRESET)

C_FILES = $(shell find include trusted protocol apps host cmd sim test examples -name '*.[ch]' 2>/dev/null)

format: ## lay the code out
	@tools/install-deps format
	@clang-format -i $(C_FILES)

check-format: ## is it laid out?
	@tools/install-deps format
	@clang-format --dry-run --Werror $(C_FILES)

coverage: ## line coverage of unit and paper tests
	@tools/install-deps coverage
	@$(MAKE) --no-print-directory build PRESET=coverage
	@tools/coverage

install: build ## install to PREFIX (/usr/local); DESTDIR is heeded
	@cmake --install build/$(PRESET) --prefix $${PREFIX:-/usr/local}

clean: ## remove everything that was built
	@rm -rf build
