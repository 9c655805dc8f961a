"""The record of the models of keras.applications."""

from __future__ import annotations

from pathlib import Path

from tests.importers.rows import Record

HEAD = """# The models of keras.applications

Made by `make imports`: the configuration of each is imported without Keras, and proven: the same
graph op by op, and, with the same random weights and smaller images, the same values of all layers,
both in float64.

- *ops* are those of the network, *parameters* those that Keras' model learns.
- *lines* are those of the YAML.
- *difference* is the largest between the values of a layer, as a share of the largest of them; it
  is blank where the values were not computed and the graph alone is proven, as of networks of more
  than 100 million parameters.

{accepted} of {count} are accepted.

| network | ops | parameters | lines | difference | missing |
| --- | ---: | ---: | ---: | ---: | --- |
"""

RECORD = Record(Path(__file__).parent, HEAD)
