"""Small networks of every structure: emitted for both backends, and held against their reports and
against each other."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")

from archc.api import Network  # noqa: E402
from tests.backends.agreement import assert_agree, inputs_of, torch_outputs  # noqa: E402
from tests.backends.keras_side import canonical, in_order_of_use, layers_by_node, shapes_alone  # noqa: E402
from tests.backends.networks import BACKENDS, SPECS, STRUCTURES, module, written  # noqa: E402
from tests.backends.torch_side import events_by_node  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.keras]


def arguments(function: Any) -> dict[str, object]:
    """The parameters of a function with their defaults."""
    parameters = inspect.signature(function).parameters
    return {name: one.default for name, one in parameters.items() if name != "self"}


@pytest.fixture(params=sorted(STRUCTURES))
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Network:
    return written(STRUCTURES[request.param], tmp_path)


def test_torch_gives_what_the_report_says(network: Network) -> None:
    model = module(network.emit("torch")).build_model()
    totals = network.costs.totals
    assert sum(one.numel() for one in model.parameters()) == totals.params
    shapes = {path: events[-1].shape for path, events in events_by_node(model, network).items()}
    assert shapes == {row.node.path: row.node.output.sizes for row in network.costs.layers}


def test_sections_without_names_are_numbers(tmp_path: Path) -> None:
    network = written(STRUCTURES["sections_without_names"], tmp_path)
    keys = list(module(network.emit("torch")).build_model().state_dict())
    assert {key.rpartition(".")[0] for key in keys} == {
        "features.0.0",
        "features.0.1",
        *(
            f"features.{section}.{unit}.body.{part}"
            for section in (1, 2)
            for unit in (0, 1)
            for part in ("0.0", "0.1", "2.0")
        ),
        "section.2",
    }
    paths = {layer.node.path for layer in network.costs.layers}
    assert "features.section_2.unit_1.body.section_2.conv_1" in paths


def test_keras_gives_what_the_report_says(network: Network) -> None:
    build = module(network.emit("keras")).build_model
    model, layers = shapes_alone(lambda: in_order_of_use(build))
    totals = network.costs.totals
    assert model.count_params() == totals.params + totals.state
    axes = {node.path: node.output for node in network.costs.graph.layers}
    for path, of_node in layers_by_node(layers, network).items():
        if of_node:
            assert canonical(of_node[-1].output.shape, axes[path]) == axes[path].sizes, path


def test_both_compute_the_same(network: Network) -> None:
    assert_agree(network, module(network.emit("torch")), module(network.emit("keras")))


def test_kernels_begin_as_the_spec_says(network: Network) -> None:
    """Where a spec gives them one constant; other initial values are tests of their own."""
    constants = {
        node.path: initializer.value
        for node in network.costs.graph.layers
        if (initializer := getattr(node.op, "initializer", None)) is not None
        and initializer.name == "constant"
    }
    model = module(network.emit("torch")).build_model()
    events = events_by_node(model, network)
    _, other = in_order_of_use(module(network.emit("keras")).build_model)
    layers = layers_by_node(other, network)
    for path, value in constants.items():
        weight = next(one.layer.weight for one in events[path] if hasattr(one.layer, "weight"))
        assert weight.unique().tolist() == pytest.approx([value]), path
        kernel = next(layer.kernel for layer in layers[path] if hasattr(layer, "kernel"))
        assert np.unique(np.asarray(kernel)).tolist() == pytest.approx([value]), path


def test_what_the_spec_names_is_named(network: Network) -> None:
    """PyTorch's modules in their parents, Keras' layers at the end of their name."""
    model = module(network.emit("torch")).build_model()
    names = {id(child): name for name, child in model.named_modules()}
    events = events_by_node(model, network)
    keras_names = {
        layer.name.replace(".", "_")
        for layer in shapes_alone(module(network.emit("keras")).build_model).layers
    }
    for row in network.costs.layers:
        modules = [event.layer for event in events[row.node.path] if event.layer is not None]
        if row.node.named and row.variables:
            own = names[id(modules[0])].rpartition(".")[2]
            assert own in (row.node.name, row.node.name.replace("-", "_"))  # an attribute
            assert any(name.endswith(row.node.name) for name in keras_names)


@pytest.mark.parametrize("backend", BACKENDS)
def test_runs_by_itself(network: Network, backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    module(network.emit(backend), "__main__")
    printed = capsys.readouterr().out
    assert printed.endswith(f" {network.costs.totals.params:,} parameters\n")
    assert printed.count("(2, ") == len(network.costs.graph.outputs)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_argument_takes_another_value(network: Network, backend: str) -> None:
    """A network with another argument has the size and shape that the spec has with that
    parameter."""
    graph = network.costs.graph
    emitted = module(network.emit(backend))
    build = getattr(emitted, graph.about.class_name) if backend == "torch" else emitted.build_model
    for name, default in arguments(build).items():
        assert default == graph.about.params[name]
        other = default / 2 if isinstance(default, float) else 2 * int(str(default))
        costs = network.spec.build({name: other})
        if backend == "torch":
            changed = build(**{name: other})
            params = sum(one.numel() for one in changed.parameters())
            results = torch_outputs(changed, inputs_of(network, 0))
            shapes = [one.shape[1:] for one in results]
        else:
            changed = shapes_alone(lambda name=name, other=other: build(**{name: other}))
            params = changed.count_params() - costs.totals.state
            axes = [costs.graph.nodes[index].output for index in costs.graph.outputs]
            pairs = zip(changed.outputs, axes, strict=True)
            shapes = [canonical(one.shape, of_output) for one, of_output in pairs]
        assert params == costs.totals.params, name
        nodes = costs.graph.nodes
        assert shapes == [nodes[index].output.sizes for index in costs.graph.outputs], name


def params_that_are_arguments(network: Network, backend: str) -> set[str]:
    emitted = module(network.emit(backend))
    name = network.costs.graph.about.class_name
    return set(arguments(getattr(emitted, name) if backend == "torch" else emitted.build_model))


def structure(name: str, folder: Path) -> Network:
    return written(STRUCTURES[name], folder)


@pytest.mark.parametrize("backend", BACKENDS)
def test_params_that_fill_fields_are_arguments(backend: str, tmp_path: Path) -> None:
    network = structure("params_that_become_arguments", tmp_path)
    assert {"classes", "rate"} <= params_that_are_arguments(network, backend)
    network = structure("params_in_a_branching_section", tmp_path)
    assert {"classes", "rate"} <= params_that_are_arguments(network, backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_params_that_change_the_structure_are_no_arguments(backend: str, tmp_path: Path) -> None:
    network = structure("params_that_cannot", tmp_path)
    names = params_that_are_arguments(network, backend)
    assert names.isdisjoint({"depth", "flag", "ratio", "name_of_mode"})


def definitions(text: str, kind: str) -> list[str]:
    """The names of the classes or functions at the top of a file."""
    return re.findall(rf"^{kind} (\w+)", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("block_of_widths", ["Unit"]),
        ("block_of_strides", ["Unit"]),
        ("block_with_optional_shortcut", ["Residual"]),
        ("block_with_optional_step", ["Unit"]),
        ("block_of_two_structures", ["Unit", "UnitDepth3"]),
        ("block_of_activations", ["Cba"]),
        ("block_equal_by_chance", ["Unit"]),
        ("block_residual_where_it_fits", ["DropPath", "ConvBn", "Body", "Inverted"]),
        ("block_that_runs_along", ["Layer"]),
        ("block_in_block", ["Inner", "Outer"]),
        ("block_repeated", ["Residual"]),
        ("dense_connections", ["Growth"]),
        ("inception", ["Mixed"]),
        ("encoder_and_decoder", ["Encoder", "Decoder"]),
    ],
)
def test_torch_writes_each_block_once(name: str, classes: list[str], tmp_path: Path) -> None:
    network = structure(name, tmp_path)
    whole = network.costs.graph.about.class_name
    assert definitions(network.emit("torch"), "class") == [*classes, whole]


@pytest.mark.parametrize(
    ("name", "functions"),
    [
        ("block_of_widths", ["unit"]),
        ("block_with_optional_step", ["unit"]),
        ("block_of_two_structures", ["unit", "unit_depth3"]),
        ("block_of_activations", ["cba"]),
        ("block_of_strides", ["unit"]),
        ("block_padded_by_name", ["conv_bn"]),
        ("block_with_optional_shortcut", ["residual"]),
        ("block_residual_where_it_fits", ["conv_bn", "body", "inverted"]),
        ("block_in_block", ["inner", "outer"]),
        ("block_repeated", ["residual"]),
        ("dense_connections", ["growth"]),
        ("inception", []),
    ],
)
def test_keras_writes_each_block_once(name: str, functions: list[str], tmp_path: Path) -> None:
    text = structure(name, tmp_path).emit("keras")
    assert definitions(text, "def") == [*functions, "build_model"]


def test_three_equal_blocks_are_one_line(tmp_path: Path) -> None:
    network = structure("block_repeated", tmp_path)
    torch_text, keras_text = network.emit("torch"), network.emit("keras")
    assert torch_text.count("Residual(4)") == 1 + 1
    assert "nn.ModuleList(Residual(4) for _ in range(4))" in torch_text
    assert "*(Residual(4) for _ in range(3))" in torch_text
    assert len(re.findall(r"= residual\(", keras_text)) == 2
    assert "for number in range(1, 5):" in keras_text


def test_a_shortcut_stands_under_its_condition(tmp_path: Path) -> None:
    text = structure("block_with_optional_shortcut", tmp_path).emit("torch")
    assert "if stride != 1 or in_channels != width" in text
    assert text.count("nn.Identity()") == 1


def test_the_results_of_a_section_keep_apart(tmp_path: Path) -> None:
    text = structure("encoder_and_decoder", tmp_path).emit("torch")
    assert "x, wide, middle = self.encoder(x)" in text


def test_what_a_section_takes_besides_is_called_as_in_the_spec(tmp_path: Path) -> None:
    text = structure("encoder_and_decoder", tmp_path).emit("torch")
    assert "def forward(self, x: Tensor, middle: Tensor, wide: Tensor) -> Tensor:" in text
    text = structure("section_of_two_inputs", tmp_path).emit("torch")
    assert "def forward(self, left: Tensor, right: Tensor) -> Tensor:" in text


IN_A_BLOCK = """\
archc: 1
name: nested
input: {features: 4}
blocks:
  cell:
    inputs: [memory]
    layers:
      - dense: 4
        name: torch
      - dense: 4
      - section: joint
        layers:
          - add:
            from: [in, memory, torch]
          - relu
