"""The class of multi-head attention that an emitted file defines: its name, and what it says of
itself. It has the options that the network uses, and no others."""

from __future__ import annotations

from collections.abc import Iterator

from archc.backends.options import Options

SELF, CROSS, BOTH = "SelfAttention", "CrossAttention", "MultiHeadAttention"
NAMES = (SELF, CROSS, BOTH)
"""Of a sequence to itself, of one to another, and of both: one class that takes a memory or none,
since two would share all lines but one."""


def class_name(names: set[str]) -> str:
    """The class that serves layers of some classes."""
    return names.pop() if len(names) == 1 else BOTH


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
