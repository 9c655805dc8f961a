"""The printed tree means what the tree says, is inert, and is what ruff leaves unchanged."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archc.codegen.docs import lit
from archc.codegen.printer import imports, render
from archc.codegen.rewrite import children, transform, unify, walk
from archc.codegen.tree import (
    BINDING,
    Assign,
    Attribute,
    Binary,
    BlankLine,
    Call,
    ClassDef,
    Comment,
    Commented,
    Conditional,
    Expr,
    ExpressionStatement,
    For,
    FString,
    FunctionDef,
    Generator,
    If,
    Import,
    ImportFrom,
    Index,
    Keyword,
    ListOf,
    Lit,
    Module,
    Parameter,
    Raw,
    Ref,
    Return,
    Slice,
    Starred,
    Statement,
    TupleOf,
    Unary,
    Value,
    call,
)

A, B, C, X = Ref("a"), Ref("b"), Ref("c"), Ref("x")


def printed(expr: Expr) -> str:
    return render(Module(body=(Assign(X, expr),))).removeprefix("x = ").rstrip("\n")


def ruff(folder: Path, command: str, *options: str) -> str:
    """What ruff says of the files in `folder`; empty where it has no complaint."""
    run = subprocess.run(
        [sys.executable, "-m", "ruff", command, "--isolated", "--no-cache", *options, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if run.returncode == 0 else run.stdout + run.stderr


HOSTILE = [
    "",
    "plain",
    "it's",
    'say "hi"',
    '"\'"',
    '"""',
    "'''",
    '"""\n__import__("os").system("id")\n"""',
    "\\",
    '\\"',
    "ends in \\",
    "a\nb\r\nc\td",
    "\x00\x1b[31m\x7f",
    "caf\u00e9 \u2028 \u202e \U0001f600 \ud800",
    "{x!r}",
    "{{}}",
    "# coding: utf-7",
    "%s $(id) `id`",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_string_is_read_back(text: str) -> None:
    literal = lit(text)
    assert literal.isascii()
    assert literal.isprintable()
    assert ast.literal_eval(literal) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "None"),
        (True, "True"),
        (-3, "-3"),
        (1e-5, "1e-5"),
        (1e16, "1e16"),
        (1.5e-10, "1.5e-10"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        ((), "()"),
        ((1,), "(1,)"),
        ((1, (2.5, "a")), '(1, (2.5, "a"))'),
        ("it's", '"it\'s"'),
        ('"a"', "'\"a\"'"),
        ("\"'", '"\\"\'"'),
        ("\x07\u00e9", '"\\x07\\xe9"'),
    ],
)
def test_literals(value: Value, expected: str) -> None:
    assert lit(value) == expected
    assert ast.literal_eval(expected) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), (1.0, float("nan"))])
def test_a_number_that_is_not_finite_is_refused(value: Value) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        lit(value)


