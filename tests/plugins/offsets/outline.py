"""A backend that emits plain text: a line for each layer."""

from __future__ import annotations

from archc.backends.base import Backend, Emitted
from archc.ir.network import Network


def compile_network(network: Network) -> Emitted:
    lines = [
        f"{layer.node.path}: {layer.node.op.name} -> {layer.node.output}"
        for layer in network.costs.layers
    ]
    return Emitted("\n".join(lines) + "\n")


BACKEND = Backend(name="outline", title="Outline", compile=compile_network, suffix=".txt")
