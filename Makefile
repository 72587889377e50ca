# `make demo` and `make test` set up whatever they need, say each step and skip what is in place.

PYTHON ?= python3
ARGS =

python := .venv/bin/python
pip := $(python) -m pip --disable-pip-version-check
sources := pyproject.toml CMakeLists.txt python/densenet/_version.py $(shell find src -name '*.[ch]pp')

# What is most likely to tell of a slip, of every promise, in half a minute on two processors.
some_tests := $(addprefix tests/, \
  kernels/test_kernels.py network/test_network.py \
  training/test_training.py training/test_train_step.py \
  files/test_serialization.py files/test_golden.py \
  tables/test_tables.py tables/test_commands.py \
  threads/test_same_bits.py::test_passes_are_bitwise_equal \
  threads/test_same_bits.py::test_an_epoch_is_bitwise_equal \
  threads/test_thread_limits.py threads/test_pace.py)

.PHONY: help demo test quick debug-core lint docs wheel bench bench-nets bench-predict \
  bench-estimators bench-many bench-ranks bench-curves bench-threads bench-equations peers clean
.NOTPARALLEL:

help:
	@echo "make demo              train on handwritten digits, in C++ and in NumPy, and compare the two"
	@echo "make test              run the tests"
	@echo "make quick             run some of each kind, in half a minute: after every edit"
	@echo "make debug-core        build a program that tests the C++ without Python, for debuggers"
	@echo "make lint              check style and types"
	@echo "make docs              build the pages: build/docs/html/index.html"
	@echo "make wheel             build a wheel that runs elsewhere, and test it where nothing is installed"
	@echo "make bench             check the kernels against the reference, then time both"
	@echo "make bench-nets        time training beside PyTorch, JAX and scikit-learn"
	@echo "make bench-predict     time predictions beside them"
	@echo "make bench-estimators  time whole fits beside scikit-learn's and the same work by hand"
	@echo "make bench-many        time many small networks by one call, by hand, by others"
	@echo "make bench-ranks       time one training by many processes beside one and PyTorch's"
	@echo "make bench-curves      time training by batch, width, depth and threads"
	@echo "make bench-threads     compare more threads with one"
	@echo "make bench-equations   time the NumPy lines of docs/equations.md beside the C++"
	@echo "make peers             install PyTorch, JAX and scikit-learn for bench-nets: gigabytes"
	@echo "make clean             remove all that these commands made"
	@echo
	@echo "ARGS is handed on:                  make test ARGS='-k adam'"
	@echo "PYTHON makes the environment:       make demo PYTHON=python3.12"

demo: .venv/.demo
	@echo "==> Running the demo"
	@$(python) -m densenet demo $(ARGS)

test: .venv/.test
	@echo "==> Running the tests"
	@$(python) -m pytest $(ARGS)

quick: .venv/.test
	@echo "==> Running some tests of each kind"
	@$(python) -m pytest -q -p no:hypothesispytest $(some_tests) $(ARGS)

debug-core: .venv/.tools
	@echo "==> Building a program that tests the core"
	@PATH="$$PWD/.venv/bin:$$PATH" cmake -S . -B build/core-debug -G Ninja --log-level=WARNING \
	  -DCMAKE_BUILD_TYPE=Debug -DDENSENET_BUILD_TESTS=ON -DPython_EXECUTABLE="$$PWD/$(python)" \
	  -Dpybind11_DIR="$$($(python) -m pybind11 --cmakedir)" $(ARGS)
	@PATH="$$PWD/.venv/bin:$$PATH" cmake --build build/core-debug --target core_tests
	@echo "==> Enter it with: gdb --args build/core-debug/tests/core/core_tests"

lint: .venv/.lint
	@echo "==> Checking style and types"
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/clang-format --dry-run -Werror $$(find src tests -name '*.[ch]pp')
	.venv/bin/mypy
	.venv/bin/mypy bench/*.py docs/imports.py docs/normal.py

docs: .venv/.docs
	@echo "==> Building the pages"
	@$(python) -m sphinx --fail-on-warning --keep-going --quiet docs build/docs/html $(ARGS)
	@echo "They begin at build/docs/html/index.html"

wheel: .venv/.tools
	@.ci/wheel $(ARGS)

bench bench-nets bench-predict bench-estimators bench-many bench-ranks bench-curves bench-threads bench-equations: .venv/.test
	@echo "==> Running the benchmark"
	@$(python) bench/$(@:bench-%=%).py $(ARGS)

peers: .venv/.test
	@echo "==> Installing the peers of the benchmark"
	@$(pip) install --upgrade 'pip>=25.1'
	@$(pip) install --group peers

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache

# ---- set-up: each step leaves a stamp ----------------------------------------------------------

# The packages of the extra that the stamp is named after.
.venv/.%: pyproject.toml | .venv/.built
	@echo "==> Installing the Python packages for: $*"
	@$(pip) install --no-build-isolation --editable '.[$*]'
	@touch $@

# Without build isolation the headers stay where they are, so only what changed is compiled again.
.venv/.built: $(sources) | .venv/.tools
	@echo "==> Compiling densenet, which takes a few minutes the first time"
	@$(pip) uninstall --yes -qq densenet # an older name of densenet-cpu, with the same files
	@$(pip) install --no-build-isolation --no-deps --editable .
	@touch $@

.venv/.tools:
	@PYTHON='$(PYTHON)' .ci/system
	@echo "==> Creating the Python environment .venv"
	@$(PYTHON) -m venv --clear .venv
	@echo "==> Installing the build tools"
	@$(pip) install scikit-build-core pybind11 cmake ninja
	@touch $@