def test_a_subclass_is_no_literal() -> None:
    class Sly(str):
        __slots__ = ()

    with pytest.raises(TypeError, match="Sly"):
        lit(Sly("x"))
    with pytest.raises(TypeError, match="list"):
        lit([1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    ["", "1a", "a b", "a\n", "\ufb01t", "a-b", "class", "None", "a;b", "a(", "a.", ".a", "a..b"],
)
@pytest.mark.parametrize(
    "make",
    [
        Ref,
        lambda name: Attribute(X, name),
        lambda name: Keyword(name, X),
        lambda name: Generator(X, name, X),
        Parameter,
        FunctionDef,
        ClassDef,
        Import,
        lambda name: Import("a", name),
        lambda name: ImportFrom(name, ("a",)),
        lambda name: ImportFrom("a", (name,)),
    ],
)
def test_a_bad_name_is_refused(make: Callable[[str], object], name: str) -> None:
    with pytest.raises(ValueError, match="not an identifier"):
        make(name)


def test_only_references_and_modules_are_dotted() -> None:
    assert printed(Ref("nn.Conv2d")) == "nn.Conv2d"
    with pytest.raises(ValueError, match="not an identifier"):
        Attribute(X, "a.b")


def test_other_faults_of_a_tree() -> None:
    with pytest.raises(ValueError, match="binary operator"):
        Binary("if", A, B)
    with pytest.raises(ValueError, match="unary operator"):
        Unary("~", A)
    with pytest.raises(ValueError, match="needs a key"):
        Index(A, ())
    with pytest.raises(ValueError, match="nothing is imported"):
        ImportFrom("a", ())
    for misplaced in (Starred(A), Commented(A, "c"), Slice(A)):
        with pytest.raises(ValueError, match="cannot stand here"):
            printed(Binary("+", misplaced, B))
    for text in (Lit("s"), call("f", Lit("s")), Generator(Lit("}"), "_", A)):
        with pytest.raises(ValueError, match="f-string"):
            printed(FString(("a", text)))
    for empty in (FunctionDef("f"), ClassDef("A", body=(Comment("x"),)), If(A, ())):
        with pytest.raises(ValueError, match="a body without a statement"):
            render(Module(body=(empty,)))
    with pytest.raises(ValueError, match="a comment inside"):
        render(Module(body=(Assign(TupleOf((Commented(A, "c"), B)), C),)))


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (Binary("+", A, Binary("*", B, C)), "a + b * c"),
        (Binary("*", Binary("+", A, B), C), "(a + b) * c"),
        (Binary("-", Binary("-", A, B), C), "a - b - c"),
        (Binary("-", A, Binary("-", B, C)), "a - (b - c)"),
        (Binary("<", Binary("<", A, B), C), "(a < b) < c"),
        (Binary("or", A, Binary("and", B, C)), "a or (b and c)"),
        (Binary("and", Binary("or", A, B), C), "(a or b) and c"),
        (Binary("and", Unary("not", A), B), "not a and b"),
        (Unary("not", Binary("==", A, B)), "not (a == b)"),
        (Unary("-", Binary("**", A, B)), "-(a**b)"),
        (Binary("**", Unary("-", A), B), "(-a) ** b"),
        (Binary("**", X, Lit(2)), "x**2"),
        (Binary("**", Lit(-1), Lit(-2)), "(-1) ** -2"),
        (Binary("**", Ref("self.x"), Lit(0.5)), "self.x**0.5"),
        (Binary("**", call("f", 1), Lit(2)), "f(1) ** 2"),
        (Binary("**", A, Binary("**", B, call("f"))), "a**b ** f()"),
        (Conditional(A, B, Conditional(C, A, B)), "b if a else (a if c else b)"),
        (Index(X, (Slice(), Slice(Lit(1)))), "x[:, 1:]"),
        (Index(X, (Slice(stop=Lit(-1)),)), "x[:-1]"),
        (Index(X, (Slice(step=Lit(2)),)), "x[::2]"),
        (Index(X, (Slice(Binary("+", A, Lit(1))),)), "x[a + 1 :]"),
        (Index(X, (Slice(A, Ref("b.c"), Lit(2)),)), "x[a : b.c : 2]"),
        (Index(X, (Lit(0),)), "x[0]"),
        (Attribute(Binary("+", A, B), "c"), "(a + b).c"),
        (Attribute(Lit(1), "real"), "(1).real"),
        (Attribute(Lit("a"), "upper"), '"a".upper'),
        (Call(Call(A, (B,)), (X,)), "a(b)(x)"),
        (call("f", Starred(A), k=Starred(A).value), "f(*a, k=a)"),
        (Call(A, (), (Keyword("k", Lit(1), Lit(1)), Keyword("m", Lit(1), Lit(True)))), "a(m=1)"),
        (call("f", Generator(A, "i", B)), "f(a for i in b)"),
        (call("f", Generator(A, "i", B), 1), "f((a for i in b), 1)"),
        (call("f", Starred(Generator(A, "_", call("range", 5)))), "f(*(a for _ in range(5)))"),
        (ListOf((A, Lit((1,)), TupleOf((B,)))), "[a, (1,), (b,)]"),
        (FString((Ref("name"), "_conv1")), 'f"{name}_conv1"'),
        (FString(("{", A, '}"')), "f'{{{a}}}\"'"),
        (FString(("plain {",)), '"plain {"'),
    ],
)
def test_expressions(expr: Expr, expected: str) -> None:
    assert printed(expr) == expected


