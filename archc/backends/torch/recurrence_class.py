"""The classes of recurrences in an emitted PyTorch file, with the options that its network uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from archc.backends.options import Option, Options, calls_in, options_of, renamed_calls
from archc.backends.torch.attention_class import method
from archc.codegen.rewrite import rewritten
from archc.codegen.tree import (
    Assign,
    Attribute,
    Call,
    ClassDef,
    Comment,
    Conditional,
    Expr,
    ExpressionStatement,
    For,
    FunctionDef,
    If,
    Index,
    Keyword,
    Lit,
    Parameter,
    Ref,
    Return,
    Slice,
    Statement,
    TupleOf,
    Unary,
    call,
)

NAMES = ("GRULayer", "LSTMLayer")
OPTIONS = {
    "layers": Option("int", 1),
    "dropout": Option("float", 0.0),
    "bidirectional": Option("bool", False),
    "return_sequences": Option("bool", False),
}
"""The keywords of the classes, of which each has those that its network uses."""

SELF = Parameter("self")
TENSOR = Ref("Tensor")


def with_recurrences(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """The classes of a network, and before them those of the recurrences in them."""
    classes: list[Statement] = []
    for name in NAMES:
        if calls := calls_in(statements, [name]):
            options = options_of(calls, OPTIONS)
            classes.append(_class(name, options))
            left = partial(renamed_calls, names=[name], name=name, options=options)
            statements = [rewritten(one, left) for one in statements]
    return (*classes, *statements)


def _class(name: str, options: Options) -> ClassDef:
    base = f"nn.{name.removesuffix('Layer')}"
    methods = (_constructor(name, options), _forward(name, options))
    return ClassDef(name, (Ref(base),), _docstring(name, base, options), methods)


def _docstring(name: str, base: str, options: Options) -> str:
    sequences = options.flag("return_sequences")
    width = "2 * units" if options.flag("bidirectional") == Lit(True) else "units"
    gives = f"its outputs alone: (batch, length, {width})"
    if sequences == Lit(False):
        gives = f"its last output alone: (batch, {width})"
    sentences = []
    if "return_sequences" in options.parameters:
        which = "one" if options.flag("bidirectional") == Lit(False) else "one of each direction"
        sentences.append(f"Without `return_sequences` the last {which}: (batch, {width}).")
    if name == "LSTMLayer":
        sentences.append("A second bias of each gate stays zero: it is added to the first.")
    summary = f"`{base}` that gives {gives}."
    return f"{summary}\n\n{' '.join(sentences)}" if sentences else summary


def _constructor(name: str, options: Options) -> FunctionDef:
    parameters = (Parameter("features", Ref("int")), Parameter("units", Ref("int")))
    words = (
        Keyword("num_layers", _value("layers", options), Lit(1)),
        Keyword("batch_first", Lit(True)),
        Keyword("dropout", _value("dropout", options), Lit(0.0)),
        Keyword("bidirectional", options.flag("bidirectional"), Lit(False)),
    )
    base = Attribute(call("super"), "__init__")
    body: list[Statement] = [
        ExpressionStatement(Call(base, (Ref("features"), Ref("units")), words))
    ]
    if "return_sequences" in options.parameters:
        body.append(Assign(Ref("self.return_sequences"), Ref("return_sequences")))
    if name == "LSTMLayer":
        body.append(_without_second_biases())
    return FunctionDef(
        "__init__", (SELF, *parameters, *options.parameters.values()), Lit(None), None, tuple(body)
    )


def _value(name: str, options: Options) -> Expr:
    return Ref(name) if name in options.parameters else Lit(OPTIONS[name].default)


def _without_second_biases() -> For:
    bias, name = Ref("bias"), Ref("name")
    zeros = call("torch.zeros_like", bias)
    body = (
        ExpressionStatement(call("delattr", Ref("self"), name)),
        ExpressionStatement(call("self.register_buffer", name, zeros, persistent=False)),
    )
    parameters = call("list", call("self.named_parameters"))
    return For(TupleOf((name, bias)), parameters, (If(call("name.startswith", "bias_hh"), body),))


def _forward(name: str, options: Options) -> FunctionDef:
    outputs, states = Ref("outputs"), Ref("states")
    result = call(Attribute(call("super"), "forward"), Ref("x"))
    sequences = options.flag("return_sequences", "self.return_sequences")
    unused = Ref("_")
    all_states: Expr = TupleOf((states, unused)) if name == "LSTMLayer" else states
    targets = TupleOf(
        (
            unused if sequences == Lit(False) else outputs,
            unused if sequences == Lit(True) else all_states,
        )
    )
    body: list[Statement] = [Assign(targets, result)]
    if sequences == Lit(True):
        body.append(Return(outputs))
    else:
        if sequences != Lit(False):
            body.append(If(sequences, (Return(outputs),)))
        body += _last(options)
    return FunctionDef("forward", (SELF, Parameter("x", TENSOR)), TENSOR, None, tuple(body))


def _last(options: Options) -> Iterator[Statement]:
    """The last states of the last layer, those of both directions beside each other."""
    states, both = Ref("states"), options.flag("bidirectional", "self.bidirectional")
    if both == Lit(False):
        yield Comment("of layers, batch, units")
        yield Return(Index(states, (Lit(-1),)))
        return
    directions: Expr = Lit(2)
    if both != Lit(True):
        yield Assign(Ref("directions"), Conditional(both, Lit(2), Lit(1)))
        directions = Ref("directions")
    yield Comment("of layers * directions, batch, units")
    last = Index(states, (Slice(Unary("-", directions)),))
    yield Return(method(method(last, "transpose", 0, 1), "flatten", 1))