layers:
  - dense: 4
    name: before
  - dense: 4
  - block: cell
    from: [in, before]
"""


def test_a_section_in_a_block_takes_what_the_block_calls_so(tmp_path: Path) -> None:
    """And nothing that would hide a module."""
    text = written(IN_A_BLOCK, tmp_path).emit("torch")
    assert "def forward(self, x: Tensor, memory: Tensor, x1: Tensor) -> Tensor:" in text


def test_a_list_of_blocks_is_one_loop_before_other_layers(tmp_path: Path) -> None:
    spec = (SPECS / "transformer_base.yaml").read_text(encoding="utf-8").partition("expect:")[0]
    taken = "            from: [in, encoder]\n"
    text = written(spec.replace(taken, f"{taken}      - relu\n"), tmp_path).emit("torch")
    assert "            x = decoder_layer(x, encoder)\n        return self.relu(x)\n" in text


def test_an_activation_is_handed_in(tmp_path: Path) -> None:
    network = structure("block_of_activations", tmp_path)
    torch_text, keras_text = network.emit("torch"), network.emit("keras")
    assert "activation: type[nn.Module] = nn.ReLU" in torch_text
    for call in ("Cba(8)", "Cba(6, activation=nn.Hardswish)", "Cba(6, activation=nn.Identity)"):
        assert call in torch_text
    assert 'activation: str | None = "relu"' in keras_text
    assert 'cba(x, activation="hard_silu"' in keras_text


def test_an_argument_that_runs_along_is_one_line(tmp_path: Path) -> None:
    text = structure("block_that_runs_along", tmp_path).emit("torch")
    assert "*(Layer(4 + 3 * i) for i in range(5))" in text
    text = structure("block_that_runs_along", tmp_path).emit("keras")
    assert len(re.findall(r"= layer\(", text)) == 1
    assert "for number in range(1, 6):" in text


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_block_takes_the_networks_parameters(backend: str, tmp_path: Path) -> None:
    network = structure("block_that_takes_classes", tmp_path)
    assert params_that_are_arguments(network, backend) == {"classes", "rate"}


def test_a_shortcut_is_called_so(tmp_path: Path) -> None:
    text = structure("block_with_optional_shortcut", tmp_path).emit("keras")
    assert "shortcut = x\n    if stride != 1 or x.shape[-1] != width:\n" in text
    assert "branch" not in text


OTHER_ARGUMENTS = [
    ("block_equal_by_chance", "Unit", {"in_channels": 16}, (16, 8, 8), (8, 8, 8)),
    ("block_of_widths", "Unit", {"in_channels": 5, "width": 7}, (5, 8, 8), (7, 8, 8)),
    ("block_of_strides", "Unit", {"in_channels": 5, "stride": 4}, (5, 16, 16), (12, 4, 4)),
    (
        "block_with_optional_shortcut",
        "Residual",
        {"in_channels": 5, "width": 7, "stride": 2},
        (5, 8, 8),
        (7, 4, 4),
    ),
    (
        "block_residual_where_it_fits",
        "Inverted",
        {"in_channels": 5, "filters": 5, "expanded": 15, "drop": 0.5},
        (5, 8, 8),
        (5, 8, 8),
    ),
    (
        "block_residual_where_it_fits",
        "ConvBn",
        {"in_channels": 5, "filters": 10, "kernel": 5, "depthwise": True, "act": "relu"},
        (5, 8, 8),
        (10, 8, 8),
    ),
    ("block_that_runs_along", "Layer", {"in_channels": 9}, (9, 8, 8), (12, 8, 8)),
    (
        "block_that_takes_classes",
        "Head",
        {"in_channels": 3, "units": 4, "rate": 0.5},
        (3, 5, 5),
        (4,),
    ),
    ("dense_connections", "Growth", {"in_channels": 9, "rate": 2}, (9, 8, 8), (11, 8, 8)),
    ("block_padded_by_a_parameter", "Unit", {"in_channels": 8, "pad": 2}, (8, 8, 8), (8, 10, 10)),
    (
        "block_padded_by_a_parameter",
        "Unit",
        {"in_channels": 8, "pad": 1, "kernel": 1},
        (8, 8, 8),
        (8, 10, 10),
    ),
    ("block_padded_by_a_parameter", "Unit", {"in_channels": 8, "kernel": 5}, (8, 8, 8), (8, 4, 4)),
    ("block_padded_to_fit", "Unit", {"in_channels": 8, "kernel": 5}, (8, 8, 8), (8, 6, 6)),
    ("block_padded_to_fit", "Unit", {"in_channels": 8, "kernel": 1}, (8, 8, 8), (8, 10, 10)),
    (
        "block_of_groups_by_a_parameter",
        "Unit",
        {"in_channels": 16, "filters": 32, "groups": 16, "kernel": 3, "pad": 1},
        (16, 8, 8),
        (32, 8, 8),
    ),
    (
        "block_of_groups_by_a_parameter",
        "Unit",
        {"in_channels": 8, "filters": 16, "groups": 2},
        (8, 8, 8),
        (16, 8, 8),
    ),
    (
        "block_of_groups_by_a_parameter",
        "Unit",
        {"in_channels": 8, "filters": 8, "groups": 4, "kernel": 3, "stride": 2},
        (8, 9, 9),
        (8, 4, 4),
    ),
    (
        "block_of_as_many_groups_as_filters",
        "Unit",
        {"in_channels": 32, "filters": 16, "groups": 16},
        (32, 8, 8),
        (16, 8, 8),
    ),
    (
        "block_of_fixed_groups",
        "Unit",
        {"in_channels": 8, "width": 16, "gated": False},
        (8, 8, 8),
        (8, 8, 8),
    ),
    (
        "block_of_fixed_groups",
        "Unit",
        {"in_channels": 8, "width": 8, "mid": 24, "gated": True},
        (8, 8, 8),
        (8, 8, 8),
    ),
    (
        "block_depthwise_by_a_flag",
        "Unit",
        {"in_channels": 8, "filters": 24, "depthwise": True, "kernel": 5},
        (8, 8, 8),
        (24, 8, 8),
    ),
    (
        "block_depthwise_by_a_flag",
        "Unit",
        {"in_channels": 8, "filters": 24, "depthwise": True, "kernel": 1},
        (8, 8, 8),
        (24, 8, 8),
    ),
]
"""Blocks with arguments that no instance of theirs has, what they take then, and what they give."""


@pytest.mark.parametrize(("name", "block", "others", "shape", "expected"), OTHER_ARGUMENTS)
def test_a_block_runs_with_other_arguments(
    name: str,
    block: str,
    others: dict[str, object],
    shape: tuple[int, ...],
    expected: tuple[int, ...],
    tmp_path: Path,
) -> None:
    network = structure(name, tmp_path)
    kind = getattr(module(network.emit("torch")), block)
    layer = kind(**others)
    assert tuple(layer(torch.zeros(2, *shape)).shape) == (2, *expected)
    function = getattr(
        module(network.emit("keras")), re.sub(r"(?<!^)(?=[A-Z])", "_", block).lower()
    )
    own = {key: value for key, value in others.items() if key != "in_channels"}

    def build() -> Any:
        x = keras.Input((*shape[1:], shape[0]))
        return keras.Model(x, function(x, **own, name="block"))

    model = shapes_alone(build)
    assert model.output_shape[1:] == (*expected[1:], expected[0])
    state = [one for one in layer.buffers() if one.ndim]
    total = sum(one.numel() for one in [*layer.parameters(), *state])
    assert model.count_params() == total


def test_a_block_leaves_what_it_takes_as_it_is(tmp_path: Path) -> None:
    """Within the network one reader may be all there is; another caller may have more."""
    network = structure("block_that_begins_with_an_activation", tmp_path)
    block = module(network.emit("torch")).Pre(4)
    x = torch.randn(1, 4, 5, 5)
    before = x.clone()
    block(x)
    assert torch.equal(x, before)


def test_a_reshape_takes_the_arguments_of_its_block(tmp_path: Path) -> None:
    network = written(STRUCTURES["reshape_by_a_parameter"], tmp_path)
    emitted = module(network.emit("torch"))
    assert emitted.Gate(8, f=16)(torch.zeros(1, 8, 6, 6)).shape == (1, 16, 6, 6)
    assert emitted.Split(8, g=4)(torch.zeros(1, 8, 6, 6)).shape == (1, 4, 2, 36)
    assert set(arguments(emitted.Tokens)) == set()
    emitted = module(network.emit("keras"))
    x = keras.KerasTensor((None, 6, 6, 8))
    assert emitted.gate(x, f=16, name="gate").shape == (None, 6, 6, 16)
    assert emitted.split(x, g=4, name="split").shape == (None, 2, 36, 4)


def test_parameters_of_equal_values_are_told_apart(tmp_path: Path) -> None:
    """In both instances the width is the stride; of another instance it need not be."""
    emitted = module(
        written(STRUCTURES["block_of_averages_inside_the_map"], tmp_path).emit("torch")
    )
    y = emitted.Shrink(4, width=3, step=1)(torch.zeros(1, 4, 18, 18))
    assert y.shape == (1, 3, 17, 17)
