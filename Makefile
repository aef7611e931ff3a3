# The commands of the book. Each makes .venv by itself; nothing else is needed but Python 3.11+ (and uv, if it is there).
#
#   make run CHAPTER=pix2pix PROFILE=fast SEED=0                     run one chapter; says where the results are
#   make test                                                        every test
#   make help                                                        the others

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CHAPTER ?= pix2pix
PROFILE ?= $(or $(I2I_PROFILE),fast)
SOURCE ?=
SEED ?= 0
# Optional: PART="world memory", STEPS=100, SET="lambda_pixel=10 patch_layers=1", OUT=folder, RESUME=1, FORCE=1, CHAPTERS="pix2pix", PYTEST="-k unet", WORKERS=1, PORT=8000
STEPS ?=
SET ?=
RESUME ?=
FORCE :=
OUT ?=
PYTEST ?=
WORKERS ?= auto
PART ?=
PORT ?= 8000
PYTHON ?= python3

BIN := .venv/bin
READY := .venv/.installed
TUTOR := $(BIN)/i2i-tutor
NOTEBOOKS := $(BIN)/python tools/notebooks.py
CHAPTERS ?= $(patsubst chapters/%.py,%,$(wildcard chapters/[0-9]*.py))

# ---------------------------------------------------------------------------------------------------- environment

$(READY): pyproject.toml constraints.txt
	@if command -v uv > /dev/null; then \
		[ -x $(BIN)/python ] || uv venv --quiet .venv; \
		uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[test]'; \
	else \
		[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv; \
		$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'; \
	fi
	@touch $@

.PHONY: venv
venv: $(READY)  ## make .venv (every other command does so by itself)

# What belongs to one platform (CUDA's libraries and Triton, which torch pins itself) stays out.
.PHONY: constraints
constraints: $(READY)  ## write constraints.txt from what is installed
	@if command -v uv > /dev/null; then uv pip freeze --python $(BIN)/python; else $(BIN)/pip freeze; fi \
		| grep -E '^[A-Za-z0-9._-]+==' | grep -vEi '^(nvidia|cuda|triton|i2i.tutor)' \
		| sed 's/+.*//' | LC_ALL=C sort -f > constraints.txt.part
	@mv constraints.txt.part constraints.txt && touch $(READY)
	@echo "constraints.txt: $$(wc -l < constraints.txt) pins"

# ------------------------------------------------------------------------------------------------------- chapters

.PHONY: run
run: $(READY)  ## run one chapter and say where its results are
	$(TUTOR) run $(CHAPTER) --profile $(PROFILE) --seed $(SEED) \
		$(if $(SOURCE),--source $(SOURCE)) $(if $(STEPS),--steps $(STEPS)) $(foreach pair,$(SET),--set $(pair)) $(if $(OUT),--out $(OUT)) \
		$(if $(RESUME),--resume) $(if $(FORCE),--force)

.PHONY: sweep
sweep: $(READY)  ## run a chapter's wide grid (hours); writes book/results/CHAPTER.json
	$(TUTOR) batch --grid book/sweeps/$(CHAPTER).yml --out runs/sweeps/$(CHAPTER)
	$(TUTOR) collect runs/sweeps/$(CHAPTER) --to book/results/$(CHAPTER).json

.PHONY: claims
claims: $(READY)  ## judge every claim: all chapters, fast, seeds 0-2
	$(TUTOR) batch $(CHAPTERS) --profile fast --seeds 0-2 --out runs/claims
	$(TUTOR) collect runs/claims --to book/results/claims.json
	$(TUTOR) claims runs/claims

# ------------------------------------------------------------------------------------------------------- the book

.PHONY: notebooks
notebooks: $(READY)  ## write every .ipynb from its .py
	$(NOTEBOOKS)

.PHONY: expected
expected: $(READY)  ## write tests/book/expected from a run at smoke (look at the difference before committing it)
	$(BIN)/python tools/expected.py

.PHONY: book
book: $(READY)  ## build the site into _build/html (PROFILE=smoke for a quick one)
	I2I_PROFILE=$(PROFILE) $(BIN)/jupyter-book build . --warningiserror --nitpick --keep-going
	@echo "The book: _build/html/index.html"

.PHONY: serve
serve: $(READY)  ## serve the built site on this machine only (PORT=8000)
	@[ -f _build/html/index.html ] || $(MAKE) book
	@echo "http://127.0.0.1:$(PORT)/ (Ctrl-C stops)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

.PHONY: course
course: $(READY)  ## write the assignments for nbgrader into course/ (release/ is for students)
	$(TUTOR) assignment release --out course

.PHONY: costs
costs: $(READY)  ## minutes and memory of every chapter at smoke and of the assignments, for the instructors' page
	$(BIN)/python benchmarks/costs.py --assignments --profile smoke $(CHAPTERS)

.PHONY: costs-paper
costs-paper: $(READY)  ## time and memory of a step of every chapter's training at paper (minutes; some 20 GB)
	$(BIN)/python benchmarks/costs.py --profile paper $(CHAPTERS)

# ------------------------------------------------------------------------------------------------------- checking

.PHONY: lint
lint: $(READY)  ## style, types, order of imports, stale notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(NOTEBOOKS) --check

.PHONY: test
test: $(READY)  ## every test except the long ones (those are make soak)
	$(BIN)/pytest -m "not soak" --numprocesses $(WORKERS) --dist loadfile --durations=8 $(PYTEST)

# "auto" takes bf16 if the processor multiplies it natively: the same tests must hold on machines that decide otherwise.
OTHER_PRECISION = import torch; from i2i_tutor.training import has_native_bf16 as native; \
	print("fp32" if native(torch.device("cpu")) else "bf16")

# Chapter 1 alone leaves the choice to the machine; the others state the precision of their trainings.
.PHONY: test-other-precision
test-other-precision: $(READY)  ## the tests of training and methods, and chapter 1, in the arithmetic that this machine would not choose
	I2I_PRECISION=$$($(BIN)/python -c '$(OTHER_PRECISION)') $(BIN)/pytest -m "not soak" --numprocesses $(WORKERS) \
		--dist loadfile $(PYTEST) tests/training tests/methods \
		'tests/book/test_execution.py::test_a_chapter_prints_what_was_looked_at_and_leaves_its_results[01_pix2pix]'

.PHONY: soak
soak: $(READY)  ## the long tests, and a cold book at fast
	$(BIN)/pytest -m soak $(PYTEST)
	rm -rf _build
	$(MAKE) book PROFILE=fast

.PHONY: bench
bench: $(READY)  ## speed and memory of this machine, into book/results/bench.json (minutes; PART="steps" for one part)
	$(BIN)/python benchmarks/bench.py $(foreach part,$(PART),--part $(part))

.PHONY: clean
clean:  ## remove what was built (not .venv, not runs/)
	rm -rf _build build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.PHONY: help
help:
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24
