"""Small networks, one for each way in which parts of a network hang together."""

from __future__ import annotations

from pathlib import Path

IMAGE = "input: {channels: 4, height: 8, width: 8}"

BLOCKS = {
    "block_of_widths": f"""
{IMAGE}
blocks:
  unit:
    params: {{width: null}}
    layers:
      - conv: {{filters: $width, kernel_size: 3, padding: 1}}
      - batch_norm
      - relu
layers:
  - {{block: unit, with: {{width: 6}}}}
  - {{block: unit, with: {{width: 8}}}}
  - {{block: unit, with: {{width: 8}}}}
""",
    "block_of_strides": f"""
{IMAGE}
blocks:
  unit:
    params: {{width: 6, stride: 1, groups: 1}}
    layers:
      - conv: {{filters: $width, kernel_size: 3, stride: $stride, padding: 1, groups: $groups}}
      - relu
      - conv: {{filters: $(2 * width), kernel_size: 1}}
layers:
  - {{block: unit, with: {{stride: 2}}}}
  - block: unit
  - {{block: unit, with: {{groups: 3}}}}
""",
    "block_with_optional_shortcut": f"""
{IMAGE}
blocks:
  residual:
    params: {{width: null, stride: 1}}
    layers:
      - add:
          - - conv: {{filters: $width, kernel_size: 3, stride: $stride, padding: 1, bias: false}}
            - batch_norm
            - relu
            - conv: {{filters: $width, kernel_size: 3, padding: 1, bias: false}}
            - batch_norm
          - - section: projection
              when: $(stride != 1 or in.channels != width)
              layers:
                - conv: {{filters: $width, kernel_size: 1, stride: $stride, bias: false}}
                - batch_norm
      - relu
layers:
  - {{block: residual, with: {{width: 4}}}}
  - {{block: residual, with: {{width: 8, stride: 2}}}}
  - {{block: residual, with: {{width: 8}}}}
""",
    "block_with_optional_step": f"""
{IMAGE}
blocks:
  unit:
    params: {{width: null, pooled: false}}
    layers:
      - conv: {{filters: $width, kernel_size: 3, padding: 1, activation: relu}}
      - max_pool: 2
        when: $pooled
layers:
  - {{block: unit, with: {{width: 6}}}}
  - {{block: unit, with: {{width: 6, pooled: true}}}}
""",
    "block_of_two_structures": f"""
{IMAGE}
blocks:
  unit:
    params: {{depth: null}}
    layers:
      - repeat: $depth
        layers:
          - conv: {{filters: 6, kernel_size: 3, padding: 1, activation: relu}}
layers:
  - {{block: unit, with: {{depth: 1}}}}
  - {{block: unit, with: {{depth: 3}}}}
  - {{block: unit, with: {{depth: 1}}}}
""",
    "block_in_block": f"""
{IMAGE}
blocks:
  inner:
    params: {{width: null, kernel_size: 3}}
    layers:
      - conv: {{filters: $width, kernel_size: $kernel_size, padding: same}}
      - relu
  outer:
    params: {{width: null}}
    layers:
      - {{block: inner, with: {{width: $width}}}}
      - add:
          - - {{block: inner, with: {{width: $width, kernel_size: 1}}}}
          - []
layers:
  - {{block: outer, with: {{width: 6}}}}
  - {{block: outer, with: {{width: 8}}}}
  - {{block: inner, with: {{width: 3}}}}
""",
    "block_repeated": f"""
{IMAGE}
blocks:
  residual:
    layers:
      - add:
          - - conv: {{filters: 4, kernel_size: 3, padding: 1, activation: relu}}
          - []
layers:
  - repeat: 4
    layers:
      - block: residual
  - section: tail
    layers:
      - repeat: 3
        layers:
          - block: residual
""",
    "block_repeated_by_name": f"""
{IMAGE}
blocks:
  residual:
    params: {{width: 4}}
    layers:
      - add:
          - - conv: {{filters: $width, kernel_size: 3, padding: 1, activation: relu}}
              name: body
          - []
layers:
  - repeat: 3
    layers:
      - block: residual
        name: stage
  - section: tail
    layers:
      - repeat: 3
        layers:
          - block: residual
            name: step
""",
    "block_whose_loop_counts_on": f"""
{IMAGE}
blocks:
  unit:
    params: {{width: null}}
    layers:
      - conv: {{filters: $width, kernel_size: 3, padding: 1, activation: tanh}}
layers:
  - for: {{width: [6, 6, 6, 8, 8, 8]}}
    layers:
      - {{block: unit, with: {{width: $width}}}}
""",
    "block_with_unused_and_text_parameters": f"""
{IMAGE}
blocks:
  unit:
    params: {{mode: null, rate: 0.25, unused: 3}}
    layers:
      - upsample: {{scale: 2, mode: $mode}}
      - conv: {{filters: 4, kernel_size: 2, stride: 2}}
      - dropout: $rate
layers:
  - {{block: unit, with: {{mode: nearest}}}}
  - {{block: unit, with: {{mode: linear, rate: 0.5}}}}
""",
    "block_of_vectors": """
input: {features: 12}
blocks:
  layer:
    params: {width: null, bias: true}
    layers:
      - dense: {units: $width, bias: $bias}
      - batch_norm
      - relu
layers:
  - {block: layer, with: {width: 9}}
  - {block: layer, with: {width: 7, bias: false}}
  - dense: 5
""",
    "block_that_does_nothing": f"""
{IMAGE}
blocks:
  maybe:
    params: {{width: null}}
    layers:
      - conv: {{filters: $width, kernel_size: 1}}
        when: $(in.channels != width)
layers:
  - {{block: maybe, with: {{width: 4}}}}
  - {{block: maybe, with: {{width: 6}}}}
  - {{block: maybe, with: {{width: 6}}}}
  - relu
""",
    "block_of_groups_by_width": f"""
{IMAGE}
blocks:
  separable:
    params: {{width: null}}
    layers:
      - depthwise_conv: {{kernel_size: 3, padding: 1, multiplier: 2}}
      - conv: {{filters: $width, kernel_size: 1}}
      - prelu
      - scale: {{bias: true}}
layers:
  - {{block: separable, with: {{width: 6}}}}
  - {{block: separable, with: {{width: 10}}}}
""",
}