def test_equality_is_structural_and_typed() -> None:
    assert Lit(1) != Lit(True)
    assert Lit(1) != Lit(1.0)
    assert Lit(0.0) != Lit(-0.0)
    assert Lit((1, 2)) != Lit((1, 2.0))
    assert Lit(1, "filters") == Lit(1)
    assert len({Lit(1), Lit(True), Lit(1.0), Lit(1, "filters")}) == 3
    assert call("f", 1, k=2) == Call(Ref("f"), (Lit(1),), (Keyword("k", Lit(2)),))
    assert len({ListOf((A,)), TupleOf((A,))}) == 2


def test_walk_and_transform_reach_everything() -> None:
    tree = call(
        "f",
        ListOf((Starred(A), Commented(B, "c"))),
        Index(TupleOf((A,)), (Slice(A, None, B), C)),
        Conditional(A, Unary("-", B), Binary("+", A, C)),
        Generator(Attribute(A, "n"), "i", FString(("s", B))),
        k=A,
    )
    names = [each.name for each in walk(tree) if isinstance(each, Ref)]
    assert names == list("fab" + "aabc" + "baac" + "ab" + "a")

    def rename(expr: Expr) -> Expr:
        return Ref(expr.name + "_") if isinstance(expr, Ref) else expr

    renamed = transform(tree, rename)
    assert [each.name for each in walk(renamed) if isinstance(each, Ref)] == [
        name + "_" for name in names
    ]
    assert transform(tree, lambda expr: expr) == tree
    assert children(Conditional(A, B, C)) == (B, A, C)


def test_unify_keeps_what_is_equal_and_resolves_what_differs() -> None:
    seen: list[tuple[Lit, ...]] = []

    def resolve(leaves: tuple[Lit, ...]) -> Expr:
        seen.append(leaves)
        return Ref(leaves[0].field or "none")

    trees = [
        Call(
            Ref("nn.Conv2d"),
            (Lit(64), Lit(width, "width")),
            (Keyword("stride", Lit(stride, "stride"), Lit(1)), Keyword("bias", Lit(False))),
        )
        for width, stride in ((64, 1), (128, 2), (128, 1))
    ]
    unified = unify(trees, resolve)
    assert unified is not None
    assert printed(unified) == "nn.Conv2d(64, width, stride=stride, bias=False)"
    assert [[leaf.value for leaf in leaves] for leaves in seen] == [[64, 128, 128], [1, 2, 1]]
    same = unify([trees[0], trees[0]], resolve)
    assert same == trees[0]
    assert len(seen) == 2


@pytest.mark.parametrize(
    "trees",
    [
        (A, B),
        (Lit(1), A),
        (call("f", 1), call("g", 1)),
        (call("f", 1), call("f", 1, 2)),
        (call("f", 1), call("f", k=1)),
        (call("f", k=1), call("f", m=1)),
        (Binary("+", A, B), Binary("-", A, B)),
        (Index(A, (Slice(B),)), Index(A, (Slice(None, B),))),
        (FString(("a", A)), FString(("b", A))),
        (ListOf((A, B)), TupleOf((A, B))),
        (Generator(A, "i", B), Generator(A, "j", B)),
    ],
)
def test_unify_refuses_another_structure(trees: tuple[Expr, Expr]) -> None:
    assert unify(trees, lambda leaves: X) is None


def test_unify_passes_a_refusal_on() -> None:
    assert unify((call("f", 1), call("f", 2)), lambda leaves: None) is None


def test_unify_drops_comments_and_defaults_that_differ() -> None:
    def pool(size: int, comment: str) -> Expr:
        words = (Keyword("stride", Lit(2), Lit(size)),)
        return ListOf((Commented(Call(Ref("pool"), (Lit(size),), words), comment, "same"),))

    unified = unify((pool(2, "a"), pool(3, "b")), lambda leaves: Ref("size"))
    pooled = Call(Ref("pool"), (Ref("size"),), (Keyword("stride", Lit(2)),))
    assert unified == ListOf((Commented(pooled, None, "same"),))


