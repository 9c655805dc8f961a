"""The printed tree means what the tree says, is inert, and is what ruff leaves unchanged."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from archc.codegen.docs import lit
from archc.codegen.printer import imports, render
from archc.codegen.tree import (
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
    TupleOf,
    Unary,
    Value,
    call,
)
from archc.diagnostics.characters import has_command
from tests.codegen.printing import HOSTILE, A, B, C, X, printed, ruff


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
def test_a_number_that_is_not_finite_is_rejected(value: Value) -> None:
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
def test_a_bad_name_is_rejected(make: Callable[[str], object], name: str) -> None:
    with pytest.raises(ValueError, match="not an identifier"):
        make(name)


def test_only_references_and_modules_are_dotted() -> None:
    assert printed(Ref("nn.Conv2d")) == "nn.Conv2d"
    with pytest.raises(ValueError, match="not an identifier"):
        Attribute(X, "a.b")


def test_other_errors_of_a_tree() -> None:
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
        (call("f", Starred(A), Starred(B, doubly=True)), "f(*a, **b)"),
        (Call(A, (), (Keyword("k", Lit(1), Lit(1)), Keyword("m", Lit(1), Lit(True)))), "a(m=1)"),
        (call("f", Generator(A, "i", B)), "f(a for i in b)"),
        (call("f", Generator(A, "i", B), 1), "f((a for i in b), 1)"),
        (ListOf((Generator(A, "i", B, X),)), "[a for i in b if x]"),
        (call("f", Starred(Generator(A, "_", call("range", 5)))), "f(*(a for _ in range(5)))"),
        (ListOf((A, Lit((1,)), TupleOf((B,)))), "[a, (1,), (b,)]"),
        (FString((Ref("name"), "_conv1")), 'f"{name}_conv1"'),
        (FString(("{", A, '}"')), "f'{{{a}}}\"'"),
        (FString(("plain {",)), '"plain {"'),
    ],
)
def test_expressions(expr: Expr, expected: str) -> None:
    assert printed(expr) == expected


TORCH = Module(
    header=("Generated by archc from specs/tiny.yaml.",),
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
                                        stride=2,
                                        padding=(1, 2),
                                        padding_mode="same",
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
# Generated by archc from specs/tiny.yaml.
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
                stride=2,
                padding=(1, 2),
                padding_mode="same",
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
                Parameter("others", Ref("object"), others=True),
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
    **others: object,
) -> keras.KerasTensor:
    """A residual block."""
    if project:
        shortcut = layers.Conv2D(
            4 * filters, 1, use_bias=False, name=f"{name}_projection_conv"
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
    assert ruff(tmp_path, "check", "--select=I,UP,B,N,E501,W,Q,RUF021", "--ignore=B007") == ""


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


def test_no_line_of_a_docstring_is_a_command_to_a_ci_runner() -> None:
    """The value is what it was."""
    text = "A title.\n\n::error file=a::b and ##[add-mask]c\n" + "word ::error:: " * 12
    source = render(Module(docstring=text, body=(Assign(X, Lit("##[error]")),)))
    assert not any(has_command(line) for line in source.split("\n"))
    tree = ast.parse(source)
    assert (ast.get_docstring(tree) or "").split() == text.split()
    assert ast.literal_eval(tree.body[1].value) == "##[error]"  # type: ignore[attr-defined]