BRANCHES = {
    "inception": f"""
{IMAGE}
layers:
  - section: mixed
    layers:
      - concat:
          - - conv: {{filters: 3, kernel_size: 1, activation: relu}}
          - - conv: {{filters: 2, kernel_size: 1, activation: relu}}
            - conv: {{filters: 4, kernel_size: 3, padding: 1, activation: relu}}
          - - conv: {{filters: 2, kernel_size: 1, activation: relu}}
            - conv: {{filters: 5, kernel_size: 5, padding: 2, activation: relu}}
          - - max_pool: {{kernel_size: 3, stride: 1, padding: 1}}
            - conv: {{filters: 6, kernel_size: 1, activation: relu}}
  - conv: {{filters: 3, kernel_size: 1}}
""",
    "squeeze_and_excitation": f"""
{IMAGE}
blocks:
  excite:
    params: {{channels: null, ratio: 2}}
    layers:
      - multiply:
          - []
          - - adaptive_avg_pool: 1
            - conv: {{filters: $(in.channels // ratio), kernel_size: 1, activation: relu}}
            - conv: {{filters: $channels, kernel_size: 1, activation: sigmoid}}
layers:
  - {{block: excite, with: {{channels: 4}}}}
  - conv: {{filters: 6, kernel_size: 3}}
  - {{block: excite, with: {{channels: 6, ratio: 3}}}}
  - multiply:
      - []
      - - adaptive_avg_pool: 1
        - conv: {{filters: 3, kernel_size: 1, activation: relu}}
        - conv: {{filters: 6, kernel_size: 1, activation: hard_sigmoid}}
""",
    "merges": f"""
{IMAGE}
layers:
  - maximum:
      - - conv: {{filters: 5, kernel_size: 1}}
      - - conv: {{filters: 5, kernel_size: 3, padding: 1}}
      - - conv: {{filters: 5, kernel_size: 5, padding: 2}}
  - average:
      - []
      - - conv: {{filters: 5, kernel_size: 3, padding: 1, activation: tanh}}
  - multiply:
      - []
      - - sigmoid
  - add:
      - []
      - - relu
      - - tanh
      - - softsign
""",
    "merge_in_merge": f"""
{IMAGE}
layers:
  - add:
      - - concat:
            - - conv: {{filters: 2, kernel_size: 1}}
            - - conv: {{filters: 3, kernel_size: 3, padding: 1}}
              - add:
                  - - conv: {{filters: 3, kernel_size: 1}}
                  - []
        - relu
      - - conv: {{filters: 5, kernel_size: 1}}
  - relu
""",
    "merge_from_names": f"""
{IMAGE}
layers:
  - conv: {{filters: 4, kernel_size: 3, padding: 1, activation: relu}}
    name: early
  - conv: {{filters: 4, kernel_size: 3, padding: 1, activation: relu}}
    name: late
  - conv: {{filters: 4, kernel_size: 3, padding: 1}}
  - add:
    from: [early, late, conv_1]
  - concat:
    from: [add_1, early]
""",
    "twice_the_same_value": f"""
{IMAGE}
layers:
  - conv: {{filters: 4, kernel_size: 3}}
    name: stem
  - concat:
    from: [stem, stem]
  - add:
      - []
      - []
""",
    "dense_connections": f"""
{IMAGE}
blocks:
  growth:
    params: {{rate: 3}}
    layers:
      - concat:
          - []
          - - batch_norm
            - relu
            - conv: {{filters: $rate, kernel_size: 3, padding: 1, bias: false}}
layers:
  - repeat: 3
    layers:
      - block: growth
  - {{block: growth, with: {{rate: 5}}}}
""",
    "shuffle_unit": f"""
{IMAGE}
blocks:
  unit:
    params: {{width: null}}
    layers:
      - concat:
          - - select: [0, 1]
          - - select: [2, 3]
            - conv: {{filters: $width, kernel_size: 1, activation: relu}}
            - depthwise_conv: {{kernel_size: 3, padding: 1, bias: false}}
            - batch_norm
      - channel_shuffle: 2
layers:
  - {{block: unit, with: {{width: 2}}}}
  - {{block: unit, with: {{width: 2}}}}
""",
}