TORCH = Module(
    header=("Code generated by archc from specs/tiny.yaml (sha256 00). DO NOT EDIT.",),
    docstring="Tiny, in PyTorch.",
    body=(
        *imports(ImportFrom("torch", ("nn", "Tensor")), Import("torch")),
        ClassDef(
            "Tiny",
            (Ref("nn.Module"),),
            "Tiny, a network for this test.\n\nInput: (batch, 3, 224, 224).",
            (
                FunctionDef(
                    "__init__",
                    (Parameter("self"), Parameter("classes", Ref("int"), Lit(1000))),
                    Lit(None),
                    None,
                    (
                        ExpressionStatement(call(Attribute(call("super"), "__init__"))),
                        Assign(
                            Ref("self.features"),
                            call(
                                "nn.Sequential",
                                Commented(
                                    call("nn.Conv2d", 3, 64, kernel_size=3),
                                    "64 x 222 x 222",
                                    above="stem",
                                ),
                                call("nn.ReLU", inplace=True),
                                Commented(
                                    call(
                                        "nn.Conv2d",
                                        64,
                                        128,
                                        kernel_size=(3, 5),
                                        stride=(2, 2),
                                        padding=(1, 2),
                                        padding_mode="circular",
                                    ),
                                    "128 x 111 x 111",
                                ),
                                Commented(
                                    call("nn.LocalResponseNorm", size=5, alpha=0.0005, k=2.0),
                                    "a comment that is too long to stand behind its item",
                                ),
                            ),
                        ),
                        Assign(
                            Ref("self.blocks"),
                            call(
                                "nn.Sequential",
                                call("Block", 64),
                                Starred(
                                    Generator(call("Block", 256), "_", call("range", 5)),
                                ),
                            ),
                            "256 x 56 x 56",
                        ),
                        Assign(
                            Ref("self.shortcut"),
                            Conditional(
                                Binary("==", Ref("in_channels"), Ref("width")),
                                call("nn.Identity"),
                                call("nn.Conv2d", Ref("in_channels"), Ref("width"), 1, stride=2),
                            ),
                        ),
                    ),
                ),
                FunctionDef(
                    "forward",
                    (Parameter("self"), Parameter("x", Ref("Tensor"))),
                    Ref("Tensor"),
                    None,
                    (
                        Assign(X, call("self.features", X)),
                        Assign(X, call("torch.flatten", X, 1), "8192"),
                        Return(Binary("+", call("self.classifier", X), call("self.shortcut", X))),
                    ),
                ),
            ),
        ),
        FunctionDef("build_model", (), Ref("nn.Module"), None, (Return(call("Tiny")),)),
        If(
            Binary("==", Ref("__name__"), Lit("__main__")),
            (ExpressionStatement(call("print", FString(("size: ", Ref("size"))))),),
        ),
    ),
)
TORCH_TEXT = '''\
# Code generated by archc from specs/tiny.yaml (sha256 00). DO NOT EDIT.
"""Tiny, in PyTorch."""

import torch
from torch import Tensor, nn


class Tiny(nn.Module):
    """Tiny, a network for this test.

    Input: (batch, 3, 224, 224).
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            # stem
            nn.Conv2d(3, 64, kernel_size=3),  # 64 x 222 x 222
            nn.ReLU(inplace=True),
            nn.Conv2d(
                64,
                128,
                kernel_size=(3, 5),
                stride=(2, 2),
                padding=(1, 2),
                padding_mode="circular",
            ),  # 128 x 111 x 111
            # a comment that is too long to stand behind its item
            nn.LocalResponseNorm(size=5, alpha=0.0005, k=2.0),
        )
        # 256 x 56 x 56
        self.blocks = nn.Sequential(Block(64), *(Block(256) for _ in range(5)))
        self.shortcut = (
            nn.Identity()
            if in_channels == width
            else nn.Conv2d(in_channels, width, 1, stride=2)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = torch.flatten(x, 1)  # 8192
        return self.classifier(x) + self.shortcut(x)


def build_model() -> nn.Module:
    return Tiny()


if __name__ == "__main__":
    print(f"size: {size}")
'''

