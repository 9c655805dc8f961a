"""The shipped specs against published figures, to the digit.

The figures are typed here again from their sources, so that neither a wrong `expect` nor a wrong
rule of an op can pass: LeCun et al. 1998 (section II.B, table I, figure 2), Krizhevsky et al. 2012
(section 3.5, figure 2), Simonyan & Zisserman 2015 (tables 1 and 2), the metadata of torchvision's
weights (`num_params`, `_ops` in GFLOPS, which are multiply-accumulates), keras.applications.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest

from archc.ir.costs import Costs, Layer
from archc.ir.graph import Region
from archc.language.catalog import KEYS
from archc.language.values import mapping
from archc.ops.convolution import Conv
from archc.ops.dense import Rbf
from archc.ops.normalization import BatchNorm, LocalResponseNorm
from archc.ops.pooling import AvgPool, MaxPool
from archc.ops.regularization import Dropout
from archc.ops.shape import Select
from archc.spec import read_spec

SPECS = Path(__file__).parent.parent / "specs"
NAMES = sorted(path.stem for path in SPECS.glob("*.yaml"))
SCHEMA_LINE = "# yaml-language-server: $schema=../archc/language/schema/archc-1.json"

PARAMS = {
    "lenet5": 61_706,
    "lenet5_1998": 60_000,
    "alexnet": 60_965_224,
    "alexnet_ungrouped": 62_378_344,
    "alexnet_torchvision": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg_c": 133_638_952,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
}
# Of LeNet-5 (1998): the paper's 340,908 connections less 6,508 of biases and 7,880 of subsampling.
MACS = {
    "lenet5": 416_520,
    "lenet5_1998": 340_908 - 6_508 - 7_880,
    "alexnet": 724_406_816,
    "alexnet_ungrouped": 1_135_256_096,
    "alexnet_torchvision": 714_188_480,
    "vgg11": 7_609_090_048,
    "vgg13": 11_308_466_176,
    "vgg16": 15_470_264_320,
    "vgg19": 19_632_062_464,
    "vgg_c": 11_770_888_192,
    "vgg11_bn": 7_609_090_048,
    "vgg13_bn": 11_308_466_176,
    "vgg16_bn": 15_470_264_320,
    "vgg19_bn": 19_632_062_464,
    "resnet18": 1_814_073_344,
    "resnet50": 4_089_184_256,
}


def spec(name: str) -> Costs:
    return read_spec(str(SPECS / f"{name}.yaml")).checked()


def layers_of(costs: Costs) -> dict[str, Layer]:
    return {layer.node.path: layer for layer in costs.layers}


def params_of(costs: Costs, region: Region) -> int:
    by_node = {layer.node.index: layer.params for layer in costs.layers}
    return sum(by_node[node.index] for node in region.nodes())


def region_of(costs: Costs, name: str) -> Region:
    return next(
        item for item in costs.graph.root.items if isinstance(item, Region) and item.name == name
    )


def shapes(costs: Costs) -> list[tuple[str, tuple[int, ...]]]:
    """Each op with the sizes that it gives, in order."""
    return [(layer.node.op.name, layer.node.output.sizes) for layer in costs.layers]


def conv_shapes(costs: Costs) -> list[tuple[int, ...]]:
    return [sizes for op, sizes in shapes(costs) if op == "conv"]


def test_the_classics_have_their_figures_here() -> None:
    assert set(PARAMS) == set(MACS)


@pytest.mark.parametrize("name", PARAMS)
def test_totals(name: str) -> None:
    totals = spec(name).totals
    assert totals.params == PARAMS[name]
    assert totals.macs == MACS[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_says_what_it_is(name: str) -> None:
    path = SPECS / f"{name}.yaml"
    assert path.read_text(encoding="utf-8").startswith(f"{SCHEMA_LINE}\narchc: 1\nname: {name}\n")
    document = read_spec(str(path)).document
    assert document.title
    assert document.references
    assert {"params", "macs"} <= set(mapping(document.expect))
    assert set(document.catalog) == set(KEYS)


def test_a_family_is_spelt_in_one_way() -> None:
    catalogs = [read_spec(str(SPECS / f"{name}.yaml")).document.catalog for name in NAMES]
    families = {str(one["family"]) for one in catalogs}
    plain = {family.lower().replace("-", "").replace(" ", "") for family in families}
    assert len(plain) == len(families)


def test_networks_of_different_families_have_different_classes() -> None:
    families: dict[str, set[object]] = {}
    for name in NAMES:
        document = read_spec(str(SPECS / f"{name}.yaml")).document
        families.setdefault(document.class_name, set()).add(document.catalog["family"])
    assert all(len(one) == 1 for one in families.values())


# LeNet-5


def test_lenet5_layers() -> None:
    assert shapes(spec("lenet5")) == [
        ("conv", (6, 28, 28)),
        ("max_pool", (6, 14, 14)),
        ("conv", (16, 10, 10)),
        ("max_pool", (16, 5, 5)),
        ("flatten", (400,)),
        ("dense", (120,)),
        ("dense", (84,)),
        ("dense", (10,)),
    ]
    assert [layer.params for layer in spec("lenet5").layers if layer.params] == [
        156,
        2_416,
        48_120,
        10_164,
        850,
    ]


# Section II.B of the paper: trainable parameters and connections, layer by layer.
LENET5_1998 = {
    "c1": (156, 122_304, (6, 28, 28)),
    "s2": (12, 5_880, (6, 14, 14)),
    "c3": (1_516, 151_600, (16, 10, 10)),
    "s4": (32, 2_000, (16, 5, 5)),
    "c5": (48_120, 48_120, (120, 1, 1)),
    "f6": (10_164, 10_164, (84,)),
}


def connections(layers: list[Layer]) -> int:
    """Connections as the paper counts them: of a convolution each parameter at each position, of a
    subsampling unit its four inputs and its bias."""
    count = 0
    for layer in layers:
        op = layer.node.op
        if isinstance(op, AvgPool):
            kernel = prod(window.kernel for window in op.windows(layer.inputs[0]))
            count += (kernel + 1) * layer.node.output.elements
        elif op.name != "scale":
            count += layer.params * prod(layer.node.output.spatial)
    return count


def test_lenet5_1998_layers() -> None:
    costs = spec("lenet5_1998")
    items = {item.name: item for item in costs.graph.root.items}
    by_node = {layer.node.index: layer for layer in costs.layers}
    total = 0
    for name, (params, links, sizes) in LENET5_1998.items():
        item = items[name]
        nodes = list(item.nodes()) if isinstance(item, Region) else [item]
        layers = [by_node[node.index] for node in nodes]
        assert sum(layer.params for layer in layers) == params, name
        assert connections(layers) == links, name
        assert nodes[-1].output.sizes == sizes, name
        total += links
    rbf = by_node[costs.graph.outputs[0]]
    assert rbf.params == 0
    assert rbf.macs == 840
    assert total + rbf.macs == 340_908


def test_lenet5_1998_connects_c3_by_table_1() -> None:
    table = [
        [0, 1, 2],
        [1, 2, 3],
        [2, 3, 4],
        [3, 4, 5],
        [4, 5, 0],
        [5, 0, 1],
        [0, 1, 2, 3],
        [1, 2, 3, 4],
        [2, 3, 4, 5],
        [3, 4, 5, 0],
        [4, 5, 0, 1],
        [5, 0, 1, 2],
        [0, 1, 3, 4],
        [1, 2, 4, 5],
        [0, 2, 3, 5],
        [0, 1, 2, 3, 4, 5],
    ]
    costs = spec("lenet5_1998")
    graph = costs.graph
    c3 = region_of(costs, "c3")
    (concat,) = (node for node in c3.nodes() if node.op.name == "concat")
    seen: list[list[int]] = []
    for index in concat.inputs:
        conv = graph.nodes[index]
        assert isinstance(conv.op, Conv)
        before = graph.nodes[conv.inputs[0]]
        channels = (
            list(before.op.channels)
            if isinstance(before.op, Select)
            else list(range(before.output.width))
        )
        share = len(channels) // conv.op.groups
        assert conv.op.filters == conv.op.groups
        seen += [channels[start : start + share] for start in range(0, len(channels), share)]
    assert seen == table


def test_lenet5_1998_codes_are_ten_pictures() -> None:
    rbf = layers_of(spec("lenet5_1998"))["radial"].node.op
    assert isinstance(rbf, Rbf)
    assert len(rbf.codes) == 10
    for code in rbf.codes:
        assert len(code) == 7 * 12
        assert set(code) == {1.0, -1.0}
    distances = [
        sum(a != b for a, b in zip(one, other, strict=True))
        for index, one in enumerate(rbf.codes)
        for other in rbf.codes[:index]
    ]
    # 3 and 5, and 8 and 9, differ least: look-alikes have codes that are close.
    assert min(distances) == 10
    rows = [rbf.codes[8][start : start + 7] for start in range(0, 84, 7)]
    assert all(row == row[::-1] for row in rows)


# AlexNet


ALEXNET_PARAMS = {
    "conv1": 34_944,
    "conv2": 307_456,
    "conv3": 885_120,
    "conv4": 663_936,
    "conv5": 442_624,
    "fc6": 37_752_832,
    "fc7": 16_781_312,
    "fc8": 4_097_000,
}
# Section 3.5 prints 253,440 for the first, which 96 x 55 x 55 contradicts.
ALEXNET_NEURONS = {
    "conv1": 290_400,
    "conv2": 186_624,
    "conv3": 64_896,
    "conv4": 64_896,
    "conv5": 43_264,
    "fc6": 4_096,
    "fc7": 4_096,
    "fc8": 1_000,
}


def test_alexnet_layers() -> None:
    layers = layers_of(spec("alexnet"))
    assert {name: layers[name].params for name in ALEXNET_PARAMS} == ALEXNET_PARAMS
    assert {name: layers[name].activations for name in ALEXNET_NEURONS} == ALEXNET_NEURONS
    assert sum(ALEXNET_PARAMS.values()) == PARAMS["alexnet"]


def test_alexnet_shapes() -> None:
    assert shapes(spec("alexnet")) == [
        ("conv", (96, 55, 55)),
        ("local_response_norm", (96, 55, 55)),
        ("max_pool", (96, 27, 27)),
        ("conv", (256, 27, 27)),
        ("local_response_norm", (256, 27, 27)),
        ("max_pool", (256, 13, 13)),
        ("conv", (384, 13, 13)),
        ("conv", (384, 13, 13)),
        ("conv", (256, 13, 13)),
        ("max_pool", (256, 6, 6)),
        ("flatten", (9_216,)),
        ("dense", (4_096,)),
        ("dropout", (4_096,)),
        ("dense", (4_096,)),
        ("dropout", (4_096,)),
        ("dense", (1_000,)),
    ]


def test_alexnet_is_the_paper_s() -> None:
    ops = [layer.node.op for layer in spec("alexnet").layers]
    assert [op.groups for op in ops if isinstance(op, Conv)] == [1, 2, 1, 2, 2]
    assert [op.rate for op in ops if isinstance(op, Dropout)] == [0.5, 0.5]
    for op in ops:
        if isinstance(op, LocalResponseNorm):
            assert (op.size, op.alpha, op.beta, op.k) == (5, 1e-4, 0.75, 2)
        if isinstance(op, MaxPool):
            assert (op.kernel_size, op.stride) == (3, 2)


def test_alexnet_ungrouped_layers() -> None:
    layers = layers_of(spec("alexnet_ungrouped"))
    ungrouped = {"conv2": 614_656, "conv4": 1_327_488, "conv5": 884_992}
    assert {name: layers[name].params for name in ALEXNET_PARAMS} == ALEXNET_PARAMS | ungrouped


def test_alexnet_torchvision_shapes() -> None:
    assert shapes(spec("alexnet_torchvision")) == [
        ("conv", (64, 55, 55)),
        ("max_pool", (64, 27, 27)),
        ("conv", (192, 27, 27)),
        ("max_pool", (192, 13, 13)),
        ("conv", (384, 13, 13)),
        ("conv", (256, 13, 13)),
        ("conv", (256, 13, 13)),
        ("max_pool", (256, 6, 6)),
        ("adaptive_avg_pool", (256, 6, 6)),
        ("flatten", (9_216,)),
        ("dropout", (9_216,)),
        ("dense", (4_096,)),
        ("dropout", (4_096,)),
        ("dense", (4_096,)),
        ("dense", (1_000,)),
    ]


# VGG


@pytest.mark.parametrize(
    ("name", "depths"),
    [
        ("vgg11", [1, 1, 2, 2, 2]),
        ("vgg13", [2, 2, 2, 2, 2]),
        ("vgg16", [2, 2, 3, 3, 3]),
        ("vgg_c", [2, 2, 3, 3, 3]),
        ("vgg19", [2, 2, 4, 4, 4]),
        ("vgg11_bn", [1, 1, 2, 2, 2]),
        ("vgg13_bn", [2, 2, 2, 2, 2]),
        ("vgg16_bn", [2, 2, 3, 3, 3]),
        ("vgg19_bn", [2, 2, 4, 4, 4]),
    ],
)
def test_vgg_convolutions(name: str, depths: list[int]) -> None:
    stages = [(64, 224), (128, 112), (256, 56), (512, 28), (512, 14)]
    assert conv_shapes(spec(name)) == [
        (width, size, size)
        for (width, size), depth in zip(stages, depths, strict=True)
        for _ in range(depth)
    ]


def test_vgg16_shapes_after_the_convolutions() -> None:
    assert shapes(spec("vgg16"))[-8:] == [
        ("conv", (512, 14, 14)),
        ("max_pool", (512, 7, 7)),
        ("flatten", (25_088,)),
        ("dense", (4_096,)),
        ("dropout", (4_096,)),
        ("dense", (4_096,)),
        ("dropout", (4_096,)),
        ("dense", (1_000,)),
    ]


def test_vgg16_without_its_top() -> None:
    costs = spec("vgg16")
    assert params_of(costs, region_of(costs, "features")) == 14_714_688  # keras.applications
    assert params_of(costs, region_of(costs, "classifier")) == 123_642_856


def test_vgg_c_has_1x1_convolutions_where_table_1_has_them() -> None:
    kernels = [
        layer.node.op.kernel_size
        for layer in spec("vgg_c").layers
        if isinstance(layer.node.op, Conv)
    ]
    assert kernels == [3, 3, 3, 3, 3, 3, 1, 3, 3, 1, 3, 3, 1]


@pytest.mark.parametrize(
    ("name", "millions"),
    [("vgg11", 133), ("vgg13", 133), ("vgg_c", 134), ("vgg16", 138), ("vgg19", 144)],
)
def test_vgg_parameters_round_to_table_2(name: str, millions: int) -> None:
    assert round(spec(name).totals.params / 1e6) == millions


@pytest.mark.parametrize(
    ("name", "channels"),
    [("vgg11_bn", 2_752), ("vgg13_bn", 2_944), ("vgg16_bn", 4_224), ("vgg19_bn", 5_504)],
)
def test_vgg_bn_has_a_mean_and_a_variance_for_each_channel(name: str, channels: int) -> None:
    costs = spec(name)
    normalised = [layer for layer in costs.layers if isinstance(layer.node.op, BatchNorm)]
    assert costs.totals.state == 2 * channels
    assert sum(layer.params for layer in normalised) == 2 * channels
    assert PARAMS[name] - PARAMS[name.removesuffix("_bn")] == 2 * channels


# ResNet


def test_resnet18_shapes() -> None:
    assert conv_shapes(spec("resnet18")) == [
        (64, 112, 112),
        *[(64, 56, 56)] * 4,
        *[(128, 28, 28)] * 5,
        *[(256, 14, 14)] * 5,
        *[(512, 7, 7)] * 5,
    ]
    assert shapes(spec("resnet18"))[-2:] == [("global_avg_pool", (512,)), ("dense", (1_000,))]


def test_resnet50_shapes() -> None:
    # Within a stage: 1x1, 3x3, 1x1 a block, and in the first block the shortcut's 1x1.
    def stage(width: int, size: int, before: int, blocks: int) -> list[tuple[int, ...]]:
        narrow, wide = (width, size, size), (4 * width, size, size)
        return [
            (width, before, before),
            narrow,
            wide,
            wide,
            *[narrow, narrow, wide] * (blocks - 1),
        ]

    assert conv_shapes(spec("resnet50")) == [
        (64, 112, 112),
        *stage(64, 56, 56, 3),
        *stage(128, 28, 56, 4),
        *stage(256, 14, 28, 6),
        *stage(512, 7, 14, 3),
    ]


# He et al. 2016; torchvision 0.13 and later: the weights' `num_params` of each part.
@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("resnet18", [147_968, 525_568, 2_099_712, 8_393_728]),
        ("resnet50", [215_808, 1_219_584, 7_098_368, 14_964_736]),
    ],
)
def test_resnet_stages(name: str, parts: list[int]) -> None:
    costs = spec(name)
    found = [params_of(costs, region_of(costs, f"layer{stage}")) for stage in (1, 2, 3, 4)]
    assert found == parts


@pytest.mark.parametrize(
    ("name", "shortcuts"),
    [
        ("resnet18", ["layer2.basic_block_1", "layer3.basic_block_1", "layer4.basic_block_1"]),
        ("resnet50", [f"layer{stage}.bottleneck_1" for stage in (1, 2, 3, 4)]),
    ],
)
def test_resnet_projects_the_shortcut_where_the_shape_changes(
    name: str, shortcuts: list[str]
) -> None:
    paths = [path for path in layers_of(spec(name)) if path.endswith("downsample.conv_1")]
    assert paths == [f"{block}.downsample.conv_1" for block in shortcuts]


# Costs that torchvision publishes with its weights, in GFLOPS of two decimals


@pytest.mark.parametrize(
    ("name", "gflops"),
    [
        ("alexnet_torchvision", 0.71),
        ("vgg11", 7.61),
        ("vgg13", 11.31),
        ("vgg16", 15.47),
        ("vgg19", 19.63),
        ("vgg11_bn", 7.61),
        ("vgg16_bn", 15.47),
        ("resnet18", 1.81),
        ("resnet50", 4.09),
    ],
)
def test_macs_are_torchvision_s_gflops(name: str, gflops: float) -> None:
    assert round(spec(name).totals.macs / 1e9, 2) == gflops


# Receptive fields: Araujo, Norris & Sim 2019


@pytest.mark.parametrize(
    ("name", "size", "jump"),
    [("alexnet", 195, 32), ("vgg11", 150, 32), ("vgg16", 212, 32), ("vgg16_bn", 212, 32)],
)
def test_receptive_field_at_the_last_pool(name: str, size: int, jump: int) -> None:
    last = [layer for layer in spec(name).layers if isinstance(layer.node.op, MaxPool)][-1]
    assert last.receptive_field is not None
    assert last.receptive_field.sizes == (size, size)
    assert last.receptive_field.jump == (jump, jump)


# Parameters of the specs


CLASSIFIERS = [
    name for name in NAMES if "classes" in read_spec(str(SPECS / f"{name}.yaml")).document.params
]
SEVERAL_HEADS = {
    "deeplabv3_resnet50": ["classifier.conv_2", "aux_classifier.conv_2"],
    "fcn_resnet50": ["classifier.conv_2", "aux_classifier.conv_2"],
    "lraspp_mobilenet_v3_large": ["classifier.low_classifier", "classifier.high_classifier"],
    "yolov8n": ["detect_8.conv_2", "detect_16.conv_2", "detect_32.conv_2"],
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classes_change_the_head_alone(name: str) -> None:
    base, small = spec(name), read_spec(str(SPECS / f"{name}.yaml")).checked({"classes": 7})
    boxes = 64 if name == "yolov8n" else 0
    assert small.graph.nodes[small.graph.outputs[0]].output.width == boxes + 7
    changed = [
        one.node.path
        for one, other in zip(base.layers, small.layers, strict=True)
        if one.params != other.params
    ]
    last = [layer.node.path for layer in base.layers if layer.params][-1:]
    assert changed == SEVERAL_HEADS.get(name, last)
