"""Networks that are hard to draw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from archc.diagnostics import SourceText
from archc.ir.costs import Costs
from archc.spec import read_source

INCEPTION = """\
archc: 1
name: googlenet
class: GoogLeNet
title: GoogLeNet (Inception v1) without auxiliary classifiers
reference: Szegedy et al. 2015, Going Deeper with Convolutions
input: {channels: 3, height: 224, width: 224}
params: {classes: 1000}
blocks:
  basic_conv:
    params: {filters: null, kernel_size: 1, stride: 1, padding: 0}
    layers:
      - conv:
          filters: $filters
          kernel_size: $kernel_size
          stride: $stride
          padding: $padding
          bias: false
      - batch_norm: {epsilon: 0.001}
      - relu
  inception:
    params: {c1: null, r3: null, c3: null, r5: null, c5: null, pool: null}
    layers:
      - concat:
          - - block: basic_conv
              with: {filters: $c1}
              name: branch1
          - - block: basic_conv
              with: {filters: $r3}
            - block: basic_conv
              with: {filters: $c3, kernel_size: 3, padding: 1}
          - - block: basic_conv
              with: {filters: $r5}
            - block: basic_conv
              with: {filters: $c5, kernel_size: 3, padding: 1}
          - - max_pool: {kernel_size: 3, stride: 1, padding: 1, ceil_mode: true}
            - block: basic_conv
              with: {filters: $pool}
layers:
  - section: stem
    layers:
      - block: basic_conv
        with: {filters: 64, kernel_size: 7, stride: 2, padding: 3}
      - max_pool: {kernel_size: 3, stride: 2, ceil_mode: true}
      - block: basic_conv
        with: {filters: 64}
      - block: basic_conv
        with: {filters: 192, kernel_size: 3, padding: 1}
      - max_pool: {kernel_size: 3, stride: 2, ceil_mode: true}
  - section: inception3
    layers:
      - block: inception
        with: {c1: 64, r3: 96, c3: 128, r5: 16, c5: 32, pool: 32}
      - block: inception
        with: {c1: 128, r3: 128, c3: 192, r5: 32, c5: 96, pool: 64}
  - max_pool: {kernel_size: 3, stride: 2, ceil_mode: true}
  - section: inception4
    layers:
      - for:
          c1: [192, 160, 128, 112, 256]
          r3: [96, 112, 128, 144, 160]
          c3: [208, 224, 256, 288, 320]
          r5: [16, 24, 24, 32, 32]
          c5: [48, 64, 64, 64, 128]
          p: [64, 64, 64, 64, 128]
        layers:
          - block: inception
            with: {c1: $c1, r3: $r3, c3: $c3, r5: $r5, c5: $c5, pool: $p}
  - max_pool: {kernel_size: 2, stride: 2, ceil_mode: true}
  - section: inception5
    layers:
      - block: inception
        with: {c1: 256, r3: 160, c3: 320, r5: 32, c5: 128, pool: 128}
      - block: inception
        with: {c1: 384, r3: 192, c3: 384, r5: 48, c5: 128, pool: 128}
  - global_avg_pool
  - dropout: 0.2
  - dense: $classes
    name: fc
expect: {params: 6624904}
"""

CROSSED = """\
archc: 1
name: crossed
input: {channels: 3, height: 32, width: 32}
blocks:
  b:
    params: {f: 8}
    layers:
      - conv: {filters: $f, kernel_size: 3, padding: same}
        name: head
      - relu
      - conv: {filters: $f, kernel_size: 3, padding: same}
layers:
  - conv: {filters: 8, kernel_size: 3, padding: same}
    name: stem
  - conv: {filters: 8, kernel_size: 1}
    name: a
  - conv: {filters: 8, kernel_size: 1}
    name: b
    from: stem
  - add:
    from: [a, b]
    name: c
  - add:
    from: [a, b]
    name: d
  - concat:
    from: [c, d]
  - section: enc
    layers:
      - conv: {filters: 8, kernel_size: 3, padding: same}
        name: e1
      - block: b
  - add:
    from: [enc, enc.e1]
  - repeat: 4
    layers:
      - conv: {filters: 8, kernel_size: 3, padding: same}
      - batch_norm
      - add:
          - - conv: {filters: 8, kernel_size: 3, padding: same}
            - block: b
          - []
      - relu
  - global_avg_pool
  - dense: 5
    name: fc
