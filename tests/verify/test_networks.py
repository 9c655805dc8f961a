"""Verification of whole networks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from archc.api import Network, load
from archc.backends.keras.runtimes import lacks
from archc.verify import FixedTensors, Settings, WorkerError, Workers, outputs, report, verify
from archc.verify.runtimes import runtime_of

ROOT = Path(__file__).parents[2]
SPECS = Path(__file__).parent / "specs"
HEAD = "archc: 1\nname: net\n"
MAP = HEAD + "input: {channels: 2, height: 6, width: 6}\nlayers:\n"
SPACE = HEAD + "input: {channels: 2, depth: 4, height: 4, width: 4}\nlayers:\n"


def spec(name: str) -> Network:
    return load(str(SPECS / f"{name}.yaml"), {})


def network(folder: Path, text: str) -> Network:
    path = folder / "net.yaml"
    path.write_text(text)
    return load(str(path), {})


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998"])
@pytest.mark.parametrize("runtime", ["tensorflow", "jax"])
def test_published_networks_agree(name: str, runtime: str, workers: Workers) -> None:
    net = load(str(ROOT / f"specs/{name}.yaml"), {})
    result = verify(net, Settings(runtime=runtime), workers=workers)
    assert result.agrees, result.first
    assert len(result.rows) == len(net.costs.layers)
    kinds = [
        kind for row in result.rows for kind, one in row.differences.items() if one is not None
    ]
    assert kinds.count("evaluation") == kinds.count("training") == len(result.rows)
    learned = sum(layer.params > 0 for layer in net.costs.layers)
    assert kinds.count("gradient") == learned


def test_float32_has_its_own_tolerance(workers: Workers) -> None:
    net = spec("conv_and_norm")
    result = verify(net, Settings(dtype="float32"), workers=workers)
    assert result.agrees
    assert max(one.largest for one in result.differences) > 1e-9


def test_running_statistics_are_compared(workers: Workers) -> None:
    net = spec("norm_of_its_own_momentum")
    result = verify(net, workers=workers)
    assert result.agrees
    assert result.rows[0].statistics.keys() == {"running_mean", "running_var"}
    source = net.emit("torch").replace("momentum=0.2", "momentum=0.3")
    assert source != net.emit("torch")
    other = verify(net, sources={"torch": source}, workers=workers)
    assert (other.agrees, other.first) == (False, ("batch_norm_1", "statistics"))


def test_inputs_and_outputs_are_several(workers: Workers) -> None:
    net = spec("several_inputs_and_outputs")
    result = verify(net, workers=workers)
    assert result.agrees, (result.first, result.failures)


def test_fixed_arrays_replace_random_ones(workers: Workers) -> None:
    net = spec("flatten_and_dense")
    weight = numpy.arange(12.0).reshape(2, 6)
    bias = numpy.array([0.5, -1.0])
    x = numpy.arange(18.0).reshape(3, 2, 1, 3)
    fixed = FixedTensors({"dense_1.weight": weight, "dense_1.bias": bias}, {"input": x})
    for backend in ("torch", "keras"):
        result = outputs(net, backend, fixed, workers=workers)
        numpy.testing.assert_allclose(result["dense_1"], x.reshape(3, 6) @ weight.T + bias)
    assert verify(net, fixed=fixed, workers=workers).settings.batch == 3


def test_arrays_that_do_not_fit_are_rejected(workers: Workers) -> None:
    net = spec("conv")
    one = numpy.ones((1, 2, 6, 6))
    for fixed, message in (
        (
            FixedTensors({"conv_1.weight": numpy.ones((3, 2, 3, 2))}),
            r"`conv_1.weight` has the shape",
        ),
        (FixedTensors({"conv_2.weight": numpy.ones(3)}), r"no `conv_2.weight`"),
        (FixedTensors({}, {"x": one}), r"no `x`"),
        (FixedTensors({}, {"input": one, "x": numpy.ones((2, 1))}), r"different sizes"),
    ):
        with pytest.raises(ValueError, match=message):
            verify(net, fixed=fixed, workers=workers)


def deep(folder: Path, layers: int) -> Network:
    """Normalisations one behind another, whose gradients explode with depth (Yang et al. 2019)."""
    layer = "  - dense: {units: 8, bias: false}\n  - batch_norm\n  - relu\n"
    return network(folder, HEAD + "input: {features: 8}\nlayers:\n" + layer * layers)


def test_the_tolerance_is_raised_where_a_network_magnifies_rounding(
    tmp_path: Path, workers: Workers
) -> None:
    result = verify(deep(tmp_path, 60), Settings(batch=6), workers=workers)
    largest = max(one.relative for one in result.differences)
    assert 1e-9 < largest < 1e-6
    assert result.verdict == "agree"
    raised = [one for one in result.differences if one.relative > 1e-9]
    assert all(1e-9 < one.allowed <= 16 * one.rounding for one in raised)
    *lines, legend, conclusion = report.table(result).splitlines()
    assert "\n".join(lines).count("*") == len(raised)
    assert legend == "* within 16 times what the last bits of weights and inputs make"
    assert conclusion.endswith(f"the largest difference is {largest:.1e}")


def test_where_only_rounding_can_be_told_nothing_is_proven(
    tmp_path: Path, workers: Workers
) -> None:
    result = verify(deep(tmp_path, 120), Settings(batch=6), workers=workers)
    apart = [one for one in result.differences if one.relative > 1e-6]
    assert apart
    assert all(one.is_rounding for one in apart)
    assert (result.verdict, result.agrees) == ("inconclusive", False)
    table = report.table(result)
    assert table.count("~") == 1 + len(apart)
    assert "\ninconclusive: " in table
    data = report.data(result)
    assert (data["verdict"], data["agrees"]) == ("inconclusive", False)


def test_a_comparison_that_says_nothing_is_a_warning(tmp_path: Path, workers: Workers) -> None:
    """A normalisation takes away what a bias adds: its gradient is zero. So is everything after a
    rectifier of negative values."""
    text = f"{MAP}  - conv: {{filters: 3, kernel_size: 3}}\n  - batch_norm\n  - relu\n"
    text += (
        "  - {conv: {filters: 1, kernel_size: 1, initializer: he_normal}, name: head}\n  - relu\n"
    )
    net = network(tmp_path, text)
    fixed = FixedTensors({"head.bias": numpy.array([-1000.0])})
    result = verify(net, fixed=fixed, workers=workers)
    assert result.verdict == "agree"
    assert set(result.vacuous) == {"evaluation", "single", "training", "gradient"}
    assert result.vacuous["evaluation"] == result.vacuous["single"] == ["relu_2"]
    assert result.vacuous["training"] == ["relu_2"]
    result = verify(net, workers=workers)
    assert result.vacuous == {"gradient": ["conv_1.bias"]}
    assert result.undrawn == ["head.weight"]
    data = report.data(result)
    assert data["warnings"] == [
        "`conv_1.bias`: zero within the tolerance in its gradient, "
        "where the comparison says nothing",
        "`head.weight`: too few initial values to tell their distribution",
    ]
    sizes = {name: one["size"] for name, one in data["layers"][0]["gradients"].items()}
    assert sizes["bias"] < 1e-12 < sizes["weight"] == data["layers"][0]["gradient_size"]
    table = report.table(result).splitlines()
    assert table[-3:-1] == [f"warning: {text}" for text in data["warnings"]]
    cells = [float(cell) for line in table[4:-4] for cell in line.split()[2:]]
    assert float(table[-1].rpartition(" ")[2]) in cells


def test_ops_that_share_a_layer_drop_each_by_itself(tmp_path: Path, workers: Workers) -> None:
    net = network(tmp_path, f"{MAP}  - dropout: 0.3\n  - add: [[], [tanh]]\n  - dropout: 0.3\n")
    assert net.emit("torch").count("nn.Dropout(0.3)") == 1
    result = verify(net, workers=workers)
    assert result.agrees, result.failures


TOWERS = """\
inputs:
  left: {channels: 2, height: 4, width: 4}
  right: {channels: 2, height: 4, width: 4}
