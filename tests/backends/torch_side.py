"""An emitted PyTorch network, followed value by value through the nodes of its spec."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archc.api import Network
from archc.backends.base import LoweredLayer
from archc.backends.lower import fused, lower_graph
from archc.backends.shared_padding import share_padding
from archc.backends.torch import BACKEND, OWN_NAMES
from archc.backends.torch.windows import pairs_of
from archc.codegen.rewrite import walk
from archc.codegen.tree import Binary, Call, Expr, Index, Unary

BATCH = 2


class Event(NamedTuple):
    """A value that came to be: by a layer, or (None) by a function or operator in `forward`."""

    layer: nn.Module | None
    shape: tuple[int, ...]


class _Watch(TorchFunctionMode):
    """Notes what layers give, and what functions and operators give outside of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.depth = 0

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and not self.depth:
            self.events.append(Event(None, tuple(result.shape[1:])))
        return result

    def enter(self, *_: object) -> None:
        self.depth += 1

    def leave(self, layer: nn.Module, inputs: object, output: Tensor) -> None:
        self.depth -= 1
        if not self.depth:  # a layer inside another is a part of that
            self.events.append(Event(layer, tuple(output.shape[1:])))


def _is_layer(child: nn.Module) -> bool:
    """Whether a module computes by itself: one of PyTorch's, or a helper of the emitted file."""
    if isinstance(child, nn.Sequential | nn.Identity):
        return False
    return type(child).__module__.startswith("torch.nn.") or type(child).__name__ in OWN_NAMES


def on_meta(emitted: SimpleNamespace) -> nn.Module:
    """The emitted network, without memory for its weights."""
    with torch.device("meta"):
        model: nn.Module = emitted.build_model()
    return model


def zeros(network: Network, device: str) -> list[Tensor]:
    """One batch for each input of a network."""
    nodes = network.costs.graph.nodes
    return [
        torch.zeros(
            BATCH,
            *nodes[index].output.sizes,
            dtype=getattr(torch, nodes[index].output.dtype),
            device=device,
        )
        for index in network.costs.graph.inputs
    ]


def events_by_node(model: nn.Module, network: Network) -> dict[str, list[Event]]:
    """What the network computes for each node, by the node's path: nothing for one that is computed
    as one with the next. Nodes become layers and
    expressions in the order of computation; fails where the network computes anything else."""
    watch = _Watch()
    device = next((str(one.device) for one in model.parameters()), "cpu")
    inputs = zeros(network, device)
    hooks = [
        hook
        for child in model.modules()
        if _is_layer(child)
        for hook in (
            child.register_forward_pre_hook(watch.enter),
            child.register_forward_hook(watch.leave),
        )
    ]
    with watch, torch.no_grad():
        model.eval()(*inputs)
    for hook in hooks:
        hook.remove()
    reader = _Reader(watch.events)
    whole = fused(network.costs.graph)
    graph, layers, _ = share_padding(whole, lower_graph(whole, BACKEND), pairs_of)
    events = {
        node.path: [
            event for lowered in layers[node.index] for event in reader.of_layer(lowered, node.path)
        ]
        for node in graph.root.nodes()
    }
    reader.check_end()
    return {layer.node.path: events.get(layer.node.path, []) for layer in network.costs.layers}


class _Reader:
    """Deals out events to the lowered layers of nodes, in order.

    In `a + b + self.conv(x)` the first sum comes to be before the value of the layer: operations
    that come too early for a layer belong to the next expression of several.
    """

    def __init__(self, events: list[Event]) -> None:
        self.coming = iter(events)
        self.early: list[Event] = []

    def of_layer(self, lowered: LoweredLayer, path: str) -> list[Event]:
        event = self.following(path)
        while event.layer is None and lowered.expression is None:
            self.early.append(event)
            event = self.following(path)
        if event.layer is not None:
            assert lowered.layer is not None, f"a layer computes `{path}`"
            return [event]
        assert lowered.expression is not None
        events = [*self.early, event]
        self.early = []
        while len(events) < _operations(lowered.expression):
            events.append(self.following(path))
        assert len(events) == _operations(lowered.expression), f"too many operations for `{path}`"
        assert all(event.layer is None for event in events), f"too few operations for `{path}`"
        return events

    def following(self, path: str) -> Event:
        event = next(self.coming, None)
        assert event is not None, f"never computes `{path}`"
        return event

    def check_end(self) -> None:
        rest = [*self.early, *self.coming]
        assert not rest, f"computes more than the spec: {rest}"


def _operations(expression: Expr) -> int:
    return sum(isinstance(part, Binary | Call | Index | Unary) for part in walk(expression))


def randomize(model: nn.Module, seed: int) -> None:
    """Give every weight and running statistic a seeded value of a scale that keeps values lively
    through the depth of a network (He et al. 2015 for the kernels)."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if key.endswith("running_var"):
                value.uniform_(0.5, 2.0, generator=generator)
            elif key.endswith("num_batches_tracked"):
                value.fill_(3)
            elif not value.is_floating_point():
                continue  # an index into something
            elif value.dim() > 1:
                bound = (6 / value[0].numel()) ** 0.5
                value.uniform_(-bound, bound, generator=generator)
            elif "weight" in key:
                value.uniform_(0.5, 1.0, generator=generator)
            else:
                value.uniform_(-0.5, 0.5, generator=generator)