KERAS = Module(
    docstring='Text of a spec: """ \\ \u00e9\n"',
    body=(
        *imports(
            Import("numpy", "np"),
            ImportFrom("keras", ("layers",)),
            Import("sys"),
            Import("keras"),
            ImportFrom("__future__", ("annotations",)),
            ImportFrom("keras", ("Model", "layers", "AXIS")),
        ),
        Assign(Ref("EPSILON"), Lit(1e-5)),
        FunctionDef(
            "block",
            (
                Parameter("x", Ref("keras.KerasTensor")),
                Parameter("filters", Ref("int")),
                Parameter("project", Ref("bool"), Lit(False), keyword_only=True),
                Parameter("name", Ref("str"), Lit("block"), keyword_only=True),
            ),
            Ref("keras.KerasTensor"),
            "A residual block.",
            (
                If(
                    Ref("project"),
                    (
                        Assign(
                            Ref("shortcut"),
                            Call(
                                call(
                                    "layers.Conv2D",
                                    Binary("*", Lit(4), Ref("filters")),
                                    1,
                                    use_bias=False,
                                    name=FString((Ref("name"), "_projection_conv")),
                                ),
                                (X,),
                            ),
                        ),
                    ),
                    (Assign(Ref("shortcut"), X),),
                ),
                For(
                    TupleOf((Ref("index"), Ref("size"))),
                    call("enumerate", (3, 3)),
                    (Assign(X, Call(call("layers.Conv2D", Ref("filters"), Ref("size")), (X,))),),
                ),
                BlankLine(),
                Comment("The sum."),
                Return(TupleOf((Call(call("layers.Add"), (ListOf((X, Ref("shortcut"))),)), X))),
            ),
        ),
        Comment("A helper."),
        Raw("class Scale(layers.Layer):\n    pass\n"),
        Assign(
            Ref("model"),
            call(
                "keras.Sequential",
                ListOf(
                    (
                        call("keras.Input", (224, 224, 3)),
                        Commented(call("layers.Flatten"), "150528"),
                    )
                ),
                name="tiny",
            ),
        ),
    ),
)
KERAS_TEXT = '''\
"""Text of a spec: \\"\\"\\" \\\\ \\xe9
"
"""

from __future__ import annotations

import sys

import keras
import numpy as np
from keras import AXIS, Model, layers

EPSILON = 1e-5


def block(
    x: keras.KerasTensor,
    filters: int,
    *,
    project: bool = False,
    name: str = "block",
) -> keras.KerasTensor:
    """A residual block."""
    if project:
        shortcut = layers.Conv2D(
            4 * filters,
            1,
            use_bias=False,
            name=f"{name}_projection_conv",
        )(x)
    else:
        shortcut = x
    for index, size in enumerate((3, 3)):
        x = layers.Conv2D(filters, size)(x)

    # The sum.
    return layers.Add()([x, shortcut]), x


# A helper.
class Scale(layers.Layer):
    pass


model = keras.Sequential(
    [
        keras.Input((224, 224, 3)),
        layers.Flatten(),  # 150528
    ],
    name="tiny",
)
'''