blocks:
  tower:
    layers: [batch_norm, relu]
layers:
  - {block: tower, name: a, from: left}
  - {block: tower, name: b, from: right, weights: a}
  - add:
    from: [a, b]
"""


def test_shared_statistics_are_updated_in_the_order_of_the_spec(
    tmp_path: Path, workers: Workers
) -> None:
    """Keras' own order is that of the distance from the outputs, here the same for both."""
    result = verify(network(tmp_path, HEAD + TOWERS), workers=workers)
    assert result.agrees, result.failures


def test_parts_of_one_call_are_told_apart(tmp_path: Path, workers: Workers) -> None:
    """Three equal parts: swapped, they have the same shapes."""
    parts = "".join(
        f"  - split: {{parts: 3, index: {number}}}\n    from: whole\n    name: {name}\n"
        for number, name in enumerate("abc")
    )
    steps = f"  - conv: {{filters: 6, kernel_size: 1}}\n    name: whole\n{parts}"
    steps += "  - concat:\n    from: [a, b, c]\n"
    net = network(tmp_path, MAP + steps)
    source = net.emit("torch")
    line = "a, b, c = whole.chunk(3, dim=1)"
    assert line in source
    result = verify(net, workers=workers)
    assert result.agrees, result.failures
    wrong = source.replace(line, "a, c, b = whole.chunk(3, dim=1)")
    result = verify(net, sources={"torch": wrong}, workers=workers)
    assert not result.agrees


