"""The class of multi-head attention that an emitted file defines: its name, and what it says of
itself. It has the options that the network uses, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from archc.backends.options import Option, Options, calls_in, options_of, renamed_calls
from archc.codegen.rewrite import rewritten
from archc.codegen.tree import ClassDef, Ref, Statement

SELF, CROSS, BOTH = "SelfAttention", "CrossAttention", "MultiHeadAttention"
NAMES = (SELF, CROSS, BOTH)
"""Of a sequence to itself, of one to another, and of both: one class that takes a memory or none,
since two would share all lines but one."""


def with_attention(
    statements: Sequence[Statement],
    declared: Mapping[str, Option],
    build: Callable[[str, Options], ClassDef],
) -> tuple[Statement, ...]:
    """The classes or functions of a network, and before them the class of the attention in them, if
    they construct any: what `build` makes of its name and its options."""
    calls = calls_in(statements, NAMES)
    if not calls:
        return tuple(statements)
    options = options_of(calls, declared)
    names = {one.function.name for one in calls if isinstance(one.function, Ref)}
    name = names.pop() if len(names) == 1 else BOTH
    renamed = (
        rewritten(one, lambda expr: renamed_calls(expr, NAMES, name, options)) for one in statements
    )
    return build(name, options), *renamed


def docstring(name: str, options: Options) -> str:
    """What the class computes, and where its options are defined."""
    to = {SELF: "of a sequence to itself", CROSS: "of a sequence to a memory"}
    kind = "Causal multi-head" if options.fixed.get("causal") else "Multi-head"
    what = to.get(name, "to itself or to a memory")
    summary = f"{kind} attention {what}: (batch, length, features)."
    return f"{summary}\n\n{' '.join(_sentences(options))}"


def _sentences(options: Options) -> Iterator[str]:
    yield "Vaswani et al. 2017, section 3.2."
    if "dropout" in options:
        yield "In training a share `dropout` of the weights is dropped."
    if "window" in options:
        yield "Each token sees those less than `window` positions away."
    if "qk_norm" in options:
        yield "Queries and keys are normalised, head by head."
    if "rotary" in options:
        whose = "Queries and keys"
        if "rotary_share" in options:
            whose = "The first `rotary_share` of the features of queries and keys"
        yield f"{whose} are turned by their position: pair i of n by position / rotary ** (i / n)"
        yield "(Su et al. 2021)."
    if "key_heads" in options:
        yield "Fewer `key_heads` serve several heads each (Ainslie et al. 2023)."