@pytest.mark.parametrize(("module", "text"), [(TORCH, TORCH_TEXT), (KERAS, KERAS_TEXT)])
def test_a_whole_module(tmp_path: Path, module: Module, text: str) -> None:
    assert render(module) == text
    (tmp_path / "whole.py").write_text(text, encoding="ascii")
    assert ruff(tmp_path, "format", "--diff") == ""
    assert ruff(tmp_path, "check", "--ignore=F401,F821") == ""
    assert ruff(tmp_path, "check", "--select=I,COM,E501,W,Q,RUF021,UP034") == ""


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.strip()])
@pytest.mark.parametrize("around", ["{}", "Title. {}", "{} and more", "One.\n\n    {}\n  {} b\n"])
def test_a_docstring_is_inert(text: str, around: str) -> None:
    function = FunctionDef("f", (), None, around.replace("{}", text), (Return(),))
    source = render(Module(body=(function,)))
    assert source.isascii()
    (parsed,) = ast.parse(source).body
    assert isinstance(parsed, ast.FunctionDef)
    assert [type(each) for each in parsed.body] == [ast.Expr, ast.Return]
    docstring = ast.get_docstring(parsed)
    assert docstring is not None
    assert docstring.split() == around.replace("{}", text).split()


def test_a_blank_docstring_is_left_out() -> None:
    assert render(Module(body=(FunctionDef("f", (), None, " \n\t", (Return(),)),))) == (
        "def f():\n    return\n"
    )


def test_a_docstring_is_wrapped_line_by_line() -> None:
    text = "word " * 17 + "ends.\n\n\n\nArgs:\n    width: " + "channels " * 10 + "\nlast"
    source = render(Module(body=(ClassDef("A", (), text),)))
    assert source == (
        'class A:\n    """' + "word " * 16 + "\n    word ends.\n\n    Args:\n"
        "        width: " + "channels " * 8 + "\n        channels channels\n"
        '    last\n    """\n'
    ).replace(" \n", "\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_comment_is_one_inert_line(text: str) -> None:
    body = (Comment(text), Assign(A, ListOf((Commented(B, text, text),)), text))
    source = render(Module((text,), None, body))
    assert source.isascii()
    assert "coding:" not in source
    assert ast.dump(ast.parse(source)) == ast.dump(ast.parse("a = [b]"))


def test_imports_are_needed_once() -> None:
    assert imports(Import("torch"), Import("torch"), ImportFrom("torch", ("nn",))) == (
        Import("torch"),
        ImportFrom("torch", ("nn",)),
    )


def test_a_long_sequential_takes_linear_time_and_no_recursion() -> None:
    items = tuple(Commented(call("nn.ReLU"), "64 x 56 x 56") for _ in range(10_000))
    source = render(Module(body=(Assign(X, call("nn.Sequential", *items)),)))
    assert source.count("\n") == 10_002
    chain: Expr = X
    for _ in range(10_000):
        chain = Attribute(chain, "a")
    assert printed(chain).count(".a") == 10_000


# Random trees.

names = st.from_regex(r"[a-h]{1,12}_", fullmatch=True)
refs = st.one_of(names, st.tuples(names, names).map(".".join)).map(Ref)
texts = st.one_of(
    st.sampled_from(["same", "relu", *HOSTILE]), st.text(st.characters(codec="utf-8"), max_size=9)
)
constants = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    texts.map(lambda text: text[:12]),
)
values: st.SearchStrategy[Value] = st.one_of(
    constants, st.lists(st.one_of(constants, st.just((1, 2))), max_size=3).map(tuple)
)
notes = st.none() | st.none() | st.sampled_from(["64 x 112 x 112", "features"]) | texts
tuples = st.builds(lambda items: tuple(items), st.lists(names, max_size=3))


