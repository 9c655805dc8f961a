"""What constructs the layers of an op, and how they are named."""

from __future__ import annotations

from collections.abc import Container

from archc.backends.base import LoweredLayer
from archc.backends.blocks.items import Argument, LoweredOp
from archc.backends.blocks.symbols import annotation
from archc.codegen.tree import Attribute, Commented, Conditional, Expr, Parameter, call

IDENTITY = call("nn.Identity")
SUPER_INIT = Attribute(call("super"), "__init__")


def constructed(op: LoweredOp) -> list[tuple[LoweredLayer, Expr]]:
    """The layers of an op with what constructs each: under a condition, or one of several, where
    instances differ."""
    columns = [(None, op), *((one.condition, one.op) for one in op.alternatives)]
    longest = max((one for _, one in columns), key=lambda one: len(one.layers))
    layers: list[tuple[LoweredLayer, Expr]] = []
    for position, layer in enumerate(longest.layers):
        expr: Expr = IDENTITY
        for condition, one in columns:
            own: Expr = IDENTITY
            if position < len(one.layers):
                constructor = one.layers[position].layer
                own = under(constructor or IDENTITY, one.conditions[position])
            expr = own if condition is None else Conditional(condition, own, expr)
        layers.append((layer, expr))
    return layers


def under(layer: Expr, condition: Expr | None) -> Expr:
    """A layer under a condition; without it, what comes in goes out."""
    return layer if condition is None else Conditional(condition, layer, IDENTITY)


def commented(layer: Expr, comment: str | None) -> Expr:
    """A layer with a comment, if there is any."""
    return layer if comment is None else Commented(layer, comment)


def layer_names(name: str, op: LoweredOp, taken: Container[str]) -> list[str]:
    """The node's name for its main layer; that with a label for the others, and with a number
    where an item beside it is named so."""
    names: list[str] = []
    layers = [layer for layer, _ in constructed(op)]
    for layer in layers:
        unique = name if layer.main or len(layers) == 1 else f"{name}_{layer.label}"
        number = 1
        while unique != name and (unique in taken or unique in names):
            number += 1
            unique = f"{name}_{layer.label}{number}"
        names.append(unique)
    return names


def parameter(argument: Argument) -> Parameter:
    """An argument as a parameter of a constructor: a flag is passed by keyword alone."""
    flag = argument.type == "bool"
    return Parameter(argument.name, annotation(argument.type), argument.default, flag)
