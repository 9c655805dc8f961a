"""The proof is itself tested: each fault seeded into an emitter is detected, at its layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archc.api import Network, load
from archc.backends.keras import convolutions, layout, recurrence
from archc.verify import Workers, verify
from tests.verify.faults import FAULTS, HELPERS, Fault


def network(fault: Fault, folder: Path) -> Network:
    lines = ["archc: 1", "name: seeded", f"input: {fault.input}", "layers:"]
    path = folder / "seeded.yaml"
    path.write_text("\n".join([*lines, *(f"  - {step}" for step in fault.steps)]) + "\n")
    return load(str(path), {})


def test_there_are_faults_of_both_emitters() -> None:
    backends = [fault.backend for fault in FAULTS.values()]
    assert len(FAULTS) + len(LAYOUTS) >= 60
    assert min(backends.count("torch"), backends.count("keras")) >= 20


@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_caught_at_its_layer(name: str, tmp_path: Path, workers: Workers) -> None:
    fault = FAULTS[name]
    net = network(fault, tmp_path)
    source = net.emit(fault.backend)
    assert fault.old in source, source
    wrong = source.replace(fault.old, fault.new)
    if fault.new.startswith("_"):
        wrong = wrong.replace("class ", HELPERS, 1)
    result = verify(net, sources={fault.backend: wrong}, workers=workers)
    assert not result.agrees
    assert result.first is not None, result.failures
    assert result.first[0] == fault.at, (result.first, result.failures)


def test_the_same_specs_without_a_fault_agree(tmp_path: Path, workers: Workers) -> None:
    for fault in {(one.input, one.steps): one for one in FAULTS.values()}.values():
        net = network(fault, tmp_path)
        result = verify(net, workers=workers)
        assert result.agrees, (fault, result.first, result.failures)


# Weights: where they stand, and in which order


def _without_orders(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda graph: {}


def _axes_swapped(original: Callable[..., Any]) -> Callable[..., Any]:
    """Kernels with their two spatial axes, or else what comes in and goes out, swapped."""

    def changed(shape: tuple[int, ...], order: Any) -> Any:
        permuted = original(shape, order)
        first, second, *others = permuted.axes
        return permuted._replace(axes=(second, first, *others))

    return changed


def _filters_before_channels(original: Callable[..., Any]) -> Callable[..., Any]:
    """A depthwise kernel as if the filters of all channels stood one after another."""

    def changed(channels: int, multiplier: int, space: Any) -> Any:
        permuted = original(channels, multiplier, space)
        split = (permuted.split[1], permuted.split[0], *permuted.split[2:])
        *others, second, first = permuted.axes
        return permuted._replace(split=split, axes=(*others, first, second))

    return changed


def _gates_in_order(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda op, variable: original(op, variable)._replace(order=())


_FLATTENED = "input: {channels: 2, height: 3, width: 2}\nlayers: [flatten, {dense: 3}]\n"
LAYOUTS = {
    "order after flatten": (layout, "channels_innermost", _without_orders, _FLATTENED, "flatten_1"),
    "kernel transposed": (
        layout,
        "_kernel",
        _axes_swapped,
        "input: {channels: 2, height: 5, width: 5}\n"
        "layers: [{conv: {filters: 3, kernel_size: 3}}]\n",
        "conv_1",
    ),
    "dense kernel transposed": (
        layout,
        "_kernel",
        _axes_swapped,
        "input: {features: 5}\nlayers: [{dense: 5}]\n",
        "dense_1",
    ),
    "gates in another order": (
        recurrence,
        "_layout",
        _gates_in_order,
        "input: {tokens: 4, features: 3}\nlayers: [{gru: 3}]\n",
        "gru_1",
    ),
    "depthwise filters": (
        convolutions,
        "depthwise_kernel",
        _filters_before_channels,
        "input: {channels: 3, height: 5, width: 5}\n"
        "layers: [{depthwise_conv: {kernel_size: 3, multiplier: 2}}]\n",
        "depthwise_conv_1",
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_wrong_layout_of_weights_is_caught(
    name: str, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, function, fault, text, at = LAYOUTS[name]
    path = tmp_path / "net.yaml"
    path.write_text(f"archc: 1\nname: net\n{text}")
    net = load(str(path), {})
    assert verify(net, workers=workers).agrees
    with monkeypatch.context() as patched:
        patched.setattr(module, function, fault(getattr(module, function)))
        result = verify(net, workers=workers)
    assert result.first is not None
    assert (result.agrees, result.first[0]) == (False, at)
