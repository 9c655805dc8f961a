"""The record of torchvision's classifiers by `torch.export`."""

from __future__ import annotations

from pathlib import Path

from tests.importers.rows import Record

HEAD = """# torchvision's classifiers by `torch.export`

Made by `make imports`: each is exported, imported without PyTorch, and proven: the same graph op by
op, and, with the same random weights and smaller images, the same values of all layers, both in
float64 (where the difference is about 1e-06, the file's were in float32).

- *ops* are those of the network, *parameters* those of torchvision's model without classifiers that
  run in training alone.
- *lines* are those of the YAML.
- *difference* is the largest between the values of a layer, as a share of the largest of them; it
  is blank where the values were not computed and the graph alone is proven, as of networks of more
  than 160 million parameters.

{accepted} of {count} are accepted. The others need what archc has no op for.

| network | ops | parameters | lines | difference | missing |
| --- | ---: | ---: | ---: | ---: | --- |
"""

RECORD = Record(Path(__file__).parent, HEAD)
