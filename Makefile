# Everything a user or CI runs; `make` alone lists it.
PYTHON ?= python3
CARGO ?= cargo
SPATIA = $(or $(CARGO_TARGET_DIR),target)/release/spatia

# Cargo reads .cargo/config.toml for these. They stand here for what that file cannot know:
# one .deps for several clones, and a libtorch of the user's own by a relative path.
DEPS := $(abspath $(or $(SPATIA_DEPS),.deps))
ifdef SPATIA_DEPS
export LIBTORCH ?= $(DEPS)/python/torch
export LIBTORCH_LIB ?= $(DEPS)/link
export CMAKE ?= $(DEPS)/python/cmake/data/bin/cmake
endif
ifneq ($(LIBTORCH),)
override LIBTORCH := $(abspath $(LIBTORCH))
export LIBTORCH
endif

.PHONY: help setup build demo test check bench fuzz docs clean-deps test-setup

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup:  ## libtorch and cmake into .deps (CUDA=1: with the CUDA libraries; LIBTORCH=DIR: with your own)
	@$(call setup,$(if $(filter 1,$(CUDA)),--cuda))

build: setup  ## the binary
	$(CARGO) build --release

demo: build  ## train on synthetic tissue, results in outputs/
	$(SPATIA) run scripts/train_synthetic.rhai --device auto --seed 42 --output outputs

test: test-setup  ## all tests (PYTHON_TESTS=0: without those that need Python packages)
	$(test_env) $(CARGO) test --release

check: setup  ## format and lints, also of the library without its default features
	$(CARGO) fmt --check
	$(CARGO) clippy --release --all-targets -- -D warnings
	$(CARGO) clippy --release --no-default-features --lib -- -D warnings

bench: build test-setup  ## seconds beside the PyTorch peer, scanpy and other kernels, memory, interrupts (PEER=FILE: gvae_pyg.py; DATA=DIR)
	$(DEPS)/venv/bin/python benches/epoch.py $(SPATIA) $(or $(PEER),../shared/peers/gvae_pyg.py)
	$(DEPS)/venv/bin/python benches/pipeline.py $(SPATIA) $(or $(DATA),../shared/data)
	$(DEPS)/venv/bin/python benches/lean.py $(SPATIA) $(LEAN)
	$(DEPS)/venv/bin/python benches/kernel.py $(SPATIA)
	$(DEPS)/venv/bin/python benches/interrupt.py $(SPATIA)

fuzz:  ## broken files against every reader (FUZZ="--format loom --cases 1000 --seed 2")
	$(CARGO) bench --bench fuzz -- --keep "$(abspath target/fuzz)" $(FUZZ)

docs: build  ## docs/reference.md from the binary
	$(SPATIA) docs reference > docs/reference.md.new
	mv docs/reference.md.new docs/reference.md

clean-deps:  ## remove what setup made; downloads stay in ~/.cache/spatia
	rm -rf $(foreach part,python link venv,"$(DEPS)/$(part)")

ifeq ($(PYTHON_TESTS),0)
test-setup: setup
else
test_env = SPATIA_TEST_PYTHON="$(DEPS)/venv/bin/python" SPATIA_REQUIRE_PYTHON=1
test-setup:
	@$(call setup,--tests $(if $(filter 1,$(CUDA)),--cuda))
endif

define setup
command -v $(PYTHON) >/dev/null || { echo "spatia needs Python 3.10 or newer with pip, and this machine lacks $(PYTHON); on Debian: apt install python3 python3-pip"; exit 1; }; \
$(PYTHON) tools/setup $(1)
endef
