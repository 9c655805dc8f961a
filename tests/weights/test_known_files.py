"""Files of torchvision and Transformers are imported without an option, by the tables of specs.

The values that a table gives are those of the hand-written tables by which other tests prove that
both networks compute the same; torchvision's other networks are held to names and shapes."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from archc.api import load
from archc.backends.layouts import to_framework
from archc.cli import main
from archc.weights.files import Entry, WeightFile
from archc.weights.transfer import match_file
from tests.backends import transformers_models, vision_transformers
from tests.backends.networks import SPECS, module, shipped
from tests.backends.torch_side import randomize
from tests.backends.torchvision_models import is_installed, models
from tests.zoo.checkpoints import in_order
from tests.zoo.references import TORCHVISION
from tests.zoo.theirs import OPTIONS, of_torchvision, without_values

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not is_installed(), reason="torchvision is not installed"),
]

BY_TABLE = ("convnext", "deeplab", "lraspp", "maxvit", "swin", "vit")
"""How the names of the networks begin whose emitted modules do not have torchvision's keys."""
OTHERS = ("deeplab", "fcn", "lraspp", "mc3", "r2plus1d", "r3d")
"""How the names begin of those that are no classifiers of images."""
EQUAL = ("densenet121", "inception_v3", "regnet_y_400mf")
"""Networks whose emitted modules have keys by computed names, or names with capitals."""
VIT = {"size": 32, "patch": 8, "width": 32, "depth": 2, "heads": 4, "hidden": 48, "classes": 5}
CONVNEXT = {"widths": [8, 16, 16, 24], "depths": [1, 2, 1, 1], "classes": 10}


def shapes(model: Any) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}


def file_of(named: dict[str, tuple[int, ...]]) -> WeightFile:
    """A state dict that has no values."""
    entries = {key: Entry(shape, "float32", lambda: None) for key, shape in named.items()}
    return WeightFile("model.pth", "torch", entries, {})


@pytest.mark.parametrize("name", TORCHVISION)
def test_every_array_of_torchvision_s_has_its_place(name: str) -> None:
    theirs = shapes(of_torchvision(name))
    checkpoint, match, expected = match_file(file_of(theirs), shipped(name))
    assert len(match.entries) == len(expected)
    own = {one.name: one.layout.kept for one in expected}
    counters = {key for key in theirs if key.endswith("num_batches_tracked")}
    is_equal = own == {key: shape for key, shape in theirs.items() if key not in counters}
    assert is_equal == (not name.startswith(BY_TABLE))
    assert is_equal or checkpoint == "torchvision"


def test_most_classifiers_have_torchvision_s_keys() -> None:
    classifiers = [name for name in TORCHVISION if not name.startswith(OTHERS)]
    assert len(classifiers) == 80
    assert sum(not name.startswith(BY_TABLE) for name in classifiers) == 64


@pytest.mark.parametrize("name", EQUAL)
def test_the_emitted_module_takes_torchvision_s_state(name: str) -> None:
    """Strictly, all running statistics and counters among them."""
    theirs = of_torchvision(name).state_dict()
    with torch.device("meta"):
        ours = module(shipped(name).emit("torch")).build_model()
    ours.load_state_dict(theirs, strict=True, assign=True)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_heads_for_training_alone_are_left_out(name: str) -> None:
    """The published files have them."""
    with without_values():
        theirs = models().get_model(name, weights=None, **{**OPTIONS[name], "aux_logits": True})
    assert any(key.lower().startswith("aux") for key in shapes(theirs))
    checkpoint, _, _ = match_file(file_of(shapes(theirs)), shipped(name))
    assert checkpoint == "torchvision"


def imported(name: str, state: Any, folder: Path, params: Any = None) -> dict[str, Any]:
    """What the emitted module's state is, once a state dict is imported by its spec."""
    from safetensors.torch import save_file

    theirs = folder / "theirs.safetensors"
    # Tensors that share memory are saved once, as libraries do.
    unique = {value.data_ptr(): key for key, value in reversed(state.items())}
    save_file({key: state[key].contiguous() for key in unique.values()}, theirs)
    return imported_file(name, theirs, folder, params)


def imported_file(name: str, theirs: Path, folder: Path, params: Any = None) -> dict[str, Any]:
    """As `imported`, of a file."""
    from safetensors.numpy import load_file

    ours = str(folder / "ours.safetensors")
    settings = [f"{key}={json.dumps(value)}" for key, value in (params or {}).items()]
    spec = str(SPECS / f"{name}.yaml")
    options = [word for one in settings for word in ("--set", one)]
    assert main(["weights", "import", spec, str(theirs), "-o", ours, *options]) == 0
    weights = load_file(ours)
    emitted = load(spec, params or {}).compiled("torch")
    return {
        f"{one.layer}.{one.name}": torch.from_numpy(to_framework(weights[key], one.layout).copy())
        for key, one in emitted.variables.items()
    }