"""
"""Edges that do not fit into a series-parallel structure, and repeats."""

U_NET = """\
archc: 1
name: unet
class: UNet
title: U-Net with padding
reference: Ronneberger, Fischer, Brox 2015
input: {channels: 1, height: 128, width: 128}
params: {classes: 2, width: 64}
blocks:
  double:
    params: {filters: null}
    layers:
      - repeat: 2
        layers:
          - conv: {filters: $filters, kernel_size: 3, padding: 1, bias: false}
          - batch_norm
          - relu
layers:
  - for: {m: [1, 2, 4, 8]}
    layers:
      - block: double
        with: {filters: $(m * width)}
        name: enc
      - max_pool: 2
  - block: double
    with: {filters: $(16 * width)}
    name: bottom
  - conv_transpose: {filters: $(8 * width), kernel_size: 2, stride: 2}
    name: up4
  - concat:
    from: [enc_4, up4]
  - block: double
    with: {filters: $(8 * width)}
    name: dec4
  - conv_transpose: {filters: $(4 * width), kernel_size: 2, stride: 2}
    name: up3
  - concat:
    from: [enc_3, up3]
  - block: double
    with: {filters: $(4 * width)}
    name: dec3
  - conv_transpose: {filters: $(2 * width), kernel_size: 2, stride: 2}
    name: up2
  - concat:
    from: [enc_2, up2]
  - block: double
    with: {filters: $(2 * width)}
    name: dec2
  - conv_transpose: {filters: $(1 * width), kernel_size: 2, stride: 2}
    name: up1
  - concat:
    from: [enc_1, up1]
  - block: double
    with: {filters: $(1 * width)}
    name: dec1
  - conv: {filters: $classes, kernel_size: 1}
    name: head
"""

TWO_TWO = """\
archc: 1
name: two_two
class: TwoTwo
title: Image and metadata in, class and box out
inputs:
  image: {channels: 3, height: 64, width: 64}
  meta: {features: 8}
params: {classes: 5}
layers:
  - conv: {filters: 16, kernel_size: 3, stride: 2, padding: same, activation: relu}
    from: image
  - conv: {filters: 32, kernel_size: 3, stride: 2, padding: same, activation: relu}
  - global_avg_pool
  - dense: {units: 16, activation: relu}
    from: meta
    name: embed
  - concat:
    from: [global_avg_pool_1, embed]
    name: joint
  - dense: {units: 32, activation: gelu}
    name: trunk
  - dense: {units: $classes, activation: softmax}
    name: label
  - dense: 4
    from: trunk
    name: box
outputs: [label, box]
"""
"""Two inputs, two outputs."""


def deep(layers: int) -> str:
    """A sequential network of about `layers` layers, none of them equal to the previous one."""
    steps: list[Any] = []
    for number in range(layers // 3):
        conv = {"filters": 8 + number % 7, "kernel_size": 3, "padding": "same"}
        steps += [{"conv": conv}, "batch_norm", "relu"]
    sizes = {"channels": 8, "height": 32, "width": 32}
    return text_of(sizes, [*steps, "global_avg_pool", {"dense": 10}])


def text_of(sizes: Mapping[str, int], layers: Sequence[Any], **more: Any) -> str:
    """The text of a spec that is made by a program: JSON is YAML."""
    document = {"archc": 1, "name": "net", "input": sizes, **more, "layers": layers}
    return json.dumps(document, indent=1)


def costs(text: str) -> Costs:
    """The costed graph of a spec's text."""
    return read_source(SourceText("spec.yaml", text), ".", "spec.yaml").checked()
