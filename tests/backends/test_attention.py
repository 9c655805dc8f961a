"""The class of attention in an emitted file: the options that its network uses, and no others."""

from __future__ import annotations

import ast
from random import Random
from typing import Any

import pytest
import yaml

from tests.backends.ops.cases import network

BACKENDS = ("torch", "keras")
NAMES = ("SelfAttention", "CrossAttention", "MultiHeadAttention")
PLAIN = """
def __init__(self, features: int, heads: int) -> None:
    super().__init__()
    self.heads = heads
    self.query = nn.Linear(features, features)
    self.key = nn.Linear(features, features)
    self.value = nn.Linear(features, features)
    self.output = nn.Linear(features, features)

def forward(self, x: Tensor) -> Tensor:
    q, k, v = self.query(x), self.key(x), self.value(x)
    q, k, v = (y.unflatten(2, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))
    out = functional.scaled_dot_product_attention(q, k, v)
    return self.output(out.transpose(1, 2).flatten(2))
"""
LLAMA = {"heads": 4, "key_heads": 2, "bias": False, "causal": True, "rotary": 500000}


def emitted(backend: str, *steps: dict[str, Any], memory: bool = False) -> ast.Module:
    """The file of a network with steps of attention one after the other; the last one of them
    takes its keys and values from a memory, if there is one."""
    layers: list[dict[str, Any]] = [{"dense": 16, "name": "memory"}]
    layers += [{"attention": step} for step in steps]
    if memory:
        layers[-1]["from"] = ["in", "memory"]
    body = {"input": {"tokens": 5, "features": 16}, "layers": layers}
    return ast.parse(network(body).emit(backend))


def attention(tree: ast.Module) -> ast.ClassDef | None:
    """The class of attention; None where Keras has one."""
    classes = [one for one in tree.body if isinstance(one, ast.ClassDef) and one.name in NAMES]
    assert len(classes) <= 1
    return classes[0] if classes else None


