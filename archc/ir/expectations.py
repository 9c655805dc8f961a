"""Checks of the expectations under `expect`: of totals, single steps, sections and blocks.

Codes: ARC501 a value differs, ARC502 an expectation for an unknown step, ARC503 a value beyond its
bounds.
"""

from __future__ import annotations

from collections.abc import Mapping

from archc.diagnostics import Diagnostic, Span
from archc.diagnostics.collector import Collector, Unknown
from archc.ir.costs import Costs
from archc.ir.graph import Region
from archc.language.values import Value, mapping
from archc.ops.axes import Axes

_SHOWN = "`archc report` shows every layer"


def check_expectations(costs: Costs) -> list[Diagnostic]:
    """A diagnostic for every expectation that fails. With parameters set from outside (`--set`),
    expectations are not checked."""
    if costs.graph.about.overrides:
        return []
    expected = mapping(costs.graph.expect)
    diagnostics = Collector()
    for key in ("params", "trainable_params", "macs"):
        if key in expected:
            diagnostics.extend(_number(key, expected[key], getattr(costs.totals, key)))
    if "output" in expected:
        (first, *_) = costs.graph.outputs
        diagnostics.extend(_axes("output", expected["output"], costs.graph.nodes[first].output))
    if "layers" in expected:
        actual_facts = _facts(costs)
        for path, facts in mapping(expected["layers"]).items():
            if path in actual_facts:
                diagnostics.extend(_layer(path, facts, *actual_facts[path]))
            else:
                span = facts.key_span or facts.span
                unknown = Unknown(path, actual_facts.keys, lambda: _SHOWN)
                error = Diagnostic("ARC502", f"no step `{path}`", span)
                diagnostics.report(error, unknown=unknown)
    return diagnostics.diagnostics()


def _facts(costs: Costs) -> dict[str, tuple[int, Axes]]:
    """Parameters and output of every layer, section and block instance, by path."""
    params = {layer.node.index: layer.params for layer in costs.layers}
    nodes = costs.graph.nodes
    facts = {layer.node.path: (layer.params, layer.node.output) for layer in costs.layers}
    regions = [costs.graph.root]
    for region in regions:
        if region is not costs.graph.root:
            total = sum(params[node.index] for node in region.nodes())
            facts[region.path] = (total, nodes[region.output].output)
        regions += [item for item in region.items if isinstance(item, Region)]
    return facts


def _layer(path: str, facts: Value, params: int, output: Axes) -> list[Diagnostic]:
    fields = mapping(facts)
    diagnostics = []
    if "params" in fields:
        diagnostics += _number(f"params of {path}", fields["params"], params)
    if "output" in fields:
        diagnostics += _axes(f"output of {path}", fields["output"], output)
    return diagnostics


def _number(what: str, expected: Value, actual: int) -> list[Diagnostic]:
    number = expected.data
    if isinstance(number, dict):
        return _bounds(what, number, actual)
    if number == actual:
        return []
    assert isinstance(number, int | float)
    message = f"{what} is {actual:,}, expected {int(number):,} ({actual - int(number):+,})"
    return [Diagnostic("ARC501", message, expected.span, _SHOWN)]


def _bounds(what: str, bounds: Mapping[str, Value], actual: int) -> list[Diagnostic]:
    diagnostics = []
    for key, word in (("max", "above the most allowed"), ("min", "below the least allowed")):
        bound = bounds[key].data if key in bounds else actual
        assert isinstance(bound, int | float)
        if actual > bound if key == "max" else actual < bound:
            message = f"{what} is {actual:,}, {word}, {int(bound):,} ({actual - int(bound):+,})"
            diagnostics.append(Diagnostic("ARC503", message, bounds[key].span, _SHOWN))
    return diagnostics


def corrections(costs: Costs, expect: Value | None) -> dict[Span, int]:
    """The figures under `expect`, as it is written in the spec, that differ from the network's, by
    their spans. Bounds, expressions and steps that there are not are no such figures, nor are sizes
    of other axes than the network has."""
    found: dict[Span, int] = {}
    fields = mapping(expect)
    totals = {"params": costs.totals.params, "macs": costs.totals.macs}
    for key, actual in totals.items():
        _correct(found, fields.get(key), actual)
    _correct_axes(found, fields.get("output"), costs.graph.nodes[costs.graph.outputs[0]].output)
    steps = mapping(fields.get("layers"))
    facts = _facts(costs) if steps else {}
    for path in steps.keys() & facts.keys():
        params, output = facts[path]
        _correct(found, mapping(steps[path]).get("params"), params)
        _correct_axes(found, mapping(steps[path]).get("output"), output)
    return found


def _correct(found: dict[Span, int], written: Value | None, actual: int) -> None:
    if written is not None and isinstance(written.data, int | float) and written.data != actual:
        found[written.span] = actual


def _correct_axes(found: dict[Span, int], written: Value | None, actual: Axes) -> None:
    sizes, axes = mapping(written), actual.as_dict()
    if sizes.keys() == axes.keys():
        for axis, size in sizes.items():
            _correct(found, size, axes[axis])


def _axes(what: str, expected: Value, actual: Axes) -> list[Diagnostic]:
    axes = {axis: size.data for axis, size in mapping(expected).items()}
    if axes == actual.as_dict():
        return []
    listed = " \u00d7 ".join(f"{axis} {size}" for axis, size in axes.items())
    message = f"{what} is {actual}, expected {listed}"
    return [Diagnostic("ARC501", message, expected.span)]
