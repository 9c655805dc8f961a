"""The class of attention in an emitted PyTorch file, with the options that its network uses."""

from __future__ import annotations

from collections.abc import Iterator

from archc.backends.attention import BOTH, CROSS, docstring
from archc.backends.options import Option, Options
from archc.codegen.tree import (
    Assign,
    Attribute,
    Binary,
    Call,
    ClassDef,
    Comment,
    Conditional,
    Expr,
    ExpressionStatement,
    FunctionDef,
    Generator,
    If,
    Index,
    Keyword,
    ListOf,
    Lit,
    Parameter,
    Ref,
    Return,
    Slice,
    Statement,
    TupleOf,
    Value,
    call,
)

OPTIONS = {
    "key_heads": Option("int", None),
    "head_size": Option("int", None),
    "memory_features": Option("int", None),
    "bias": Option("bool", True),
    "key_bias": Option("bool", None, follows="bias"),
    "output_bias": Option("bool", None, follows="bias"),
    "causal": Option("bool", False),
    "window": Option("int", None),
    "dropout": Option("float", 0.0),
    "rotary": Option("float", None),
    "rotary_share": Option("float", 1.0),
    "qk_norm": Option("bool", False),
}
"""The keywords of the class, of which it has those that its network uses."""

TENSOR = Ref("Tensor")
SELF = Parameter("self")
X = Parameter("x", TENSOR)
KEYED = ("key", "value")
"""The projections of the memory, where there is one."""


def attention_class(name: str, options: Options) -> ClassDef:
    """A module whose `forward` takes a sequence, a sequence and its memory, or either."""
    methods = [_constructor(options), _forward(name, options)]
    if "rotary" in options:
        methods.append(_turn(options))
    if "window" in options:
        methods.append(_mask(options))
    return ClassDef(name, (Ref("nn.Module"),), docstring(name, options), tuple(methods))


def _constructor(options: Options) -> FunctionDef:
    parameters = (Parameter("features", Ref("int")), Parameter("heads", Ref("int")))
    kept = ("window", "dropout", "rotary", "rotary_share")
    causal = ("causal",) if "causal" in options.parameters else ()
    split = "head_size" if "key_heads" in options else "heads"
    body = [
        ExpressionStatement(call(Attribute(call("super"), "__init__"))),
        *_sizes(options),
        *(
            Assign(Ref(f"self.{one}"), Ref(one))
            for one in (split, *causal, *(one for one in kept if one in options))
        ),
        *_layers(options),
    ]
    return FunctionDef(
        "__init__", (SELF, *parameters, *options.parameters.values()), Lit(None), None, tuple(body)
    )


def _sizes(options: Options) -> Iterator[Statement]:
    """The widths of the projections that are not those of the input."""
    size = Binary("//", Ref("features"), Ref("heads"))
    if options.may_be_none("head_size"):
        yield Assign(Ref("head_size"), Binary("or", Ref("head_size"), size))
    elif "head_size" not in options and ("key_heads" in options or "qk_norm" in options):
        yield Assign(Ref("head_size"), size)
    if "head_size" in options:
        yield Assign(Ref("queries"), Binary("*", Ref("heads"), Ref("head_size")))
    if "key_heads" in options:
        heads = _given("key_heads", "heads", options)
        yield Assign(Ref("keys"), Binary("*", heads, Ref("head_size")))
    if options.may_be_none("memory_features"):
        memory = _given("memory_features", "features", options)
        yield Assign(Ref("memory_features"), memory)
    for part in ("key_bias", "output_bias"):
        if options.may_be_none(part):
            is_left = Binary("is", Ref(part), Lit(None))
            yield Assign(Ref(part), Conditional(is_left, Ref("bias"), Ref(part)))


def _given(name: str, other: str, options: Options) -> Expr:
    """A number, or another where it is left out."""
    return Binary("or", Ref(name), Ref(other)) if options.may_be_none(name) else Ref(name)