def test_an_error_is_detected_where_rounding_is_magnified(tmp_path: Path, workers: Workers) -> None:
    net = deep(tmp_path, 60)
    source = net.emit("torch")
    right = "nn.BatchNorm1d(8),"
    assert source.count(right) == 60
    before, after = source.rsplit(right, 30)[0], source.rsplit(right, 30)[1:]
    wrong = right.join([f"{before}nn.BatchNorm1d(8, eps=2e-5),{after[0]}", *after[1:]])
    result = verify(net, Settings(batch=6), sources={"torch": wrong}, workers=workers)
    assert not result.agrees
    assert result.first == ("batch_norm_31", "evaluation")


def test_values_that_are_not_finite_are_reported_as_such(workers: Workers) -> None:
    net = spec("conv_between_rectifiers")
    fixed = FixedTensors({"conv_1.bias": numpy.array([0.0, numpy.nan])})
    result = verify(net, fixed=fixed, workers=workers)
    assert (result.agrees, result.failures) == (False, ())
    line = "first divergence: `conv_1`, evaluation (some values are not finite)"
    assert report.table(result).splitlines()[-1] == line
    text = json.dumps(report.data(result), allow_nan=False)
    assert json.loads(text)["layers"][1]["size"] is None


def test_nothing_agrees_that_was_not_compared(workers: Workers) -> None:
    net = spec("pointwise_conv")
    result = verify(net, workers=workers)
    assert (result.complete, result.agrees) == (True, True)
    source = net.emit("keras").replace("layers.Conv2D(2, 1)", "layers.Conv2D(3, 1)")
    other = verify(net, sources={"keras": source}, workers=workers)
    assert not other.complete
    assert not other._replace(failures=()).agrees
    assert "did not write all" in report.table(other._replace(failures=()))


ROUNDED = {
    "gelu": "gelu",
    "gelu_tanh": "gelu: {approximate: tanh}",
    "leaky_relu": "leaky_relu: 0.3",
    "fused": "conv: {filters: 2, kernel_size: 1, activation: {leaky_relu: 0.3}}",
    "linear": "upsample: {scale: 2, mode: linear}",
    "transposed": "conv_transpose: {filters: 2, kernel_size: 2, dilation: 2}",
}


@pytest.mark.parametrize("step", ROUNDED.values(), ids=ROUNDED)
def test_what_tensorflow_lacks_is_left_to_jax(step: str, tmp_path: Path, workers: Workers) -> None:
    net = network(tmp_path, f"{MAP}  - {step}\n")
    ((path, _),) = lacks("tensorflow", net.costs.graph, "float64")
    assert path == net.costs.layers[0].node.path
    assert runtime_of("keras", Settings(), net.costs.graph).name == "jax"
    result = verify(net, Settings(runtime="tensorflow"), workers=workers)
    assert not result.agrees
    assert verify(net, workers=workers).agrees


def test_a_causal_attention_is_compared_on_jax(tmp_path: Path, workers: Workers) -> None:
    """Its heads have three features: Keras scales them by a root that TensorFlow rounds."""
    text = HEAD + "input: {tokens: 5, features: 6}\nlayers:\n"
    net = network(tmp_path, f"{text}  - attention: {{heads: 2, causal: true}}\n")
    assert runtime_of("keras", Settings(), net.costs.graph).name == "jax"
    assert verify(net, workers=workers).agrees


@pytest.mark.parametrize(
    "step", ["max_pool: 2", "avg_pool: 2", "max_pool: {kernel_size: 3, padding: 1}"]
)
def test_pools_of_three_axes_are_left_to_jax(step: str, tmp_path: Path, workers: Workers) -> None:
    net = network(tmp_path, f"{SPACE}  - {step}\n")
    assert not verify(net, Settings(runtime="tensorflow"), workers=workers).agrees
    assert verify(net, workers=workers).agrees
    assert runtime_of("keras", Settings(dtype="float32"), net.costs.graph).name == "tensorflow"


def test_a_process_that_dies_is_reported_and_restarted(tmp_path: Path, workers: Workers) -> None:
    net = network(tmp_path, f"{MAP}  - relu\n")
    source = net.emit("torch").replace(
        "def build_model", "import os\n\n\nos.kill(os.getpid(), 9)\n\n\ndef build_model", 1
    )
    with pytest.raises(WorkerError, match="the process of torch was killed by signal 9"):
        verify(net, sources={"torch": source}, workers=workers)
    assert verify(net, workers=workers).agrees


