"""Whether the facts under `expect` hold: totals, and facts of single steps, sections and blocks.

Codes: ARC501 a miss, ARC502 a fact of no step.
"""

from __future__ import annotations

from archc.diagnostics import Diagnostic, did_you_mean
from archc.ir.costs import Costs
from archc.ir.graph import Region
from archc.language.values import Value, mapping
from archc.ops.axes import Axes


def check_expectations(costs: Costs) -> list[Diagnostic]:
    """Every expectation that does not hold, at its own place. An `--set` from outside changes what
    the spec speaks of: its expectations are then not asked."""
    if costs.graph.about.overrides:
        return []
    expected = mapping(costs.graph.expect)
    found = []
    for key, actual in (("params", costs.totals.params), ("macs", costs.totals.macs)):
        if key in expected:
            found += _number(key, expected[key], actual)
    if "output" in expected:
        (first, *_) = costs.graph.outputs
        found += _axes("output", expected["output"], costs.graph.nodes[first].output)
    if "layers" in expected:
        actual_facts = _facts(costs)
        for path, facts in mapping(expected["layers"]).items():
            if path in actual_facts:
                found += _layer(path, facts, *actual_facts[path])
            else:
                span = facts.key_span or facts.span
                hint = did_you_mean(path, actual_facts) or "`archc report` shows every layer"
                found.append(Diagnostic("ARC502", f"no step `{path}`", span, hint))
    return found


def _facts(costs: Costs) -> dict[str, tuple[int, Axes]]:
    """The params and output of every layer, section and block instance, by path."""
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
    given = mapping(facts)
    found = []
    if "params" in given:
        found += _number(f"params of {path}", given["params"], params)
    if "output" in given:
        found += _axes(f"output of {path}", given["output"], output)
    return found


def _number(what: str, expected: Value, actual: int) -> list[Diagnostic]:
    wanted = expected.data
    if wanted == actual:
        return []
    assert isinstance(wanted, int)
    message = f"{what} is {actual:,}, expected {wanted:,} ({actual - wanted:+,})"
    return [Diagnostic("ARC501", message, expected.span, "`archc report` shows every layer")]


def _axes(what: str, expected: Value, actual: Axes) -> list[Diagnostic]:
    wanted = {axis: size.data for axis, size in mapping(expected).items()}
    if wanted == actual.as_dict():
        return []
    listed = " \u00d7 ".join(f"{axis} {size}" for axis, size in wanted.items())
    message = f"{what} is {actual}, expected {listed}"
    return [Diagnostic("ARC501", message, expected.span)]