def _layers(options: Options) -> Iterator[Statement]:
    features = Ref("features")
    memory = Ref("memory_features") if "memory_features" in options else features
    queries = Ref("queries") if "head_size" in options else features
    keys = Ref("keys") if "key_heads" in options else queries
    sizes = {
        "query": (features, queries),
        "key": (memory, keys),
        "value": (memory, keys),
        "output": (queries, features),
    }
    for part, (incoming, outgoing) in sizes.items():
        bias = Keyword("bias", _bias(part, options), Lit(True))
        yield Assign(Ref(f"self.{part}"), Call(Ref("nn.Linear"), (incoming, outgoing), (bias,)))
    if "qk_norm" in options:
        norm: Expr = call("nn.RMSNorm", Ref("head_size"), eps=1e-6)
        if "qk_norm" in options.parameters:
            norm = Conditional(Ref("qk_norm"), norm, call("nn.Identity"))
        yield Assign(Ref("self.query_norm"), norm)
        yield Assign(Ref("self.key_norm"), norm)


def _bias(part: str, options: Options) -> Expr:
    own = f"{part}_bias"
    follows = own not in OPTIONS or options.fixed.get(own, False) is None
    return options.flag("bias" if follows else own)


def _forward(name: str, options: Options) -> FunctionDef:
    memory = {
        CROSS: (Parameter("memory", TENSOR),),
        BOTH: (Parameter("memory", Binary("|", TENSOR, Lit(None)), Lit(None)),),
    }
    is_left = Binary("is", Ref("memory"), Lit(None))
    body: list[Statement] = []
    if name == BOTH:
        body.append(Assign(Ref("memory"), Conditional(is_left, Ref("x"), Ref("memory"))))
    q, k, v, y = map(Ref, "qkvy")
    source = Ref("memory" if name in memory else "x")
    projected = (call("self.query", Ref("x")), *(call(f"self.{one}", source) for one in KEYED))
    body += [Assign(TupleOf((q, k, v)), TupleOf(projected))]
    by_size = "key_heads" in options
    sizes: tuple[Expr, ...] = (Lit(-1), Ref("self.head_size"))
    split = method(y, "unflatten", 2, TupleOf(sizes if by_size else (Ref("self.heads"), Lit(-1))))
    heads = Generator(method(split, "transpose", 1, 2), "y", TupleOf((q, k, v)))
    body += [Comment("batch, heads, length, head_size"), Assign(TupleOf((q, k, v)), heads)]
    if "qk_norm" in options:
        normalised = TupleOf((call("self.query_norm", q), call("self.key_norm", k)))
        body.append(Assign(TupleOf((q, k)), normalised))
    if "rotary" in options:
        turned = Assign(TupleOf((q, k)), TupleOf((call("self.turn", q), call("self.turn", k))))
        turns = Binary("is not", Ref("self.rotary"), Lit(None))
        body.append(If(turns, (turned,)) if options.may_be_none("rotary") else turned)
    if "dropout" in options:
        rate = Conditional(Ref("self.training"), Ref("self.dropout"), Lit(0.0))
        body.append(Assign(Ref("dropout"), rate))
    product = Ref("functional.scaled_dot_product_attention")
    body.append(Assign(Ref("out"), Call(product, (q, k, v), tuple(_words(options)))))
    flat = method(method(Ref("out"), "transpose", 1, 2), "flatten", 2)
    body.append(Return(call("self.output", flat)))
    return FunctionDef("forward", (SELF, X, *memory.get(name, ())), TENSOR, None, tuple(body))


