"""The class of attention in an emitted Keras file, with the options that its network uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archc.backends.attention import BOTH, CROSS, docstring
from archc.backends.options import Option, Options
from archc.codegen.tree import (
    Assign,
    Attribute,
    Binary,
    Call,
    ClassDef,
    Conditional,
    DictOf,
    Expr,
    ExpressionStatement,
    FunctionDef,
    If,
    Index,
    Keyword,
    ListOf,
    Lit,
    Parameter,
    Ref,
    Return,
    Slice,
    Starred,
    Statement,
    TupleOf,
    call,
)

OPTIONS = {
    "key_heads": Option("int", None),
    "use_bias": Option("bool", True),
    "key_bias": Option("bool", None, follows="use_bias"),
    "output_bias": Option("bool", None, follows="use_bias"),
    "causal": Option("bool", False),
    "window": Option("int", None),
    "dropout": Option("float", 0.0),
    "rotary": Option("float", None),
    "rotary_share": Option("float", 1.0),
    "qk_norm": Option("bool", False),
}
"""The keywords of the class, of which it has those that its network uses."""

TENSOR = Ref("keras.KerasTensor")
SHAPE = Index(Ref("tuple"), (Binary("|", Ref("int"), Lit(None)), Lit(...)))
SELF = Parameter("self")
X = Parameter("x", TENSOR)
KEYED = ("key", "value")
"""The projections of the memory, where there is one."""


def attention_class(name: str, options: Options) -> ClassDef:
    """A layer that is called with a sequence, a sequence and its memory, or either."""
    methods = [_constructor(options), _build(name, options), _call(name, options)]
    if "rotary" in options:
        methods.append(_turn(options))
    methods.append(_config(options))
    registered = call("keras.saving.register_keras_serializable")
    bases = (Ref("layers.Layer"),)
    return ClassDef(name, bases, docstring(name, options), tuple(methods), (registered,))


def _constructor(options: Options) -> FunctionDef:
    sizes = (Parameter("heads", Ref("int")), Parameter("head_size", Ref("int")))
    others = Parameter("kwargs", Ref("object"), others=True)
    rest = Starred(Ref("kwargs"), doubly=True)
    values: dict[str, Expr] = {name: Ref(name) for name in ("heads", "head_size")}
    for name in options.parameters:
        values[name] = Ref(name)
        if name == "dropout":
            values[name] = call("layers.Dropout", Ref(name))
        elif options.may_be_none(name) and name in ("key_heads", "key_bias", "output_bias"):
            values[name] = _given(name, "heads" if name == "key_heads" else "use_bias")
    return FunctionDef(
        "__init__",
        (SELF, *sizes, *options.parameters.values(), others),
        Lit(None),
        None,
        (
            ExpressionStatement(call(Attribute(call("super"), "__init__"), rest)),
            *(Assign(Ref(f"self.{name}"), value) for name, value in values.items()),
        ),
    )


def _given(name: str, other: str) -> Expr:
    """A value, or another where it is left out."""
    if name == "key_heads":
        return Binary("or", Ref(name), Ref(other))
    return Conditional(Binary("is", Ref(name), Lit(None)), Ref(other), Ref(name))


def _build(name: str, options: Options) -> FunctionDef:
    """Kernels of (features, heads, head_size), or of the output the other way around."""
    head_size, heads = Ref("self.head_size"), Ref("self.heads")
    shape, memory_shape = Ref("input_shape"), Ref("input_shape")
    parameters = [Parameter(shape.name, SHAPE)]
    body: list[Statement] = []
    if name in (CROSS, BOTH):
        shape, memory_shape = Ref("x_shape"), Ref("memory_shape")
        parameters = [Parameter(shape.name, SHAPE), Parameter(memory_shape.name, SHAPE)]
    if name == BOTH:
        default = Binary("|", SHAPE, Lit(None))
        parameters[1] = Parameter(memory_shape.name, default, Lit(None))
        body.append(Assign(memory_shape, Binary("or", memory_shape, shape)))
    axes = {part: _bias_axes(part, options) for part in ("query", *KEYED)}
    is_shared = len(set(axes.values())) == 1
    body.append(_projection(axes["query"] if is_shared else None))
    for part, own in axes.items():
        keyed = part in KEYED
        number = Ref("self.key_heads") if keyed and "key_heads" in options else heads
        arguments = (number, Lit(part)) if is_shared else (number, own, Lit(part))
        layer = Ref(f"self.{part}_dense")
        body.append(Assign(layer, call("projection", *arguments)))
        body.append(_built(layer, memory_shape if keyed else shape))
    output = Ref("self.output_dense")
    width = TupleOf((Lit(None), Index(shape, (Lit(-1),))))
    words = (
        Keyword("bias_axes", _bias_axes("output", options), Lit(None)),
        Keyword("name", Lit("attention_output")),
    )
    dense = Call(Ref("layers.EinsumDense"), (Lit("bths,hsf->btf"), width), words)
    body.append(Assign(output, dense))
    body.append(_built(output, TupleOf((Lit(None), Lit(None), heads, head_size))))
    if "qk_norm" in options:
        norms: list[Statement] = []
        for part in ("query_norm", "key_norm"):
            norm = call("layers.RMSNormalization", epsilon=1e-6, name=part)
            norms.append(Assign(Ref(f"self.{part}"), norm))
            norms.append(_built(Ref(f"self.{part}"), TupleOf((head_size,))))
        body += _where("qk_norm", norms, options)
    return FunctionDef("build", (SELF, *parameters), Lit(None), None, tuple(body))


def _projection(axes: Expr | None) -> FunctionDef:
    """The function that makes the projections to heads; their biases are an argument where they
    are not the same in all."""
    words = (
        Keyword("bias_axes", Ref("bias_axes") if axes is None else axes, Lit(None)),
        Keyword("name", Ref("name")),
    )
    shape = TupleOf((Lit(None), Ref("heads"), Ref("self.head_size")))
    optional = Parameter("bias_axes", Binary("|", Ref("str"), Lit(None)))
    dense = Call(Ref("layers.EinsumDense"), (Lit("btf,fhs->bths"), Ref("shape")), words)
    return FunctionDef(
        "projection",
        (
            Parameter("heads", Ref("int")),
            *(() if axes else (optional,)),
            Parameter("name", Ref("str")),
        ),
        Ref("layers.EinsumDense"),
        None,
        (Assign(Ref("shape"), shape), Return(dense)),
    )


def _bias_axes(part: str, options: Options) -> Expr:
    """The axes of the bias of a projection: None where it has none."""
    own = f"{part}_bias"
    follows = own not in OPTIONS or options.fixed.get(own, False) is None
    name = "use_bias" if follows else own
    bias = options.flag(name, f"self.{name}")
    axes = Lit("f" if part == "output" else "hs")
    if isinstance(bias, Lit):
        return axes if bias.value else Lit(None)
    return Conditional(bias, axes, Lit(None))


def _built(layer: Ref, shape: Expr) -> Statement:
    return ExpressionStatement(call(f"{layer.name}.build", shape))


def _where(name: str, statements: Sequence[Statement], options: Options) -> Iterator[Statement]:
    """Statements under the condition that a layer has an option, where not all have it."""
    if options.may_be_none(name):
        yield If(Binary("is not", Ref(f"self.{name}"), Lit(None)), tuple(statements))
    elif name in options.parameters and OPTIONS[name].type == "bool":
        yield If(Ref(f"self.{name}"), tuple(statements))
    else:
        yield from statements


def _call(name: str, options: Options) -> FunctionDef:
    parameters = [SELF, X]
    source = Ref("x")
    body: list[Statement] = []
    if name == CROSS:
        parameters.append(Parameter("memory", TENSOR))
        source = Ref("memory")
    elif name == BOTH:
        parameters.append(Parameter("memory", Binary("|", TENSOR, Lit(None)), Lit(None)))
        is_left = Binary("is", Ref("memory"), Lit(None))
        body.append(Assign(Ref("memory"), Conditional(is_left, Ref("x"), Ref("memory"))))
        source = Ref("memory")
    if "dropout" in options:
        parameters.append(Parameter("training", Binary("|", Ref("bool"), Lit(None)), Lit(None)))
    q, k, v, scores = map(Ref, ("q", "k", "v", "scores"))
    projected = call("self.query_dense", Ref("x"))
    body.append(Assign(q, projected, "batch, length, heads, head_size"))
    body.append(Assign(k, call("self.key_dense", source)))
    body.append(Assign(v, call("self.value_dense", source)))
    if "qk_norm" in options:
        normalised = TupleOf((call("self.query_norm", q), call("self.key_norm", k)))
        body += _where("qk_norm", [Assign(TupleOf((q, k)), normalised)], options)
    if "rotary" in options:
        turned = TupleOf((call("self.turn", q), call("self.turn", k)))
        body += _where("rotary", [Assign(TupleOf((q, k)), turned)], options)
    if "key_heads" in options:
        number = Binary("//", Ref("self.heads"), Ref("self.key_heads"))
        repeated = (call("ops.repeat", one, Ref("repeats"), axis=2) for one in (k, v))
        body.append(Assign(Ref("repeats"), number))
        body.append(Assign(TupleOf((k, v)), TupleOf(tuple(repeated))))
    products = call("ops.einsum", "bqhs,bkhs->bhqk", q, k)
    root = Binary("**", Ref("self.head_size"), Lit(0.5))
    body.append(Assign(scores, Binary("/", products, root)))
    body += _masked(options)
    weights: Expr = call("ops.softmax", scores)
    if "dropout" in options:
        weights = call("self.dropout", weights, training=Ref("training"))
    body.append(Assign(Ref("weights"), weights))
    weighed = call("ops.einsum", "bhqk,bkhs->bqhs", Ref("weights"), v)
    body.append(Return(call("self.output_dense", weighed)))
    return FunctionDef("call", tuple(parameters), TENSOR, None, tuple(body))


def _masked(options: Options) -> Iterator[Statement]:
    """The scores of the keys that a query does not see, at minus infinity."""
    names = [name for name in ("causal", "window") if name in options]
    if not names:
        return
    positions, distances, scores = map(Ref, ("positions", "distances", "scores"))
    length = Index(Ref("x.shape"), (Lit(1),))
    apart = Binary("-", Index(positions, (Slice(), Lit(None))), positions)
    before: list[Statement] = [
        Assign(positions, call("ops.arange", length)),
        Assign(distances, apart, "of each query from each key"),
    ]
    if len(names) > 1:
        yield from before
        before = []
    away = distances if options.fixed.get("causal") else call("ops.abs", distances)
    seen = {
        "causal": Binary(">=", distances, Lit(0)),
        "window": Binary("<", away, Ref("self.window")),
    }
    for name in names:
        masked = call("ops.where", seen[name], scores, call("float", "-inf"))
        yield from _where(name, [*before, Assign(scores, masked)], options)


def _turn(options: Options) -> FunctionDef:
    size, positions, exponents = map(Ref, ("size", "positions", "exponents"))
    shared = "rotary_share" in options
    width: Expr = Index(Ref("x.shape"), (Lit(-1),))
    if shared:
        width = call("round", Binary("*", width, Ref("self.rotary_share")))
    powers = call("ops.power", Ref("self.rotary"), exponents)
    angles = Binary("/", Index(positions, (Slice(), Lit(None), Lit(None))), powers)
    waves = (
        call("ops.cast", call(f"ops.{name}", Ref("angles")), Ref("x.dtype"))
        for name in ("cos", "sin")
    )
    a, b, cos, sin = map(Ref, ("a", "b", "cos", "sin"))
    half = Binary("//", size, Lit(2))
    parts: list[Expr] = [
        Binary("-", Binary("*", a, cos), Binary("*", b, sin)),
        Binary("+", Binary("*", b, cos), Binary("*", a, sin)),
    ]
    halves: Expr = call("ops.split", Ref("x"), 2, axis=-1)
    if shared:
        first, second = Slice(None, half), Slice(half, size)
        halves = TupleOf(tuple(Index(Ref("x"), (Lit(...), one)) for one in (first, second)))
        parts.append(Index(Ref("x"), (Lit(...), Slice(size))))
    floating = call("keras.backend.result_type", Ref("x.dtype"), "float32")
    even = call("ops.arange", 0, size, 2, dtype=Ref("dtype"))
    length = Index(Ref("x.shape"), (Lit(1),))
    body = (
        Assign(Ref("dtype"), floating),
        Assign(size, width),
        Assign(exponents, Binary("/", even, size)),
        Assign(positions, call("ops.arange", length, dtype=Ref("dtype"))),
        Assign(Ref("angles"), angles),
        Assign(TupleOf((cos, sin)), TupleOf(tuple(waves))),
        Assign(TupleOf((a, b)), halves),
        Return(call("ops.concatenate", ListOf(tuple(parts)), axis=-1)),
    )
    says = "Turns features of the first half, each with the one of the second half."
    return FunctionDef("turn", (SELF, X), TENSOR, says, body)


def _config(options: Options) -> FunctionDef:
    names = ("heads", "head_size", *options.parameters)
    values = {name: Ref(f"self.{name}") for name in names}
    if "dropout" in values:
        values["dropout"] = Ref("self.dropout.rate")
    config = call(Attribute(call("super"), "get_config"))
    items = ((Lit(name), value) for name, value in values.items())
    return FunctionDef(
        "get_config",
        (SELF,),
        Index(Ref("dict"), (Ref("str"), Ref("object"))),
        None,
        (Return(DictOf(((None, config), *items))),),
    )
