# Everything a user or CI does. `make serve` and `make test` need nothing done before them.
#
#   make serve              set up, start the service, show one answer, keep serving   (PORT=8000, ARGS="…")
#   make test               set up, run every test that this machine can run
#   make ask Q="…"          ask a running service
#   make check              what must be clean before a commit: format, lint, types, fast tests
#   make native             compile what changed in the native core of grammar/ (setting up does it, too)
#   make native-asan        run grammar's tests under AddressSanitizer and UBSan       (ARGS="tests/grammar -k …")
#   make native-aarch64     compile the native core for 64-bit ARM
#   make fuzz               try hostile input on the native core, FUZZ_SECONDS=60 a language
#   make bench              measure the service against the bare engine                (ARGS="…")
#   make lock               resolve the dependencies anew
#
# CODEFUSION_TORCH_INDEX    an index with CPU builds of torch, where pip's own has only CUDA builds
# DEVICE=gpu                install vLLM for GPUs instead of the CPU build
# MODEL                     the model to fetch; default: the smallest

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
DEVICE ?= cpu
FUZZ_SECONDS ?= 60
MODEL ?= qwen2.5-coder-0.5b-instruct
BIN := .venv/bin
READY := .venv/.ready-$(DEVICE)
NATIVE := .venv/.native

.PHONY: setup environment native native-asan native-aarch64 fuzz serve ask test check lint bench lock clean

setup: environment
	@$(BIN)/python -m model_store fetch $(MODEL)

# A make of its own, which sees that $(READY) has just installed the core.
environment native: $(READY)
	@$(MAKE) -s $(NATIVE)

$(READY): requirements/$(DEVICE).lock requirements/torch.txt requirements/pip.txt pyproject.toml
	@$(PYTHON) scripts/environment.py --device $(DEVICE)
	@touch $@ $(NATIVE)

# Compiles only what changed. SKBUILD_CMAKE_DEFINE="CODEFUSION_LTO=OFF" is quicker; see CMakeLists.txt.
$(NATIVE): $(READY) CMakeLists.txt $(wildcard grammar/csrc/*.cpp grammar/csrc/*.h)
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

native-asan: environment
	@$(BIN)/python -m scripts.native asan $(ARGS)

native-aarch64: environment
	@$(BIN)/python -m scripts.native aarch64

fuzz: environment
	@$(BIN)/python -m scripts.native fuzz --seconds $(FUZZ_SECONDS)

serve: setup
	@$(BIN)/python -m scripts.serve --port $(PORT) -- --model $(MODEL) $(ARGS)

ask:
	@$(BIN)/python -m scripts.ask --port $(PORT) "$(Q)"

test: setup
	@$(BIN)/python -m scripts.typescript
	@$(BIN)/python -m pytest -m "not gpu" $(ARGS)

check: environment lint
	@$(BIN)/python -m pytest -q -m "not gpu and not model and not slow"

lint: environment
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/pyright

bench: setup
	@$(BIN)/python -m benchmarks $(ARGS)

lock: environment
	@requirements/lock.sh

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache
