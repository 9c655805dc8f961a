# `make demo` builds LeNet-5 for PyTorch and runs it; `make test` runs the tests. Each sets up what
# it needs in .venv, with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint verify search differential fuzz faults mutants benchmarks accuracy \
  generated setup browser clean

demo: $(VENV)/torch
	$(BIN)/archc build specs/lenet5.yaml --backend torch
	$(BIN)/archc report specs/lenet5.yaml
	$(BIN)/python generated/torch/lenet5.py

test: $(VENV)/dev browser
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/archc build specs/*.yaml --backend all --check
	$(BIN)/archc build specs/lenet5.yaml --backend all --training --check

# Every spec, in float64: ten minutes and 12 GiB.
verify: $(VENV)/dev
	set -e; for spec in specs/*.yaml; do $(BIN)/archc verify $$spec; done

# The property tests on examples drawn at random, other ones in every run.
search: $(VENV)/dev
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -n 2 -m hypothesis

# 10,000 random specs, 75 minutes on two cores. What came of them is in the record, seeds that it has
# are passed over: remove it to run all of them again.
differential: $(VENV)/dev
	$(BIN)/python -m tests.differential 0 10000 --record tests/differential/record.json

# 1,000,000 inputs of the fuzzers, half an hour on one core. What came of them is in the record,
# seeds that it has are skipped: remove it to run all of them again.
fuzz: $(VENV)/dev
	$(BIN)/python -m tests.fuzzing 0 1000000 --record tests/fuzzing/record.json

# Faults in the writing of files: at every call of the system, at random moments, on full disks, two
# builds at once. Half an hour on two cores; `python -m tests.files 17` runs every seventeenth.
faults: $(VENV)/dev
	$(BIN)/python -m tests.files

# 300 small faults put into archc, one at a time, each met by the tests of its room and then by the
# others: some hours on two cores. What came of them is in the record; those that it has are passed
# over.
mutants: $(VENV)/dev
	$(BIN)/python -m tests.mutation 300

benchmarks: $(VENV)/dev
	$(BIN)/python -m pytest tests/benchmarks -s

# The scripts of `build --training` against `archc train`, with augmentation: ten minutes.
accuracy: $(VENV)/dev
	$(BIN)/python -m tests.training.script.accuracy

generated: $(VENV)/dev
	$(BIN)/python -m archc.language.schema
	$(BIN)/archc build specs/*.yaml --backend all --force
	$(BIN)/archc build specs/lenet5.yaml --backend all --training --force

setup: $(VENV)/dev

# What is installed is noted in a file each, so that a later call installs nothing.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip

$(VENV)/torch: $(VENV)/bin/python constraints.txt pyproject.toml
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/dev: $(VENV)/torch
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps torchvision
	touch $@

# Pages are tested in Chromium. Where it cannot be installed like this, have one on the path;
# without one those tests are skipped.
browser:
	-command -v chromium || command -v google-chrome || { test "$$(id -u)" = 0 \
	  && apt-get update -qq && apt-get install -qq --no-install-recommends \
	  chromium fonts-dejavu-core; }

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