SECTIONS = {
    "section_that_branches": f"""
{IMAGE}
layers:
  - section: stem
    layers:
      - conv: {{filters: 6, kernel_size: 3, padding: 1}}
      - add:
          - []
          - - conv: {{filters: 6, kernel_size: 1}}
  - section: head
    layers:
      - conv: {{filters: 3, kernel_size: 1}}
      - relu
""",
    "sections_in_sections": f"""
{IMAGE}
layers:
  - section: body
    layers:
      - section: first_part
        layers:
          - conv: {{filters: 6, kernel_size: 3}}
          - relu
      - section: second_part
        layers:
          - conv: {{filters: 5, kernel_size: 3}}
            name: narrow
          - relu
  - flatten
  - section: head
    layers:
      - dense: 7
""",
    "encoder_and_decoder": f"""
{IMAGE}
layers:
  - section: encoder
    layers:
      - conv: {{filters: 6, kernel_size: 3, padding: 1, activation: relu}}
        name: wide
      - max_pool: 2
      - conv: {{filters: 8, kernel_size: 3, padding: 1, activation: relu}}
        name: middle
      - max_pool: 2
      - conv: {{filters: 10, kernel_size: 3, padding: 1, activation: relu}}
  - section: decoder
    layers:
      - conv_transpose: {{filters: 8, kernel_size: 2, stride: 2}}
        name: up
      - concat:
        from: [up, encoder.middle]
      - conv: {{filters: 8, kernel_size: 3, padding: 1, activation: relu}}
      - upsample: 2
        name: enlarged
      - concat:
        from: [enlarged, encoder.wide]
      - conv: {{filters: 2, kernel_size: 3, padding: 1}}
""",
    "section_of_two_inputs": f"""
{IMAGE}
layers:
  - conv: {{filters: 6, kernel_size: 3, padding: 1}}
    name: left
  - conv: {{filters: 6, kernel_size: 1}}
    name: right
  - section: joint
    layers:
      - add:
        from: [left, right]
      - conv: {{filters: 3, kernel_size: 1}}
""",
    "section_of_two_results": f"""
{IMAGE}
layers:
  - section: stem
    layers:
      - conv: {{filters: 6, kernel_size: 3, padding: 1}}
        name: early
      - relu
      - conv: {{filters: 6, kernel_size: 1}}
  - add:
    from: [stem, stem.early]
""",
    "section_of_blocks": f"""
{IMAGE}
blocks:
  unit:
    params: {{width: null}}
    layers:
      - conv: {{filters: $width, kernel_size: 3, padding: 1}}
      - elu
layers:
  - section: body
    layers:
      - {{block: unit, with: {{width: 6}}, name: first_unit}}
      - {{block: unit, with: {{width: 8}}, name: last_unit}}
      - batch_norm:
        name: norm
""",
    "section_with_an_optional_step": f"""
{IMAGE}
params: {{norm: false, pooled: true}}
layers:
  - section: body
    layers:
      - conv: {{filters: 6, kernel_size: 3}}
      - batch_norm:
        when: $norm
      - relu
      - max_pool: 2
        when: $pooled
""",
    "sections_left_empty": f"""
{IMAGE}
params: {{on: 0}}
layers:
  - section: first_part
    layers:
      - repeat: 0
        layers:
          - conv: {{filters: 6, kernel_size: 3}}
  - conv: {{filters: 6, kernel_size: 3}}
  - section: second_part
    when: $(on > 0)
    layers:
      - relu
  - repeat: $on
    layers:
      - relu
  - section: third_part
    layers:
      - tanh:
        when: $(on > 0)
  - add:
      - []
      - - section: fourth_part
          layers:
            - relu:
              when: $(on > 0)
""",
    "section_twice_alike": f"""
{IMAGE}
layers:
  - section: tower
    layers:
      - concat:
          - - conv: {{filters: 3, kernel_size: 1}}
          - - conv: {{filters: 2, kernel_size: 3, padding: 1}}
  - section: other
    layers:
      - section: tower
        layers:
          - concat:
              - - conv: {{filters: 3, kernel_size: 1}}
              - - conv: {{filters: 2, kernel_size: 3, padding: 1}}
""",
}

