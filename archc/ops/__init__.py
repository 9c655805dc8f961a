"""All ops by name. An op of a new family is added here; one of a known family in its module; those
of packages from outside come by the entry point `archc.ops`."""

from __future__ import annotations

from functools import cache
from typing import Any

from archc.ops import (
    activation,
    arrangement,
    attention,
    convolution,
    dense,
    merge,
    normalization,
    parameter,
    pooling,
    recurrence,
    regularization,
    shape,
)
from archc.ops.base import Op
from archc.plugins import Plugin, PluginError, plugins

BUILT_IN: dict[str, tuple[type[Op], ...]] = {
    "convolution": convolution.OPS,
    "dense": dense.OPS,
    "pooling": pooling.OPS,
    "normalisation": normalization.OPS,
    "activation": activation.OPS,
    "regularisation": regularization.OPS,
    "shape": (*shape.OPS, *arrangement.OPS),
    "parameters": parameter.OPS,
    "attention": attention.OPS,
    "sequence": recurrence.OPS,
    "merge": merge.OPS,
}
"""The ops of archc's own, by family."""

FAMILIES: dict[str, tuple[type[Op], ...]]
"""The ops of each family, those of packages from outside last."""

OPS: dict[str, type[Op]]
"""Every op, by the name that a spec uses."""

MERGES: frozenset[str]
"""The ops that take a list of branches."""


@cache
def families() -> dict[str, tuple[type[Op], ...]]:
    """The ops of each family. Raises PluginError for a package that gives no ops, or one whose name
    another op has."""
    known = dict(BUILT_IN)
    owners = {op.name: "archc" for ops in known.values() for op in ops}
    for plugin in plugins("archc.ops"):
        ops = _ops_of(plugin)
        for op in ops:
            if op.name in owners:
                message = f"the package {plugin.package} gives an op `{op.name}`"
                raise PluginError(f"{message}, a name that {owners[op.name]} has already")
            owners[op.name] = f"the package {plugin.package}"
        known[plugin.name] = (*known.get(plugin.name, ()), *ops)
    return known


def _ops_of(plugin: Plugin) -> tuple[type[Op], ...]:
    loaded = plugin.load()
    ops = loaded if isinstance(loaded, tuple | list) else (loaded,)
    if not all(isinstance(op, type) and issubclass(op, Op) for op in ops):
        raise PluginError(
            f"`{plugin.entry_point.value}` of the package {plugin.package} is no tuple of ops"
        )
    return tuple(ops)


@cache
def _all_ops() -> dict[str, type[Op]]:
    return {op.name: op for ops in families().values() for op in ops}


@cache
def _merges() -> frozenset[str]:
    return frozenset(name for name, op in _all_ops().items() if issubclass(op, merge.Merge))


def __getattr__(name: str) -> Any:
    # Looked up when first used, not when this package is imported: a package from outside imports
    # `archc.ops.base` before its own ops are there.
    match name:
        case "FAMILIES":
            return families()
        case "OPS":
            return _all_ops()
        case "MERGES":
            return _merges()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