def check(own: dict[str, Any], expected: dict[str, Any]) -> None:
    """That some state is the other, less the counters of batches and what shares an array."""
    assert own.keys() <= expected.keys()
    for key, value in own.items():
        torch.testing.assert_close(value, expected[key].reshape(value.shape), rtol=0, atol=1e-7)
    others = {key for key in expected.keys() - own.keys() if "num_batches" not in key}
    assert others <= {"head.weight"}


def check_in_order(name: str, model: Any, folder: Path, params: Any = None) -> None:
    """That torchvision's values arrive in the places that they have in the order of its modules."""
    randomize(model, seed=1)
    state = model.state_dict()
    with torch.device("meta"):
        emitted = load(str(SPECS / f"{name}.yaml"), params or {}).emit("torch")
        ours = module(emitted).build_model()
    check(imported(name, state, folder, params), in_order(name, state, ours.state_dict()))


def test_torchvision_s_values_arrive(tmp_path: Path) -> None:
    name = "lraspp_mobilenet_v3_large"
    check_in_order(name, of_torchvision(name), tmp_path)


def test_published_densenets_have_names_of_before() -> None:
    """torchvision's own loader mends them: `norm.1` of a layer is its `norm1` today."""
    named = shapes(of_torchvision("densenet121"))
    older = {re.sub(r"(layer\d+\.[a-z]+)(\d)", r"\1.\2", key): key for key in named}
    file = file_of({key: named[today] for key, today in older.items()})
    checkpoint, match, expected = match_file(file, shipped("densenet121"))
    assert checkpoint == "torchvision"
    sources = {one.name: match.sources[one.array.key].name for one in expected}
    assert {older[source] for source in sources.values()} == {*sources}
    assert all(older[source] == own for own, source in sources.items())
    assert "features.denseblock1.denselayer1.norm.1.weight" in sources.values()


def test_the_values_of_torchvision_s_convnext_arrive(tmp_path: Path) -> None:
    library = models().convnext
    widths = [*CONVNEXT["widths"], None]
    stages = zip(widths, widths[1:], CONVNEXT["depths"], strict=False)
    settings = [library.CNBlockConfig(*stage) for stage in stages]
    model = library.ConvNeXt(settings, num_classes=CONVNEXT["classes"])
    check_in_order("convnext_tiny", model, tmp_path, CONVNEXT)


@pytest.mark.parametrize("name", vision_transformers.JUDGES)
def test_the_values_of_torchvision_s_attention_arrive(name: str, tmp_path: Path) -> None:
    judge = vision_transformers.JUDGES[name]
    model = judge.make().eval()
    randomize(model, seed=1)
    state = model.state_dict()
    check(imported(name, state, tmp_path, judge.params), judge.renamed(state))


@pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)
@pytest.mark.parametrize("is_alone", [False, True])
@pytest.mark.parametrize("name", transformers_models.JUDGES)
def test_transformers_s_values_arrive(name: str, is_alone: bool, tmp_path: Path) -> None:
    """From the files of the models with a head, and of those alone, which lack the first part of
    each name; a head that shares its array is in neither."""
    judge = transformers_models.JUDGES[name]
    model = transformers_models.transformer(name, judge.config_fields).float()
    randomize(model, seed=1)
    whole = model.state_dict()
    expected = judge.renamed(whole)
    roots = {"albert_base_v2": "albert.", "bert_base": "bert.", "gpt2": "transformer."}
    root = roots.get(name, "model.")
    heads = {"albert_base_v2": "predictions", "bert_base": "cls"}
    if name in heads:  # the other tests' model is the one alone
        whole = {f"{root}{key}": value for key, value in whole.items()}
        whole[f"{heads[name]}.predictions.bias"] = torch.zeros(judge.params["vocabulary"])
    if is_alone:
        assert all(key.startswith((root, "lm_head", "proj_out", *heads.values())) for key in whole)
        if "lm_head.weight" in whole and name in ("llama_3_8b", "mistral_7b"):
            pytest.skip("its head is no embedding, which the model alone lacks")
        whole = {
            key.removeprefix(root): value for key, value in whole.items() if key.startswith(root)
        }
    check(imported(name, whole, tmp_path, judge.params), expected)


@pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)
def test_transformers_s_image_classifier_computes_the_same(tmp_path: Path) -> None:
    """From the file that the library itself saves, which has its published names."""
    models()  # transformers looks for torchvision, which needs its operators
    import transformers

    config = transformers.ViTConfig(
        image_size=32,
        patch_size=8,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        num_labels=5,
        layer_norm_eps=1e-6,
    )
    theirs = transformers.ViTForImageClassification(config).eval()
    randomize(theirs, seed=1)
    theirs.save_pretrained(tmp_path)
    state = imported_file("vit_b_16", tmp_path / "model.safetensors", tmp_path, VIT)
    ours = module(load(str(SPECS / "vit_b_16.yaml"), VIT).emit("torch")).build_model()
    ours.load_state_dict(state, strict=True)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected, actual = theirs.double()(x.double()).logits, ours.eval().double()(x.double())
    assert expected.std() > 1e-3
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)