ENDS = {
    "two_inputs": """
inputs:
  image: {channels: 3, height: 8, width: 8}
  facts: {features: 6}
layers:
  - conv: {filters: 4, kernel_size: 3, activation: relu}
    from: image
  - global_avg_pool:
    name: seen
  - dense: {units: 4, activation: tanh}
    from: facts
    name: known
  - concat:
    from: [seen, known]
  - dense: 3
""",
    "two_inputs_merged_at_once": """
inputs:
  left: {features: 6}
  right: {features: 6}
layers:
  - multiply:
    from: [left, right]
  - dense: 3
""",
    "two_outputs": f"""
{IMAGE}
layers:
  - conv: {{filters: 6, kernel_size: 3, activation: relu}}
  - global_avg_pool:
    name: pooled
  - dense: 5
    name: classes
  - dense: {{units: 2, activation: sigmoid}}
    from: pooled
    name: flags
outputs: [flags, classes]
""",
    "outputs_on_the_way": f"""
{IMAGE}
layers:
  - section: body
    layers:
      - conv: {{filters: 6, kernel_size: 3}}
        name: shallow
      - relu
      - conv: {{filters: 5, kernel_size: 3}}
        name: deep
  - flatten:
    name: flat
  - dense: 4
    name: scores
outputs: [scores, body.shallow, flat]
""",
    "inputs_called_like_variables": """
inputs:
  y: {features: 6}
  count: {features: 6}
  sys: {features: 6}
  parameter: {features: 6}
layers:
  - multiply:
    from: [y, count]
  - add:
    from: [multiply_1, sys]
  - add:
    from: [add_1, parameter]
  - dense: 3
""",
    "one_step": """
input: {features: 3}
layers:
  - dense: 2
""",
    "no_weights": f"""
{IMAGE}
layers:
  - avg_pool: 2
  - relu
  - global_max_pool
""",
}

NAMES = {
    "all_named": f"""
{IMAGE}
layers:
  - conv: {{filters: 6, kernel_size: 3}}
    name: first_conv
  - relu:
    name: first_relu
  - flatten:
    name: flat
  - dense: 4
    name: scores
""",
    "some_named": f"""
{IMAGE}
layers:
  - conv: {{filters: 6, kernel_size: 3, activation: relu}}
  - batch_norm:
    name: norm
  - conv: {{filters: 6, kernel_size: 3, activation: relu}}
    name: last_conv
  - max_pool: 2
  - section: tail
    layers:
      - conv: {{filters: 6, kernel_size: 1, activation: relu}}
      - batch_norm:
        name: norm
      - relu
""",
    "names_that_collide_when_joined": f"""
{IMAGE}
layers:
  - section: a
    layers:
      - conv: {{filters: 6, kernel_size: 1}}
        name: b_c
  - section: a_b
    layers:
      - conv: {{filters: 7, kernel_size: 1}}
        name: c
      - add:
          - []
          - - relu
""",
    "names_like_the_counted_ones": f"""
{IMAGE}
layers:
  - conv: {{filters: 6, kernel_size: 1}}
    name: relu
  - relu
  - conv: {{filters: 6, kernel_size: 1}}
    name: relu_2
  - relu
  - conv: {{filters: 6, kernel_size: 1, activation: relu}}
    name: conv_2
  - conv: {{filters: 6, kernel_size: 1}}
  - add:
      - []
      - - relu
""",
    "names_of_variables": f"""
{IMAGE}
layers:
  - conv: {{filters: 6, kernel_size: 1}}
    name: branch_1
  - add:
      - - conv: {{filters: 6, kernel_size: 1}}
          name: x1
        - relu
      - - conv: {{filters: 6, kernel_size: 3, padding: 1}}
          name: branch_2
        - tanh
  - conv: {{filters: 6, kernel_size: 1}}
    from: branch_1
    name: x2
  - add:
    from: [add_1, x2]
""",
    "steps_called_like_their_block": f"""
{IMAGE}
blocks:
  unit:
    params: {{inner: 4}}
    layers:
      - {{block: inner, with: {{width: $inner}}, name: inner_1}}
      - relu
  inner:
    params: {{width: null}}
    layers:
      - conv: {{filters: $width, kernel_size: 1}}
      - scaled_tanh:
        name: scaled_tanh
      - add:
          - - scaled_tanh
          - []
layers:
  - block: unit
    name: unit
  - block: inner
    name: inner
    with: {{width: 4}}
  - conv: {{filters: 4, kernel_size: 1}}
  - add:
    from: [unit, inner, conv_1]
""",
    "a_block_called_like_the_network": f"""
class: Unit
{IMAGE}
blocks:
  unit:
    layers:
      - conv: {{filters: 4, kernel_size: 1}}
      - relu
  conv2d:
    layers:
      - conv: {{filters: 5, kernel_size: 1}}
      - relu
  tensor_1:
    layers:
      - conv: {{filters: 5, kernel_size: 1}}
      - add:
          - []
          - - relu
layers:
  - block: unit
  - block: unit
  - block: conv2d
  - block: tensor_1
""",
    "blocks_called_like_what_is_imported": f"""
{IMAGE}
blocks:
  ordered_dict:
    layers:
      - scaled_tanh
      - conv: {{filters: 4, kernel_size: 1}}
        name: only
  channel_scale:
    params: {{bias: null}}
    layers:
      - scale: {{bias: $bias}}
      - relu
  scaled_tanh:
    layers:
      - conv: {{filters: 4, kernel_size: 1, activation: scaled_tanh}}
      - gelu: {{approximate: tanh}}
  gelu_tanh:
    layers:
      - conv: {{filters: 4, kernel_size: 1, activation: {{gelu: {{approximate: tanh}}}}}}
layers:
  - block: ordered_dict
  - {{block: channel_scale, with: {{bias: true}}}}
  - {{block: channel_scale, with: {{bias: false}}}}
  - block: scaled_tanh
  - block: gelu_tanh
  - section: generic
    layers:
      - conv: {{filters: 4, kernel_size: 1}}
        name: only
      - scale
  - section: radial_basis
    layers:
      - add:
          - - conv: {{filters: 4, kernel_size: 1}}
          - []
""",
    "named_in_repetitions": f"""
{IMAGE}
layers:
  - for: {{width: [5, 6]}}
    layers:
      - conv: {{filters: $width, kernel_size: 1}}
        name: wide
      - repeat: 2
        layers:
          - conv: {{filters: $width, kernel_size: 3, padding: 1}}
            name: deep
""",
}