def grown(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    generators = st.builds(Generator, inner, st.sampled_from(["_", "i"]), inner)
    item = st.one_of(
        inner,
        inner,
        st.builds(Starred, st.one_of(inner, generators)),
        st.builds(Commented, inner, notes, notes),
    )
    items = st.lists(item, max_size=4).map(tuple)
    words = st.dictionaries(names, inner, max_size=4).map(
        lambda found: tuple(Keyword(name, value) for name, value in found.items())
    )
    bounds = st.none() | inner
    keys = st.lists(st.one_of(inner, st.builds(Slice, bounds, bounds, bounds)), min_size=1)
    fields = st.lists(st.one_of(texts.map(lambda text: text[:6]), refs), max_size=3)
    return st.one_of(
        st.builds(Call, refs, items, words),
        st.builds(Call, refs, items, words),
        st.builds(Call, st.builds(Call, refs, items, words), st.tuples(refs)),
        st.builds(Call, inner, items, words),
        st.builds(Call, refs, st.tuples(generators)),
        st.builds(Binary, st.sampled_from(sorted(BINDING)), inner, inner),
        st.builds(Unary, st.sampled_from(["-", "not"]), inner),
        st.builds(Conditional, inner, inner, inner),
        st.builds(ListOf, items),
        st.builds(TupleOf, items),
        st.builds(Attribute, inner, names),
        st.builds(Index, inner, keys.map(lambda found: tuple(found[:2]))),
        generators,
        st.builds(FString, fields.map(tuple)),
    )


exprs = st.recursive(st.one_of(refs, values.map(Lit)), grown, max_leaves=14)
short = st.one_of(refs, values.map(Lit)).filter(lambda expr: len(printed(expr)) < 25)
docstrings = st.none() | texts | st.tuples(texts, texts).map("\n\n  ".join)
targets = st.one_of(refs, st.builds(Attribute, refs, names), st.tuples(refs, refs).map(TupleOf))


def parameters() -> st.SearchStrategy[tuple[Parameter, ...]]:
    kinds = st.builds(Parameter, names, st.none() | refs, short, st.just(value=True))
    plain = st.builds(Parameter, names, st.none() | refs)
    listed = st.tuples(st.lists(plain, max_size=4), st.lists(kinds, max_size=3))
    return listed.map(lambda both: tuple({p.name: p for p in [*both[1], *both[0]]}.values())).map(
        lambda found: tuple(sorted(found, key=lambda each: each.keyword_only))
    )


def nested(inner: st.SearchStrategy[Statement]) -> st.SearchStrategy[Statement]:
    bodies = st.builds(
        lambda body, last: (*body, last), st.lists(inner, max_size=3), st.builds(Return, short)
    )
    functions = st.builds(
        FunctionDef, names, parameters(), st.none() | refs, docstrings, bodies,
        st.lists(refs, max_size=1).map(tuple),
    )  # fmt: skip
    return st.one_of(
        functions,
        functions,
        st.builds(ClassDef, names, st.lists(refs, max_size=3).map(tuple), docstrings, bodies),
        st.builds(If, exprs, bodies, st.one_of(st.just(()), bodies)),
        st.builds(lambda a, b, c, d: If(a, b, (If(c, d),)), refs, bodies, refs, bodies),
        st.builds(For, names.map(Ref), exprs, bodies),
    )


simple: st.SearchStrategy[Statement] = st.one_of(
    st.builds(Assign, targets, exprs, notes),
    st.builds(Assign, targets, exprs, notes),
    st.builds(Assign, refs, exprs, notes, refs),
    st.builds(Return, st.none() | exprs, notes),
    st.builds(Return, st.tuples(exprs, exprs).map(TupleOf)),
    st.builds(lambda name, value: ExpressionStatement(call(name, value)), refs, exprs),
    st.builds(Comment, texts),
    st.just(BlankLine()),
)
statements = st.recursive(simple, nested, max_leaves=8)
heads = st.lists(texts, max_size=1).map(tuple)
modules = st.builds(
    lambda header, docstring, body: Module(header, docstring, (*body, Assign(X, A))),
    heads,
    docstrings,
    st.lists(statements, min_size=1, max_size=5),
)
quick = settings(
    max_examples=120, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_ruff_leaves_random_modules_as_they_are(tmp_path: Path) -> None:
    rendered: list[str] = []

    @quick
    @given(modules)
    def collect(module: Module) -> None:
        source = render(module)
        assert source.isascii()
        ast.parse(source)
        rendered.append(source)

    collect()
    assert len(rendered) >= 120
    for index, source in enumerate(rendered):
        (tmp_path / f"m{index}.py").write_text(source, encoding="ascii")
    assert ruff(tmp_path, "format", "--diff") == ""


OPERATORS: dict[str, type[ast.operator | ast.cmpop | ast.boolop]] = {
    "or": ast.Or, "and": ast.And, "==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, "<=": ast.LtE,
    ">": ast.Gt, ">=": ast.GtE, "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div,
    "//": ast.FloorDiv, "%": ast.Mod, "**": ast.Pow,
}  # fmt: skip


def meant(expr: Expr) -> ast.expr:
    """What Python should read in the printed expression."""
    match expr:
        case Lit(value) if isinstance(value, tuple):
            return ast.Tuple([meant(Lit(item)) for item in value], ast.Load())
        case Lit(value) if isinstance(value, int | float) and str(value).startswith("-"):
            return ast.UnaryOp(ast.USub(), ast.Constant(-value))
        case Lit(value):
            return ast.Constant(value)  # type: ignore[arg-type]
        case Ref(name):
            first, *rest = name.split(".")
            read: ast.expr = ast.Name(first, ast.Load())
            for part in rest:
                read = ast.Attribute(read, part, ast.Load())
            return read
        case ListOf(items):
            return ast.List([meant(item) for item in items], ast.Load())
        case TupleOf(items):
            return ast.Tuple([meant(item) for item in items], ast.Load())
        case Starred(value):
            return ast.Starred(meant(value), ast.Load())
        case Commented(value):
            return meant(value)
        case Call(function, arguments, keywords):
            words = [ast.keyword(word.name, meant(word.value)) for word in keywords]
            return ast.Call(meant(function), [meant(each) for each in arguments], words)
        case Attribute(value, name):
            return ast.Attribute(meant(value), name, ast.Load())
        case Slice(start, stop, step):
            bounds = [None if part is None else meant(part) for part in (start, stop, step)]
            return ast.Slice(*bounds)
        case Index(value, keys):
            several = ast.Tuple([meant(key) for key in keys], ast.Load())
            key = several if len(keys) > 1 else several.elts[0]
            return ast.Subscript(meant(value), key, ast.Load())
        case Unary(operator, operand):
            return ast.UnaryOp(ast.Not() if operator == "not" else ast.USub(), meant(operand))
        case Binary("and" | "or" as operator, left, right):
            begun = meant(left)
            same = isinstance(left, Binary) and left.operator == operator
            head = begun.values if same and isinstance(begun, ast.BoolOp) else [begun]
            return ast.BoolOp(ast.And() if operator == "and" else ast.Or(), [*head, meant(right)])
        case Binary(operator, left, right):
            made = OPERATORS[operator]()
            if isinstance(made, ast.cmpop):
                return ast.Compare(meant(left), [made], [meant(right)])
            assert isinstance(made, ast.operator)
            return ast.BinOp(meant(left), made, meant(right))
        case Conditional(condition, then, otherwise):
            return ast.IfExp(meant(condition), meant(then), meant(otherwise))
        case Generator(element, variable, iterable):
            name_of = ast.Name(variable, ast.Store())
            loop = ast.comprehension(name_of, meant(iterable), [], 0)
            return ast.GeneratorExp(meant(element), [loop])
        case FString(parts):
            return joined(parts)


def joined(parts: tuple[str | Expr, ...]) -> ast.expr:
    if all(isinstance(part, str) for part in parts):
        return ast.Constant("".join(part for part in parts if isinstance(part, str)))
    read: list[ast.expr] = []
    for part in parts:
        if not isinstance(part, str):
            read.append(ast.FormattedValue(meant(part), -1))
        elif read and isinstance(read[-1], ast.Constant):
            read[-1] = ast.Constant(f"{read[-1].value!s}{part}")
        elif part:
            read.append(ast.Constant(part))
    return ast.JoinedStr(read)


@quick
@given(exprs)
def test_random_expressions_mean_what_the_tree_says(expr: Expr) -> None:
    (statement,) = ast.parse(render(Module(body=(Assign(X, expr),)))).body
    assert isinstance(statement, ast.Assign)
    assert ast.dump(statement.value) == ast.dump(meant(expr))


@quick
@given(values)
def test_random_literals_are_read_back(value: Value) -> None:
    read = ast.literal_eval(lit(value))
    assert repr(read) == repr(value)
