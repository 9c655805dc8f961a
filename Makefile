# `make demo` builds LeNet-5 for both frameworks and runs it, and `make shell` opens a shell where
# `archc` is a command; `make test` runs the tests. Each sets up what it needs in .venv, with the
# versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The specs whose emitted files are kept in generated/; the others are built by tests alone.
KEPT := alexnet alexnet_torchvision alexnet_ungrouped bert_base char_lstm convnext_tiny \
  densenet121 efficientnet_b0 googlenet gpt2 lenet5 lenet5_1998 mobilenet_v2 mobilenet_v3_large \
  resnet18 resnet50 resnext50_32x4d squeezenet1_1 swin_t unet vgg11 vgg11_bn vgg13 vgg13_bn vgg16 \
  vgg16_bn vgg19 vgg19_bn vgg_c vit_b_16 yolov8n
KEPT_SPECS := $(KEPT:%=specs/%.yaml)

.PHONY: demo shell test lint verify witness zoo search differential fuzz faults mutants imports benchmarks \
  accuracy generated docs docs-test pictures setup browser clean

demo: $(VENV)/cpu
	$(BIN)/archc build specs/lenet5.yaml --backend all
	$(BIN)/archc report specs/lenet5.yaml
	$(BIN)/python generated/torch/lenet5.py
	$(BIN)/archc verify specs/lenet5.yaml
	@echo
	@echo "Next: \`make shell\`, or \`. $(BIN)/activate\` in yours, and then \`archc --help\`"

shell: $(VENV)/cpu
	@PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)" $${SHELL:-sh}

test: $(VENV)/dev browser
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/archc validate specs/*.yaml
	$(BIN)/archc build $(KEPT_SPECS) --backend all --check
	$(BIN)/archc build specs/lenet5.yaml --backend all --training --check

# Every network of generated/ in float64, but three that take more memory, which the tests compare
# in smaller sizes: half an hour and 12 GiB.
verify: $(VENV)/dev
	set -e; for name in $(filter-out bert_base gpt2 unet,$(KEPT)); do \
	  $(BIN)/archc verify specs/$$name.yaml; done

# The third witness: networks of generated/ on ONNX too, whose reference evaluator takes minutes for
# some, and 2,000 random specs, an hour on one core. Seeds that are in the record are not run again.
witness: $(VENV)/dev
	set -e; for name in $(filter-out bert_base gpt2 unet,$(KEPT)); do \
	  $(BIN)/archc verify specs/$$name.yaml --backends torch,onnx; done
	$(BIN)/python -m tests.differential 0 2000 --backends torch,onnx \
	  --record tests/differential/record_onnx.json

# The property tests on examples drawn at random, other ones in every run.
search: $(VENV)/dev
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -n 2 -m hypothesis

# Every network of specs/ beside torchvision's, Keras' or Transformers' own: an hour or two, and 12
# GiB. What came of them is in the record; those that have not changed since are not run again.
zoo: $(VENV)/dev
	$(BIN)/python -m tests.zoo

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

# The nine models of the onnx package, imported: the values of all their layers, and each attribute of
# each node changed. Every spec, and 1,000 random ones, as ONNX files and back. Half an hour; what came
# of it is kept in tests/importers/record.json. Then the models of keras.applications, and
# torchvision's classifiers by torch.export.
imports: $(VENV)/dev
	$(BIN)/python -m tests.importers
	$(BIN)/python -m tests.importers.keras
	$(BIN)/python -m tests.importers.torch_export

# Times and memory, beside a floor and beside what one would use in place of archc, into the table of
# tests/benchmarks/README.md: three quarters of an hour on two cores with nothing else to do. With
# PART="floor" or PART="network and torch" only tests of these names; "growth" takes hours.
PART := not growth or repeated
benchmarks: $(VENV)/benchmarks
	$(BIN)/python -m pytest tests/benchmarks -s -k "$(PART)"

# The scripts of `build --training` against `archc train`, with augmentation: ten minutes.
accuracy: $(VENV)/dev
	$(BIN)/python -m tests.training.script.accuracy

generated: $(VENV)/dev
	$(BIN)/python -m archc.language.schema
	$(BIN)/archc build $(KEPT_SPECS) --backend all --force --prune
	$(BIN)/archc build specs/lenet5.yaml --backend all --training --force

# The pages of docs/ and what is derived of archc, as static files in build/docs/html: two minutes on two cores.
# With NETWORKS="lenet5 vgg16" the zoo has only these.
docs: $(VENV)/docs
	rm -rf build/docs
	$(BIN)/python -m docs.generate build/docs/source $(NETWORKS)
	$(BIN)/python -m sphinx -W --keep-going -q -j auto -c docs -d build/docs/doctrees \
	  build/docs/source build/docs/html
	@echo "wrote build/docs/html/index.html"

docs-test: docs $(VENV)/dev browser
	$(BIN)/python -m pytest tests/documentation/test_site.py

# The pictures of the report in docs/images, after it looks otherwise.
pictures: $(VENV)/dev browser
	$(BIN)/python -m docs.generate.pictures

setup: $(VENV)/dev

# What is installed is noted in a file each, so that a later call installs nothing.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip

$(VENV)/cpu: $(VENV)/bin/python constraints.txt pyproject.toml
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[cpu]"
	touch $@

$(VENV)/dev: $(VENV)/cpu
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps torchvision
	touch $@

$(VENV)/benchmarks: $(VENV)/dev
	$(BIN)/python -m pip install -q -c constraints.txt fvcore
	touch $@

$(VENV)/docs: $(VENV)/bin/python constraints.txt pyproject.toml
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[docs]"
	touch $@

# Pages are tested in Chromium. Where it cannot be installed like this, have one on the path;
# without one those tests are skipped.
browser:
	-command -v chromium || command -v google-chrome || { test "$$(id -u)" = 0 \
	  && apt-get update -qq && apt-get install -qq --no-install-recommends \
	  chromium fonts-dejavu-core; }

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