RANKS = {
    "one_dimension": """
input: {channels: 4, length: 20}
layers:
  - conv: {filters: 6, kernel_size: 5, padding: same, activation: relu}
  - batch_norm
  - max_pool: 2
  - depthwise_conv: {kernel_size: 3, multiplier: 2}
  - avg_pool: {kernel_size: 2, stride: 1}
  - flatten
  - dense: 4
""",
    "three_dimensions": """
input: {channels: 2, depth: 6, height: 8, width: 8}
layers:
  - conv: {filters: 4, kernel_size: 3, padding: same, activation: relu}
  - batch_norm
  - max_pool: {kernel_size: [1, 2, 2]}
  - add:
      - []
      - - conv: {filters: 4, kernel_size: [3, 1, 1], padding: [1, 0, 0]}
  - flatten
  - dense: 4
""",
    "sequence": """
input: {tokens: 5, features: 8}
blocks:
  mixer:
    params: {width: null}
    layers:
      - add:
          - - layer_norm
            - dense: {units: $width, activation: gelu}
            - dense: 8
          - []
layers:
  - {block: mixer, with: {width: 16}}
  - {block: mixer, with: {width: 12}}
  - concat:
      - []
      - - dense: 3
""",
}

ORDERS = {
    "flatten_between_layers": f"""
{IMAGE}
layers:
  - conv: {{filters: 3, kernel_size: 3}}
  - flatten
  - batch_norm
  - prelu
  - scale
  - dropout: 0.5
  - dense: 5
""",
    "flatten_that_shows": f"""
{IMAGE}
layers:
  - conv: {{filters: 3, kernel_size: 3}}
  - flatten
""",
    "flatten_that_is_joined": f"""
{IMAGE}
layers:
  - conv: {{filters: 2, kernel_size: 1}}
    name: stem
  - flatten:
    name: flat
  - dense: 128
    name: mixed
  - add:
    from: [flat, mixed]
  - dense: 3
""",
    "flatten_used_twice": f"""
{IMAGE}
layers:
  - conv: {{filters: 2, kernel_size: 1}}
  - flatten:
    name: flat
  - dense: 4
    name: one
  - concat:
    from: [one, flat]
  - dense: 3
""",
    "flatten_chosen_from": f"""
{IMAGE}
layers:
  - conv: {{filters: 2, kernel_size: 1}}
  - flatten
  - relu
  - select: [0, 70, 127]
  - dense: 3
""",
    "flatten_that_is_shaped_back": f"""
{IMAGE}
layers:
  - flatten
  - tanh
  - reshape: {{channels: 8, height: 4, width: 8}}
  - conv: {{filters: 3, kernel_size: 3}}
""",
    "axes_exchanged": f"""
{IMAGE}
layers:
  - conv: {{filters: 3, kernel_size: 1}}
  - permute: [width, channels, height]
  - conv: {{filters: 5, kernel_size: 1}}
  - crop: [[1, 0], [0, 1]]
  - pad: 1
  - group_norm: 5
  - local_response_norm
""",
}