def methods(of: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {one.name: one for one in of.body if isinstance(one, ast.FunctionDef)}


def options(of: ast.ClassDef) -> dict[str, str | None]:
    """The keywords of the constructor with their defaults."""
    arguments = methods(of)["__init__"].args
    return {
        one.arg: None if default is None else ast.unparse(default)
        for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    }


def forward(of: ast.ClassDef) -> list[str]:
    """The parameters of what is called with the sequence."""
    own = methods(of)
    return [one.arg for one in (own.get("forward") or own["call"]).args.args[1:]]


def the(tree: ast.Module) -> ast.ClassDef:
    found = attention(tree)
    assert found is not None
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_all_steps_share_is_no_option(backend: str) -> None:
    for steps in ([LLAMA], [LLAMA, LLAMA]):
        of = the(emitted(backend, *steps))
        assert of.name == "SelfAttention"
        assert options(of) == {"key_heads": None, "rotary": None}
        assert forward(of) == ["x"]
        source = ast.unparse(of)
        assert not [word for word in ("window", "dropout", "norm", "training") if word in source]


def test_plain_attention_is_what_a_person_writes() -> None:
    of = the(emitted("torch", {"heads": 4}))
    assert ast.dump(ast.Module(of.body[1:], [])) == ast.dump(ast.parse(PLAIN))
    assert attention(emitted("keras", {"heads": 4})) is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_some_steps_leave_out_has_a_default(backend: str) -> None:
    plain = {"heads": 4, "rotary": 100}
    of = the(emitted(backend, {**plain, "window": 2, "causal": True}, plain))
    assert options(of) == {"causal": "False", "window": "None", "rotary": None}
    assert forward(of) == ["x"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bias_that_some_steps_lack_has_the_others_as_its_default(backend: str) -> None:
    plain = {"heads": 4, "rotary": 100}
    assert options(the(emitted(backend, {**plain, "key_bias": False}, plain))) == {
        "key_bias": "True",
        "rotary": None,
    }
    alike = {**plain, "bias": False}
    assert options(the(emitted(backend, {**alike, "key_bias": False}, alike))) == {"rotary": None}


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_class_takes_a_memory_or_none(backend: str) -> None:
    step = {"heads": 4, "key_bias": False}
    of = the(emitted(backend, {**step, "causal": True}, step, memory=True))
    assert of.name == "MultiHeadAttention"
    assert options(of) == {"causal": "False"}
    assert forward(of) == ["x", "memory"]
    alone = the(emitted(backend, step, memory=True))
    assert (alone.name, options(alone)) == ("CrossAttention", {})
    assert forward(alone) == ["x", "memory"]


def drawn(random: Random) -> dict[str, Any]:
    """Some options of a step."""
    every = {
        "key_heads": random.choice([1, 2]),
        "head_size": random.choice([8, 12]),
        "bias": random.random() < 0.5,
        "key_bias": random.random() < 0.5,
        "output_bias": random.random() < 0.5,
        "causal": random.random() < 0.5,
        "window": random.choice([1, 2]),
        "dropout": 0.25,
        "rotary": random.choice([3, 100]),
        "qk_norm": random.random() < 0.5,
    }
    chosen = {name: value for name, value in every.items() if random.random() < 0.4}
    if "rotary" in chosen and random.random() < 0.4:
        chosen["rotary_share"] = 0.5
    return {"heads": 4, **chosen}


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_option_is_without_use(backend: str) -> None:
    """Each parameter of the constructor is read there, what it keeps in the other methods but that
    of the configuration, each method called; a condition is no constant, and an option is given by
    a step at least, a flag not by all of them alike."""
    seen = 0
    for seed in range(60):
        random = Random(seed)
        steps = [drawn(random) for _ in range(random.choice([1, 2, 3]))]
        common = drawn(random) if random.random() < 0.5 else {}
        memory = random.random() < 0.3
        if memory:
            about_positions = ("causal", "window", "rotary", "rotary_share")
            common = {key: one for key, one in common.items() if key not in about_positions}
            steps[-1] = {k: one for k, one in steps[-1].items() if k not in about_positions}
        tree = emitted(backend, *({**step, **common} for step in steps), memory=memory)
        of = attention(tree)
        if of is None:
            continue
        seen += 1
        own = methods(of)
        constructor = own["__init__"]
        read = {one.id for one in ast.walk(constructor) if isinstance(one, ast.Name)}
        assert {one.arg for one in constructor.args.kwonlyargs} <= read, seed
        kept = {one.attr for one in attributes(constructor) if isinstance(one.ctx, ast.Store)}
        others = [one for name, one in own.items() if name not in ("__init__", "get_config")]
        used = {one.attr for each in others for one in attributes(each)}
        assert kept <= used, (seed, kept - used)
        frameworks = ("__init__", "forward", "build", "call", "get_config")
        assert {name for name in own if name not in frameworks} <= used, seed
        for node in ast.walk(of):
            if isinstance(node, ast.If | ast.IfExp):
                assert not isinstance(node.test, ast.Constant), seed
        calls = [
            {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg != "name"}
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == of.name
        ]
        for option, default in options(of).items():
            values = {call.get(option, default) for call in calls}
            assert values != {default}, (seed, option)
            if "bias" not in option and values <= {"True", "False"}:
                assert len(values) == 2, (seed, option)
        assert {name for call in calls for name in call} <= options(of).keys(), seed
    assert seen >= 50


def attributes(node: ast.AST) -> list[ast.Attribute]:
    """The attributes of `self` in a method."""
    return [
        one
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute) and ast.unparse(one.value) == "self"
    ]


BLOCKS = """
blocks:
  layer:
    params: {bias: true}
    layers: [{attention: {heads: 4, bias: $bias, output_bias: true, rotary: 100}}]
layers: [{block: layer}, {block: layer, with: {bias: false}}]
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bias_that_all_instances_have_is_no_reason_for_a_second_block(backend: str) -> None:
    body = {"input": {"tokens": 5, "features": 16}, **yaml.safe_load(BLOCKS)}
    tree = ast.parse(network(body).emit(backend))
    assert options(the(tree)) == {
        "bias" if backend == "torch" else "use_bias": None,
        "rotary": None,
    }
    blocks = [getattr(one, "name", "").lower() for one in tree.body]
    assert [name for name in blocks if "layer" in name] == ["layer"]
