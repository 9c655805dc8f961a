"""Specs of every shape, by their number of layers or of faults; each with the largest number that
a file of 1 MiB and the limit of steps allow."""

from __future__ import annotations

from collections.abc import Callable

HEAD = "archc: 1\nname: scale\ninput: {channels: 4, height: 8, width: 8}\n"
CONV = "conv: {filters: 4, kernel_size: 1}"


def _repeat(count: int, *steps: str) -> str:
    return f"layers: [{{repeat: {count}, layers: [{', '.join(steps)}]}}]\n"


def _tree(depth: int) -> str:
    branch = f"[add: [{_tree(depth - 1)}, {_tree(depth - 1)}]]" if depth else ""
    return branch or "[relu]"


def _ladder(layers: int) -> str:
    rungs = layers // 2
    inputs = [(f"d{n - 1}", f"e_{rungs - n}") for n in range(rungs)]
    inputs[0] = (f"e_{rungs}", f"e_{rungs - 1}")
    down = "".join(
        f"  - {{add: null, name: d{n}, from: [{below}, {beside}]}}\n"
        for n, (below, beside) in enumerate(inputs)
    )
    up = f"layers:\n  - repeat: {rungs}\n    layers: [{{relu: null, name: e}}]\n"
    return up + down


def _blocks_of_blocks(layers: int) -> str:
    levels = layers.bit_length() - 2
    text = "blocks:\n  b0: {layers: [relu, tanh]}\n"
    for n in range(1, levels):
        text += f"  b{n}: {{layers: [block: b{n - 1}, block: b{n - 1}]}}\n"
    return f"{text}layers: [block: b{levels - 1}]\n"


def _instances(layers: int) -> str:
    body = "add: [[{conv: {filters: $width, kernel_size: 1}}, relu], []]"
    block = f"blocks:\n  unit: {{params: {{width: 4}}, layers: [{{{body}}}]}}\n"
    return block + _repeat(layers // 4, "{block: unit, name: unit}")


def _distinct(layers: int) -> str:
    conv = '{conv: {filters: "$(w % 97 + 1)", kernel_size: 1}}'
    return f"layers: [{{for: {{w: $(range({layers // 2}))}}, layers: [{conv}, relu]}}]\n"


def _sources(layers: int) -> str:
    names = ", ".join(f"a_{n + 1}" for n in range(layers))
    step = "{relu: null, name: a, from: input}"
    return f"layers:\n  - {{repeat: {layers}, layers: [{step}]}}\n  - add:\n    from: [{names}]\n"


def _params(count: int) -> str:
    lines = "".join(f"  p{n}: $p{n - 1}\n" for n in range(1, count))
    return f"params:\n  p0: 1\n{lines}layers: [relu]\n"


Shape = tuple[Callable[[int], str], int]

SHAPES: dict[str, Shape] = {
    "straight": (lambda n: "layers:\n" + "  - relu\n" * n, 100_000),
    "repeated": (lambda n: _repeat(n // 2, f"{{{CONV}}}", "relu"), 99_000),
    "distinct": (_distinct, 99_000),
    "wide": (lambda n: f"layers: [add: [{', '.join(['[relu]'] * n)}]]\n", 99_000),
    "wide_from": (_sources, 80_000),
    "branching": (lambda n: _repeat(n // 3, f"{{add: [[{{{CONV}}}, relu], []]}}"), 99_000),
    "branch_tree": (lambda n: f"layers: {_tree(n.bit_length() - 2)}\n", 65_536),
    "sections": (
        lambda n: _repeat(n // 3, f"{{section: part, layers: [relu, {{{CONV}}}]}}"),
        99_000,
    ),
    "nested": (
        lambda n: _repeat(n // 17, f"{{section: s, layers: [{{section: t, layers: {_tree(3)}}}]}}"),
        99_000,
    ),
    "instances": (_instances, 99_000),
    "blocks": (_blocks_of_blocks, 65_536),
    "ladder": (_ladder, 39_000),
    "params": (_params, 55_000),
}
"""Valid specs."""


def _expect(count: int) -> str:
    lines = "".join(f"    rleu_{n}: {{params: 0}}\n" for n in range(count))
    return f"{_repeat(count, 'relu')}expect:\n  layers:\n{lines}"


def _arguments(count: int) -> str:
    steps = "".join(f"  - {{block: b, with: {{q{n}: 1}}}}\n" for n in range(count))
    params = ", ".join(f"p{n}: 1" for n in range(20))
    return f"blocks: {{b: {{params: {{{params}}}, layers: [relu]}}}}\nlayers:\n{steps}"


def _blocks(count: int) -> str:
    blocks = "".join(f"  b{n}: {{layers: [relu]}}\n" for n in range(count))
    return f"blocks:\n{blocks}layers:\n" + "".join(f"  - block: c{n}\n" for n in range(count))


def _cycle(count: int) -> str:
    lines = "".join(f"  b{n}: {{layers: [block: b{(n + 1) % count}]}}\n" for n in range(count))
    return f"blocks:\n{lines}layers: [block: b0]\n"


def _names(count: int) -> str:
    lines = "".join(f"  - {{relu: null, from: x{n}}}\n" for n in range(count))
    return f"layers:\n{lines}"


FAULTY: dict[str, Shape] = {
    "same_name": (lambda n: _repeat(n, "{relu: null, from: tanh_1}"), 99_000),
    "names": (_names, 33_000),
    "unused": (lambda n: _repeat(n, "{relu: null, from: input}"), 99_000),
    "duplicates": (lambda n: "layers:\n" + "  - {relu: null, name: a}\n" * n, 38_000),
    "ops": (lambda n: "layers:\n" + "  - rleu\n" * n, 100_000),
    "keys": (lambda n: "layers:\n" + "  - conv: {filters: 4, kernl_size: 1}\n" * n, 27_000),
    "expressions": (lambda n: "layers:\n" + "  - dense: $(1 +)\n" * n, 58_000),
    "variables": (lambda n: "layers:\n" + "  - dense: $width\n" * n, 58_000),
    "bad_params": (
        lambda n: (
            f"params:\n{''.join(f'  p{k}: $q{k}{chr(10)}' for k in range(n))}layers: [relu]\n"
        ),
        60_000,
    ),
    "expectations": (_expect, 33_000),
    "arguments": (_arguments, 30_000),
    "block_names": (_blocks, 20_000),
    "cycle": (_cycle, 28_000),
    "shapes": (lambda n: "layers:\n" + "  - conv: {filters: 4, kernel_size: 99}\n" * n, 25_000),
    "too_many": (
        lambda n: "layers:\n" + "  - relu\n" * n + "  - {repeat: 99999, layers: [relu]}\n",
        100_000,
    ),
}
"""Specs with so many faults."""
