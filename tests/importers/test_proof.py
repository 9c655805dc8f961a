"""The proof by the graph sees every kind of difference, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from archc.importers.network import Layer, Network
from archc.importers.proof import graph_difference
from archc.ops.axes import feature_map
from archc.ops.regularization import Dropout
from tests.importers.test_light import imported


def difference(network: Network, order: Sequence[int] | None = None) -> str | None:
    own = imported("squeezenet")
    return graph_difference(network, own.order if order is None else order, own.loaded.costs.graph)


def with_layer(network: Network, name: str, **fields: Any) -> Network:
    """The network with fields of its first layer of an op changed."""
    layers: list[Layer] = list(network.layers)
    place = next(place for place, one in enumerate(layers) if one.op.name == name)
    layers[place] = replace(layers[place], **fields)
    return replace(network, layers=tuple(layers))


def test_the_network_itself_has_no_difference() -> None:
    assert difference(imported("squeezenet").network) is None


@pytest.mark.parametrize("number", range(6))
def test_every_kind_of_difference_is_seen(number: int) -> None:
    network = imported("squeezenet").network
    concat = next(one for one in network.layers if one.op.name == "concat")
    axes = feature_map(3, (225, 224))
    cases: list[tuple[Network, str]] = [
        (with_layer(network, "dropout", op=Dropout(rate=0.4)), "is Dropout"),
        (with_layer(network, "concat", inputs=concat.inputs[::-1]), "takes other values"),
        (with_layer(network, "max_pool", output=axes), "gives"),
        (replace(network, outputs=(network.outputs[0] - 1,)), "outputs"),
        (replace(network, inputs={"data_0": axes}), "its input"),
        (replace(network, layers=network.layers[:-1]), "40 ops, the file 39"),
    ]
    changed, expected = cases[number]
    assert expected in str(difference(changed))


def test_an_order_that_is_no_bijection_proves_nothing() -> None:
    own = imported("squeezenet")
    assert difference(own.network, [own.order[0]] * len(own.order)) is not None
    assert difference(own.network, own.order[::-1]) is not None
