# The verbs of daily work; everything real is in CMake and scripts/. PRESET=release make test
PRESET ?= dev
JOBS ?= $(shell nproc)
CTEST = ctest --test-dir build/$(PRESET) -j $(JOBS) --output-on-failure

.PHONY: help build test fast cluster bench asan tsan fmt tidy docs quickstart ci clean

help:            ## this list
	@sed -n 's/^\([a-z]*\): .*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20
build:           ## configure and build (PRESET=dev|release|asan|tsan)
	scripts/build.sh $(PRESET)
test: build      ## all tests but benches
	$(CTEST) -LE '^bench$$'
fast: build      ## without clusters, benches and fuzzers: under a minute
	$(CTEST) -LE '^(cluster|bench|fuzz)$$'
cluster: build   ## tests with real processes
	$(CTEST) -L '^cluster$$'
bench:           ## the figures of the README, as ratios: 20 minutes, half of them waiting for false alarms
	scripts/build.sh release
	build/release/tests/bench/troupe_bench
asan:            ## tests under the address and undefined-behaviour sanitizers
	$(MAKE) test PRESET=asan
tsan:            ## plain libraries under the thread sanitizer
	scripts/build.sh tsan core_tests config_tests schedule_tests storage_tests hpo_tests gpu_tests comm_tests
	for name in core config schedule; do build/tsan/tests/runtime/$$name/$${name}_tests || exit 1; done
	for name in storage hpo gpu; do build/tsan/tests/$$name/$${name}_tests || exit 1; done
	build/tsan/tests/gpu/comm/comm_tests
fmt:             ## format in place
	scripts/format.sh
tidy:            ## clang-tidy over what changed
	scripts/tidy.sh
docs: build      ## run the console blocks of the documentation
	$(CTEST) -R '^docs\.'
quickstart:      ## from nothing to a result
	scripts/quickstart.sh
ci:              ## what CI runs
	scripts/test.sh
clean:           ## remove all builds
	rm -rf build
