"""Which values of three axes are feature maps of one spatial axis, and which sequences of tokens.

ONNX does not say. Operations that archc has for one of the two alone decide it, for all values that
go into one another element by element. Where one takes what another computes as the other kind, as
a product with a matrix along the length of a map does, the change of the kind becomes an operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from archc.importers.onnx.terms import Term, Value
from archc.importers.onnx.values import Constant

MAP_OPS = frozenset(
    {
        *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"),
        *("BatchNormalization", "GroupNormalization", "InstanceNormalization", "LRN", "Pad"),
        "Resize",
    }
)
NORMS = frozenset({"LayerNormalization", "RMSNormalization"})
SEQUENCE_OPS = NORMS | {"Attention", "RotaryEmbedding"}
ELEMENTWISE = frozenset(
    {
        *("Add", "Cast", "Clip", "Div", "Dropout", "Elu", "Erf", "Gelu", "HardSigmoid"),
        *("HardSwish", "LeakyRelu", "Max", "Mean", "Mul", "Pow", "Relu", "Selu", "Sigmoid"),
        *("Softplus", "Softsign", "Sub", "Sum", "Tanh", "PRelu", "Slice", "Split", "Gather"),
        *("Concat", "Softmax", "LogSoftmax"),
    }
)
"""Operations that give a map of maps and a sequence of sequences. Identity is none: a spec's change
from tokens to channels is written as one."""


def kinds_of(order: Sequence[Term]) -> tuple[dict[Term, Term], frozenset[Term]]:
    """What stands for each term, and which terms of three axes are feature maps, of all terms, each
    after what it takes: a term itself, or one that takes others through an Identity."""
    groups = _Groups()
    pools = frozenset(one.inputs[0] for one in order if _is_pool_to_a_size(one))
    for term in order:
        own = _own_kind(term, pools)
        if own is not None:
            groups.note(term, own)
        else:
            for one in _alike(term):
                groups.join(one, term)
    # What only takes a value decides where nothing that computes it does: maps first.
    takes = [(x, kind) for term in order for x, kind in _taken(term, pools)]
    for x, kind in sorted(takes, key=lambda one: not one[1]):
        groups.note(x, kind)
    for term in order:
        if _is_rather_a_map(term):
            groups.note(term, True)
    for term in order:
        for one in _terms(term) if term.op == "Identity" else ():
            groups.join(one, term)
    return _with_changes(order, groups, pools)


def _with_changes(
    order: Sequence[Term], groups: _Groups, pools: frozenset[Value]
) -> tuple[dict[Term, Term], frozenset[Term]]:
    renewed: dict[Term, Term] = {}
    changed: dict[tuple[Term, bool], Term] = {}
    maps = set[Term]()

    def taken(value: Value, kinds: dict[Term, bool]) -> Value:
        if not isinstance(value, Term):
            return value
        x, kind = renewed.get(value, value), kinds.get(value)
        if kind is None or kind == groups.is_map(value):
            return x
        key = value, kind
        if key not in changed:
            changed[key] = _changed(x)
            if kind:
                maps.add(changed[key])
        return changed[key]

    for term in order:
        kinds = dict(_taken(term, pools))
        if not kinds and _own_kind(term, pools) is None:
            kinds = dict.fromkeys(_alike(term), groups.is_map(term))
        inputs = tuple(taken(one, kinds) for one in term.inputs)
        is_same = all(one is other for one, other in zip(inputs, term.inputs, strict=True))
        renewed[term] = term if is_same else replace(term, inputs=inputs)
    terms = [one for one in groups.terms() if groups.is_map(one)]
    return renewed, frozenset([*maps, *(renewed.get(one, one) for one in terms)])


def _changed(x: Term) -> Term:
    """The same elements in the same order as the other kind: through a vector where nothing but
    that tells that no elements are moved."""
    assert x.shape is not None
    batch, *sizes = x.shape
    if len(set(sizes)) > 1 or sizes[0] == 1:
        return replace(x, op="Identity", inputs=(x,), attributes={})
    flat = replace(x, op="Flatten", inputs=(x,), attributes={}, shape=(batch, sizes[0] ** 2))
    return replace(x, op="Reshape", inputs=(flat,), attributes={})


def _has_three_axes(value: Value) -> bool:
    return isinstance(value, Term) and len(value.shape or ()) == 3


def _terms(term: Term) -> list[Term]:
    """What a term takes of three axes."""
    return [one for one in term.inputs if isinstance(one, Term) and _has_three_axes(one)]


def _alike(term: Term) -> list[Term]:
    """What a term of three axes takes that is a map where it is one."""
    if not _has_three_axes(term):
        return []
    if term.op == "Transpose":
        return _normalized_across(term)
    return _terms(term) if term.op in ELEMENTWISE else []


def _normalized_across(term: Term) -> list[Term]:
    """The map whose channels are moved behind its space, normalised, and moved back by a term."""
    norm = term.inputs[0]
    if not isinstance(norm, Term) or norm.op not in NORMS or norm.shape is None:
        return []
    turned = norm.inputs[0]
    if not isinstance(turned, Term) or turned.op != "Transpose":
        return []
    is_back = all(one.attributes.get("perm") == [0, 2, 1] for one in (term, turned))
    return _terms(turned) if is_back else []


def _is_pool_to_a_size(term: Term) -> bool:
    """Whether a term divides the sums of some elements of each row, a product with ones and zeros,
    by their numbers: the pool of a map."""
    if term.op != "Div" or len(term.inputs) != 2:
        return False
    product, counts = term.inputs
    if not isinstance(product, Term) or product.op != "MatMul" or not _has_three_axes(product):
        return False
    ones = product.inputs[1]
    if not isinstance(ones, Constant) or not isinstance(counts, Constant) or not counts.values:
        return False
    values, columns = ones.values or (), len(counts.values)
    sums = tuple(sum(values[place::columns]) for place in range(columns))
    return ones.shape[1:] == (columns,) and set(values) <= {0.0, 1.0} and sums == counts.values


def _own_kind(term: Term, pools: frozenset[Value]) -> bool | None:
    """Whether an operation always gives a map or, False, a sequence."""
    if not _has_three_axes(term):
        return None
    if term.op in MAP_OPS or term in pools:
        return True
    arrays = [one for one in term.inputs if isinstance(one, Constant)]
    if term.op in SEQUENCE_OPS or (term.op in ("Gemm", "MatMul") and arrays):
        return False
    if term.op == "Gather" and isinstance(term.inputs[0], Constant):
        return False  # an embedding
    if term.op == "Concat" and arrays:
        return False  # a token before the others
    if term.op in ("Concat", "Softmax", "LogSoftmax"):
        return {1: True, 2: False, -1: False}.get(term.attributes.get("axis", 0))
    if term.op in ("Add", "Mul") and any(_is_along_features(one) for one in arrays):
        return False
    return None


def _is_along_features(array: Constant) -> bool:
    """Whether an array has a weight for each feature."""
    return bool(array.shape) and array.shape[-1] > 1


def _is_rather_a_map(term: Term) -> bool:
    """Whether a normalisation is one of channels, weights are spread as those of channels are, as
    also a table of positions may be, or channels are taken, which tokens may be."""
    if not _has_three_axes(term):
        return False
    if term.op in ("Add", "Mul", "PRelu"):
        shapes = [one.shape for one in term.inputs if isinstance(one, Constant)]
        return any(len(shape) > 1 and shape[-1] == 1 for shape in shapes)
    if term.op == "Slice":
        axes = term.inputs[3] if len(term.inputs) > 3 else None
        return isinstance(axes, Constant) and axes.values == (1,)
    return bool(_normalized_across(term))


def _taken(term: Term, pools: frozenset[Value]) -> Iterator[tuple[Term, bool]]:
    """What a term always takes as a map or, False, as a sequence."""
    x = term.inputs[0] if term.inputs else None
    squares = _squares(x) if term.op == "AveragePool" else None
    if squares is not None:
        yield squares, True
    elif term.op in MAP_OPS and isinstance(x, Term) and _has_three_axes(x):
        yield x, True
    else:
        own = _own_kind(term, pools)
        if own is not None:
            yield from ((one, own) for one in _terms(term))


def _squares(rows: Value) -> Term | None:
    """The squares of three axes that are pooled as rows: for the normalisation of responses."""
    if not isinstance(rows, Term) or rows.op != "Reshape" or rows.shape is None:
        return None
    squares = rows.inputs[0]
    if not isinstance(squares, Term) or squares.op != "Mul" or not _has_three_axes(squares):
        return None
    return squares if len(squares.inputs) == 2 and len({*squares.inputs}) == 1 else None


class _Groups:
    """Terms that are all maps or all sequences, and which of the two, where that is known."""

    def __init__(self) -> None:
        self._above: dict[Term, Term] = {}
        self._kinds: dict[Term, bool] = {}

    def join(self, one: Term, other: Term) -> None:
        """Take the groups of two terms as one, where they are not known to be of two kinds."""
        a, b = self._first(one), self._first(other)
        kinds = {self._kinds[group] for group in (a, b) if group in self._kinds}
        if a is not b and len(kinds) < 2:
            self._above[a] = b
            self._kinds.pop(a, None)
            self._kinds.update((b, kind) for kind in kinds)

    def note(self, term: Term, kind: bool) -> None:
        """Note the kind of a term where it is not known."""
        self._kinds.setdefault(self._first(term), kind)

    def is_map(self, term: Term) -> bool:
        """Whether a term is a map: a sequence is what nothing is said of."""
        return self._kinds.get(self._first(term), False)

    def terms(self) -> set[Term]:
        """All terms that are in a group with others, or whose kind is known."""
        return {*self._above, *self._above.values(), *self._kinds}

    def _first(self, term: Term) -> Term:
        """The term that stands for a group; the way there is halved on the way."""
        while term in self._above:
            above = self._above[term]
            if above in self._above:
                self._above[term] = self._above[above]
            term = above
        return term