PARAMS = {
    "params_that_become_arguments": f"""
{IMAGE}
params: {{classes: 6, rate: 0.25, hidden: 12}}
layers:
  - conv: {{filters: 4, kernel_size: 3, activation: relu}}
  - flatten
  - dense: $hidden
  - dropout: $rate
  - section: head
    layers:
      - dense: $classes
""",
    "params_that_cannot": f"""
{IMAGE}
params: {{depth: 2, width: 6, flag: true, name_of_mode: nearest, ratio: 2, kernel: 3}}
layers:
  - repeat: $depth
    layers:
      - conv: {{filters: $width, kernel_size: $kernel, padding: 1}}
      - relu:
        when: $flag
  - upsample: {{scale: 2, mode: $name_of_mode}}
  - conv: {{filters: $(width // ratio), kernel_size: 1}}
""",
    "params_in_a_branching_section": f"""
{IMAGE}
params: {{rate: 0.5, classes: 5, groups: 2}}
layers:
  - section: body
    layers:
      - conv: {{filters: 8, kernel_size: 3, padding: 1, groups: $groups}}
      - add:
          - []
          - - conv: {{filters: 8, kernel_size: 1}}
            - dropout: $rate
  - global_avg_pool
  - dense: $classes
    name: scores
""",
    "params_in_blocks": f"""
{IMAGE}
params: {{width: 6, classes: 3}}
blocks:
  unit:
    params: {{filters: $width}}
    layers:
      - conv: {{filters: $filters, kernel_size: 3, activation: relu}}
layers:
  - block: unit
  - {{block: unit, with: {{filters: $width}}}}
  - global_avg_pool
  - dense: $classes
""",
}

INITIAL = {
    "initial_values_alike_in_a_sequence": f"""
{IMAGE}
layers:
  - conv: {{filters: 5, kernel_size: 3, initializer: {{constant: 0.11}}, activation: relu}}
  - conv: {{filters: 5, kernel_size: 1, initializer: {{constant: 0.11}}}}
  - conv: {{filters: 5, kernel_size: 1, initializer: {{constant: 0.11}}}}
  - conv: {{filters: 5, kernel_size: 1, initializer: {{constant: 0.14}}}}
  - flatten
  - dense: {{units: 4, initializer: {{constant: 0.13}}}}
""",
    "initial_values_in_a_sequence": f"""
{IMAGE}
layers:
  - conv: {{filters: 5, kernel_size: 3, initializer: {{constant: 0.11}}, activation: relu}}
  - batch_norm
  - conv: {{filters: 5, kernel_size: 3, initializer: {{constant: 0.12}}}}
  - flatten
  - dense: {{units: 4, initializer: {{constant: 0.13}}}}
""",
    "initial_values_in_sections": f"""
{IMAGE}
layers:
  - conv: {{filters: 5, kernel_size: 3, initializer: {{constant: 0.21}}}}
    name: stem
  - section: outer
    layers:
      - relu
      - section: straight
        layers:
          - conv: {{filters: 5, kernel_size: 1, initializer: {{constant: 0.22}}}}
          - relu
          - conv: {{filters: 5, kernel_size: 1, initializer: {{constant: 0.23}}}}
            name: last_conv
      - section: branching
        layers:
          - add:
              - - conv: {{filters: 5, kernel_size: 1, initializer: {{constant: 0.24}}}}
              - - section: inner
                  layers:
                    - relu
                    - conv: {{filters: 5, kernel_size: 1, initializer: {{constant: 0.25}}}}
  - flatten
  - dense: {{units: 4, initializer: {{constant: 0.26}}}}
    name: scores
""",
    "initial_values_under_conditions": f"""
{IMAGE}
blocks:
  unit:
    params: {{width: null, scale: 0.5, extra: false}}
    layers:
      - conv: {{filters: $width, kernel_size: 1, initializer: {{constant: $scale}}}}
      - add:
          - []
          - - section: branch
              when: $extra
              layers:
                - conv: {{filters: $width, kernel_size: 1, initializer: {{constant: 0.31}}}}
                - relu
      - conv: {{filters: $width, kernel_size: 1, initializer: {{constant: 0.32}}, activation: tanh}}
        when: $extra
      - conv: {{filters: $width, kernel_size: 1, initializer: {{constant: 0.33}}}}
layers:
  - {{block: unit, with: {{width: 5}}}}
  - {{block: unit, with: {{width: 5, scale: 0.25, extra: true}}}}
  - {{block: unit, with: {{width: 6}}}}
""",
    "initial_values_in_straight_blocks": f"""
{IMAGE}
blocks:
  unit:
    params: {{extra: false, value: 0.4}}
    layers:
      - relu
      - conv: {{filters: 4, kernel_size: 1, initializer: {{constant: 0.41}}, activation: tanh}}
        when: $extra
      - conv: {{filters: 4, kernel_size: 1, initializer: {{constant: $value}}}}
layers:
  - block: unit
  - {{block: unit, with: {{extra: true}}}}
  - {{block: unit, with: {{extra: true, value: 0.5}}}}
""",
    "initial_values_drawn": f"""
{IMAGE}
layers:
  - conv: {{filters: 5, kernel_size: 3, initializer: he_normal}}
  - depthwise_conv: {{kernel_size: 3, initializer: {{normal: 0.1}}}}
  - conv: {{filters: 6, kernel_size: 1, initializer: orthogonal}}
  - flatten
  - dense: {{units: 8, initializer: lecun_uniform}}
  - dense: {{units: 4, initializer: {{uniform: 0.2}}}}
""",
}