def _words(options: Options) -> Iterator[Keyword]:
    """What says which keys are seen, what is dropped, and that heads share keys."""
    if "window" in options:
        yield Keyword("attn_mask", call("self.mask", Ref("x")))
    if "dropout" in options:
        yield Keyword("dropout_p", Ref("dropout"))
    if "causal" in options and ("window" not in options or options.may_be_none("window")):
        causal = options.flag("causal", "self.causal")
        if "window" in options:
            unlimited = Binary("is", Ref("self.window"), Lit(None))
            causal = unlimited if causal == Lit(True) else Binary("and", causal, unlimited)
        yield Keyword("is_causal", causal)
    if "key_heads" in options:
        yield Keyword("enable_gqa", Lit(True))


def _turn(options: Options) -> FunctionDef:
    size, positions = Ref("size"), Ref("positions")
    shared = "rotary_share" in options
    width = Index(Ref("x.shape"), (Lit(-1),))
    on_device = {"dtype": Ref("dtype"), "device": Ref("x.device")}
    angles = Binary(
        "/",
        Index(positions, (Slice(), Lit(None))),
        Binary("**", Ref("self.rotary"), Binary("/", Ref("even"), size)),
    )
    waves = (method(method(Ref("angles"), name), "to", Ref("x.dtype")) for name in ("cos", "sin"))
    a, b, cos, sin = map(Ref, ("a", "b", "cos", "sin"))
    halves: list[Expr] = [
        Binary("-", Binary("*", a, cos), Binary("*", b, sin)),
        Binary("+", Binary("*", b, cos), Binary("*", a, sin)),
    ]
    body: list[Statement] = [
        Assign(Ref("dtype"), call("torch.promote_types", Ref("x.dtype"), Ref("torch.float32"))),
        Assign(
            size, call("round", Binary("*", width, Ref("self.rotary_share"))) if shared else width
        ),
        Assign(Ref("even"), call("torch.arange", 0, size, 2, **on_device)),
        Assign(positions, call("torch.arange", Index(Ref("x.shape"), (Lit(2),)), **on_device)),
        Assign(Ref("angles"), angles),
        Assign(TupleOf((cos, sin)), TupleOf(tuple(waves))),
    ]
    source = Ref("x")
    if shared:
        parts = call("x.tensor_split", ListOf((size,)), dim=-1)
        body.append(Assign(TupleOf((Ref("turned"), Ref("kept"))), parts))
        source = Ref("turned")
        halves.append(Ref("kept"))
    body += [
        Assign(
            TupleOf((a, b)),
            method(source, "chunk", 2, dim=-1),
            "batch, heads, length, size / 2",
        ),
        Return(call("torch.cat", ListOf(tuple(halves)), dim=-1)),
    ]
    says = "Turns features of the first half, each with the one of the second half."
    return FunctionDef("turn", (SELF, X), TENSOR, says, tuple(body))


def _mask(options: Options) -> FunctionDef:
    window, length = Ref("self.window"), Index(Ref("x.shape"), (Lit(1),))
    body: list[Statement] = []
    returns: Expr = TENSOR
    says = "Which keys (columns) each query sees."
    if options.may_be_none("window"):
        body.append(If(Binary("is", window, Lit(None)), (Return(Lit(None)),)))
        returns = Binary("|", TENSOR, Lit(None))
        says = "Which keys (columns) each query sees; None where no window limits that."
    ones = call("torch.ones", length, length, dtype=Ref("torch.bool"), device=Ref("x.device"))
    ahead: Expr = Binary("-", window, Lit(1))
    if "causal" in options.parameters:
        ahead = Conditional(Ref("self.causal"), Lit(0), ahead)
    seen = method(Ref("seen"), "tril", *(() if options.fixed.get("causal") else (ahead,)))
    limited = method(seen, "triu", Binary("-", Lit(1), window))
    body += [Assign(Ref("seen"), ones), Return(limited)]
    return FunctionDef("mask", (SELF, X), returns, says, tuple(body))


def method(value: Expr, name: str, *arguments: Expr | Value, **keywords: Expr | Value) -> Call:
    """The call of a value's method."""
    function = Ref(f"{value.name}.{name}") if isinstance(value, Ref) else Attribute(value, name)
    return call(function, *arguments, **keywords)