ADDED = """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 0"""


def test_what_is_not_the_spec_s_network_is_rejected(workers: Workers) -> None:
    net = spec("conv_and_rectifier")
    torch, keras = net.emit("torch"), net.emit("keras")
    for backend, source, message in (
        (
            "torch",
            torch.replace("\n\n\ndef build_model", f"{ADDED}\n\n\ndef build_model"),
            "returns other values",
        ),
        ("torch", torch.replace("def build_model", "def built_model"), "cannot be built"),
        ("torch", torch.replace("kernel_size=3", "kernel_size=2"), "expected (3, 2, 3, 3)"),
        ("keras", keras.replace("layers.Conv2D(3, 3)", "layers.Conv2D(3, 2)"), "expected"),
        (
            "keras",
            keras.replace("layers.ReLU()", "layers.ReLU(), layers.ReLU()"),
            "also has",
        ),
        ("keras", keras.replace("layers.ReLU(),", ""), "has no layer"),
    ):
        assert source not in (torch, keras)
        result = verify(net, sources={backend: source}, workers=workers)
        assert not result.agrees
        assert {failure.backend for failure in result.failures} == {backend}
        assert message in result.failures[0].message


# The command


def run(*arguments: str, folder: Path, before: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "archc", "verify", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{before}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_reports_every_layer(tmp_path: Path) -> None:
    shutil.copy(SPECS / "conv_and_gelu.yaml", tmp_path / "net.yaml")
    done = run("net.yaml", "--runtime", "tensorflow", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("net: PyTorch 2.")
    titles = ["output size", "evaluation", "one sample", "training", "gradient size", "gradient"]
    assert lines[3].split("  ")[-6:] == titles
    assert [line.split()[:2] for line in lines[4:6]] == [["conv_1", "conv"], ["gelu_1", "gelu"]]
    marked = [False, False, False, False, True]
    assert [cell.endswith("!") for cell in lines[4].split()[3:]] == marked
    assert [cell.endswith("!") for cell in lines[5].split()[3:]] == [True, True, True]
    assert lines[6].split()[0] == "(loss)"
    assert lines[8] == "first divergence: `gelu_1`, evaluation"
    assert lines[9].endswith("`--runtime jax` can")
    done = run("net.yaml", "--backends", " torch", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    line = "2 layers have the shapes of the report, and its 57 parameters"
    assert done.stdout.splitlines()[-1] == line
    done = run("net.yaml", "--format", "json", "--seed", "3", "--batch", "4", folder=tmp_path)
    data = json.loads(done.stdout)
    assert done.returncode == 0
    assert (data["agrees"], data["seed"], data["batch"], data["first"]) == (True, 3, 4, None)
    assert "on JAX" in data["versions"]["keras"]
    assert [layer["path"] for layer in data["layers"]] == ["conv_1", "gelu_1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.yaml"]


def test_the_command_says_that_it_took_the_order_for_the_names(tmp_path: Path) -> None:
    import torch

    shutil.copy(SPECS / "conv.yaml", tmp_path / "net.yaml")
    state = {"first.weight": torch.ones(3, 2, 3, 3), "first.bias": torch.ones(3)}
    torch.save(state, tmp_path / "a.pth")
    done = run("net.yaml", "--backends", "torch", "--weights", "a.pth", folder=tmp_path)
    assert done.returncode == 0
    assert done.stderr == "a.pth: its names are different; layers are matched by their order\n"


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("torch", "PyTorch is not installed: pip install 'archc-compiler[torch]'"),
        ("numpy", "numpy is not installed: pip install 'archc-compiler[torch]'"),
        (
            "jax",
            "JAX is not installed: pip install 'jax' "
            "(`gelu_1`: TensorFlow computes gelu with constants of float32)",
        ),
    ],
)
def test_a_missing_framework_is_reported(missing: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(f"{MAP}  - gelu\n")
    without = tmp_path / "without"
    without.mkdir()
    (without / f"{missing}.py").write_text(
        f"raise ModuleNotFoundError(\"No module named '{missing}'\", name='{missing}')\n"
    )
    backend = "keras" if missing == "jax" else "torch"
    done = run("net.yaml", "--backends", backend, folder=tmp_path, before=without)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"archc: {message}\n")


@pytest.mark.parametrize("backends", ["torch,torch", "caffe", "", "all,torch"])
def test_unknown_backends_are_wrong_usage(backends: str, tmp_path: Path) -> None:
    done = run("net.yaml", "--backends", backends, folder=tmp_path)
    assert done.returncode == 2
    assert "--backends needs a list of" in done.stderr