CONDITIONS = {
    "block_left_out_in_a_block": f"""
{IMAGE}
blocks:
  inner:
    params: {{width: null}}
    layers:
      - conv: {{filters: $width, kernel_size: 1}}
      - relu
  outer:
    params: {{width: null, deep: false}}
    layers:
      - {{block: inner, with: {{width: $width}}}}
      - block: inner
        with: {{width: $width}}
        when: $deep
      - conv: {{filters: 3, kernel_size: 1}}
layers:
  - {{block: outer, with: {{width: 5}}}}
  - {{block: outer, with: {{width: 6, deep: true}}}}
""",
    "condition_on_space": f"""
{IMAGE}
blocks:
  shrink:
    layers:
      - conv: {{filters: 4, kernel_size: 3, padding: 1}}
      - max_pool: 2
        when: $(in.height > 4)
layers:
  - block: shrink
  - block: shrink
  - block: shrink
""",
    "condition_on_several": f"""
{IMAGE}
blocks:
  unit:
    params: {{width: 4, norm: true, act: relu, drop: 0.0}}
    layers:
      - conv: {{filters: $width, kernel_size: 3, padding: 1, bias: $(not norm)}}
      - batch_norm:
        when: $norm
      - relu:
        when: $(act == "relu")
      - tanh:
        when: $(act == "tanh")
      - dropout: $drop
        when: $(drop > 0 and norm)
layers:
  - block: unit
  - {{block: unit, with: {{norm: false}}}}
  - {{block: unit, with: {{act: tanh, width: 6}}}}
  - {{block: unit, with: {{act: tanh, drop: 0.5}}}}
""",
    "condition_on_a_merge": f"""
{IMAGE}
blocks:
  unit:
    params: {{residual: true}}
    layers:
      - conv: {{filters: 4, kernel_size: 3, padding: 1}}
        name: body
      - add:
          - []
          - - relu
        when: $residual
layers:
  - block: unit
  - {{block: unit, with: {{residual: false}}}}
  - block: unit
""",
    "nothing_is_left_of_a_block": f"""
{IMAGE}
blocks:
  nothing:
    params: {{on: false}}
    layers:
      - relu:
        when: $on
layers:
  - block: nothing
  - conv: {{filters: 3, kernel_size: 1}}
  - add:
      - []
      - - block: nothing
""",
    "block_with_stride_and_same_padding": f"""
{IMAGE}
blocks:
  unit:
    params: {{stride: 1, kernel_size: 3}}
    layers:
      - conv: {{filters: 5, kernel_size: $kernel_size, stride: $stride, padding: same}}
      - relu
layers:
  - block: unit
  - {{block: unit, with: {{stride: 2}}}}
  - {{block: unit, with: {{kernel_size: 2}}}}
""",
    "block_of_other_ranks": """
inputs:
  plane: {channels: 3, height: 6, width: 6}
  line: {channels: 3, length: 6}
blocks:
  unit:
    params: {width: null}
    layers:
      - conv: {filters: $width, kernel_size: 3, activation: relu}
      - batch_norm
      - global_avg_pool
layers:
  - block: unit
    from: plane
    with: {width: 4}
    name: seen
  - block: unit
    from: line
    with: {width: 5}
    name: heard
  - concat:
    from: [seen, heard]
  - dense: 2
""",
    "block_of_lists": f"""
{IMAGE}
blocks:
  pyramid:
    params: {{widths: null, kernels: [1, 3]}}
    layers:
      - for: {{width: $widths, kernel: $kernels}}
        layers:
          - conv: {{filters: $width, kernel_size: $kernel, padding: same, activation: relu}}
layers:
  - {{block: pyramid, with: {{widths: [4, 6]}}}}
  - {{block: pyramid, with: {{widths: [5, 6]}}}}
  - {{block: pyramid, with: {{widths: [5, 6, 7], kernels: [1, 1, 3]}}}}
""",
    "block_of_values_computed": f"""
{IMAGE}
params: {{growth: 2}}
blocks:
  unit:
    params: {{width: null, inner: $(2 * width), outer: $(inner + growth)}}
    layers:
      - conv: {{filters: $inner, kernel_size: 1, activation: relu}}
      - conv: {{filters: $outer, kernel_size: 3, padding: 1, activation: relu}}
      - conv: {{filters: '$(max(width, 3) // 2 + 1)', kernel_size: 1}}
layers:
  - {{block: unit, with: {{width: 3}}}}
  - {{block: unit, with: {{width: 4, inner: 5}}}}
  - {{block: unit, with: {{width: $(3 * growth)}}}}
""",
    "block_in_block_in_block": f"""
{IMAGE}
blocks:
  leaf:
    params: {{width: null, stride: 1}}
    layers:
      - conv: {{filters: $width, kernel_size: 3, stride: $stride, padding: 1, bias: false}}
      - batch_norm
      - relu
  pair:
    params: {{width: null, stride: 1}}
    layers:
      - {{block: leaf, with: {{width: $(2 * width), stride: $stride}}}}
      - {{block: leaf, with: {{width: $width}}}}
  stage:
    params: {{width: null, depth: 2}}
    layers:
      - {{block: pair, with: {{width: $width, stride: 2}}}}
      - repeat: $(depth - 1)
        layers:
          - add:
              - []
              - - {{block: pair, with: {{width: $width}}}}
layers:
  - {{block: stage, with: {{width: 4}}}}
  - {{block: stage, with: {{width: 6}}}}
  - {{block: stage, with: {{width: 6, depth: 1}}}}
""",
    "section_that_branches_in_a_block": f"""
{IMAGE}
blocks:
  unit:
    params: {{width: null, rate: 0.1}}
    layers:
      - section: mixed
        layers:
          - conv: {{filters: $width, kernel_size: 1}}
          - add:
              - []
              - - conv: {{filters: $width, kernel_size: 3, padding: 1}}
                - dropout: $rate
      - relu
layers:
  - {{block: unit, with: {{width: 5}}}}
  - {{block: unit, with: {{width: 6, rate: 0.5}}}}
""",
    "sections_repeated": f"""
{IMAGE}
layers:
  - for: {{width: [4, 4, 6]}}
    layers:
      - section: stage
        layers:
          - conv: {{filters: $width, kernel_size: 3, padding: 1, activation: relu}}
          - concat:
              - []
              - - avg_pool: {{kernel_size: 3, stride: 1, padding: 1}}
""",
    "skip_inside_a_block": f"""
{IMAGE}
blocks:
  ladder:
    params: {{width: null}}
    layers:
      - conv: {{filters: $width, kernel_size: 3, padding: 1}}
        name: low
      - relu
      - conv: {{filters: $width, kernel_size: 3, padding: 1}}
        name: high
      - concat:
        from: [high, low]
layers:
  - {{block: ladder, with: {{width: 3}}}}
  - {{block: ladder, with: {{width: 5}}}}
""",
    "fused_activations_with_weights": f"""
{IMAGE}
blocks:
  unit:
    params: {{width: null}}
    layers:
      - conv: {{filters: $width, kernel_size: 3, activation: prelu}}
      - conv: {{filters: $width, kernel_size: 1, activation: {{leaky_relu: {{slope: 0.2}}}}}}
      - conv: {{filters: $width, kernel_size: 1, activation: {{elu: {{alpha: 0.5}}}}}}
layers:
  - {{block: unit, with: {{width: 5}}}}
  - {{block: unit, with: {{width: 6}}}}
  - flatten
  - dense: {{units: 3, activation: log_softmax}}
""",
    "many_branches": f"""
{IMAGE}
layers:
  - add:
"""
    + "      - - conv: {filters: 3, kernel_size: 1}\n" * 20
    + """  - concat:
      - []
      - []
""",
    "long_names": f"""
{IMAGE}
blocks:
  {"b" * 64}:
    params: {{{"p" * 64}: null}}
    layers:
      - conv: {{filters: ${"p" * 64}, kernel_size: 3, padding: 1}}
        name: {"c" * 64}
      - add:
          - []
          - - name: {"r" * 64}
              relu:
layers:
  - section: {"s" * 64}
    layers:
      - block: {"b" * 64}
        with: {{{"p" * 64}: 5}}
        name: {"n" * 16}
      - concat:
          - []
          - - name: {"d" * 64}
              conv: {{filters: 5, kernel_size: 1}}
""",
}

GROUPS = (BLOCKS, BRANCHES, SECTIONS, ENDS, NAMES, RANKS, ORDERS, PARAMS, INITIAL, CONDITIONS)
STRUCTURES = {
    name: f"archc: 1\nname: structure_{name}\n{text.lstrip()}"
    for group in GROUPS
    for name, text in group.items()
} | {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted((Path(__file__).parent / "structures").glob("*.yaml"))
}
"""The specs by name."""
