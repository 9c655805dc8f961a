"""The contract of a backend, and what it makes of one op: a few lowered layers, each a layer that
is built once and then applied, or an expression.

A lowering is a plain function from a `LoweringContext` to its lowered layers. It stands in the
backend's table `lowerings`; ops that a backend cannot express stand in `refused` with the reason.
A backend is one folder that gives one value, `BACKEND`; the registry in `archc.backends` finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from archc.backends.layouts import Layout
from archc.codegen.rewrite import transform
from archc.codegen.tree import Call, Expr, Ref, call
from archc.ir.costs import Costs
from archc.ir.graph import Graph
from archc.ir.network import Network
from archc.ops.axes import Axes
from archc.ops.base import Op

INCOMING = "in"
"""The `field` of a literal that is the width of what comes in, not a field of the op."""


def width_field(position: int) -> str:
    """The `field` of a literal that is the width of the input at a position: INCOMING and, from the
    second on, a number."""
    return f"{INCOMING}{position}" if position else INCOMING


def width_position(field: str | None) -> int | None:
    """The position of the input whose width a literal of a field is; None for another field."""
    number = None if field is None else field.removeprefix(INCOMING)
    if field is None or number == field or not (number == "" or str(number).isdecimal()):
        return None
    return int(number or 0)


class LoweringContext(NamedTuple):
    """An op with the axes that come in and go out (without the batch). `nonnegative` says that no
    value that comes in is below zero, `tied` that some of its variables are those of an op of
    another kind, `ties` that such an op uses its own, and `trainable` that they are trained."""

    op: Op
    inputs: tuple[Axes, ...]
    output: Axes
    nonnegative: bool = False
    tied: bool = False
    ties: bool = False
    trainable: bool = True

    @property
    def x(self) -> Axes:
        """The axes of the one input."""
        (x,) = self.inputs
        return x

    @property
    def rank(self) -> int:
        """Spatial axes of the one input."""
        return len(self.x.spatial)


@dataclass(frozen=True, slots=True)
class LoweredLayer:
    """One step of a lowered op. `layer` constructs a module or layer that is applied to the value;
    `expression` computes on `placeholder(0)`, `placeholder(1)` … There is at least one of them:
    with both, a sequential container takes the layer, and other code the expression.

    `label` names the attribute of a layer that has no name of its own. `main` marks the layer that
    carries the node's own name. `variables` maps the name of each variable of the op to the name
    under which the layer keeps it (a variable that the op lacks may be among them); `layouts` has
    the layout of those that are not kept as the backend keeps such variables. `initialize` is a
    call that sets the initial values of the layer in `placeholder(0)`, or what else is said of it
    once it is there.

    `application` is how the layer, in place of `APPLIED`, is applied to the values that come in,
    where that is no plain call. The `layer` of a tied op may be `OWNER`, that of the op whose
    variables it uses. `condition`, over literals of the op's fields, holds where the op
    has the layer: a layer that is left out is lowered with a condition that does not hold, and is
    not written. `presumes` names the fields for other values of which the layer would compute
    something else than the op.
    """

    layer: Call | None = None
    expression: Expr | None = None
    label: str = ""
    main: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    layouts: Mapping[str, Layout] = field(default_factory=dict)
    initialize: Call | None = None
    application: Call | None = None
    condition: Expr | None = None
    presumes: frozenset[str] = frozenset()

    @property
    def trees(self) -> tuple[Expr | None, ...]:
        """All that is written of the layer, but for its condition."""
        return self.layer, self.expression, self.initialize, self.application

    @property
    def weighted(self) -> bool:
        """Whether the layer keeps arrays."""
        return bool(self.variables)


def is_same_step(a: LoweredLayer, b: LoweredLayer) -> bool:
    """Whether two layers of an op stand for the same step of it."""
    return a.main == b.main and (a.main or a.label == b.label)


class Placement(NamedTuple):
    """A lowered layer in the emitted network. `path` is the attribute path, the name or the
    position by which the framework finds it there; None for an expression."""

    lowered: LoweredLayer
    path: str | int | None


Lowering = Callable[[LoweringContext], tuple[LoweredLayer, ...]]


class StoredVariable(NamedTuple):
    """Where an emitted network keeps an array: in the layer at a path, as `Placement` has it,
    under a name, in a layout."""

    layer: str | int
    name: str
    layout: Layout


class Alias(NamedTuple):
    """A further place where an emitted network has an array, by the array's key. `path` is that of
    the op that uses it there, empty where several do."""

    key: str
    path: str
    stored: StoredVariable


@dataclass(frozen=True, slots=True)
class Emitted:
    """What a backend makes of a network: its source, which is text or the bytes of a file, and for
    each node by its index the lowered layers where they stand and the layout of its value, less the
    batch; for each array by its key where it is kept, and where else the framework finds it. A
    backend that runs nothing has the source alone."""

    source: str | bytes
    placements: Mapping[int, tuple[Placement, ...]] = field(default_factory=dict)
    variables: Mapping[str, StoredVariable] = field(default_factory=dict)
    values: tuple[Layout, ...] = ()
    aliases: tuple[Alias, ...] = ()


class Runtime(NamedTuple):
    """What an emitted network computes with: the module's name, its title, and what `pip install`
    takes."""

    name: str
    title: str
    package: str


def lacks_nothing(runtime: str, graph: Graph, dtype: str) -> Iterator[tuple[str, str]]:
    """What a runtime that computes every op exactly lacks."""
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """How `verify` runs an emitted network: `python -m MODULE RUNTIME` serves folders as
    `archc.backends.runtime.exchange` has them. Of the `runtimes` the first that can compute a
    network is taken.

    `lacks` gives the paths of the ops of a graph that a runtime cannot compute in a type of
    numbers, each with the reason. Running variances are written as those of the biased variances of
    batches.
    """

    module: str
    runtimes: tuple[Runtime, ...]
    lacks: Callable[[str, Graph, str], Iterator[tuple[str, str]]] = lacks_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFormat:
    """Files of weights as a framework reads and writes them.

    `endings` are those of the names of files that `save` writes; `beginnings` the bytes that files
    begin with which `python -m READER read FILE RESULT` turns into safetensors; without a `reader`
    files are written alone. `names` gives what a file calls each array of a network, by the array's
    key. `plain_safetensors` says that
    safetensors files which name no format are the framework's.

    In a file, names that end in `ignored` are no arrays, and each of `wrappers` may stand before
    all names. `ordered_by_class` says that the layers of one class alone stand in the order of the
    model. A layer whose name is `counted`, or that with `_` and a number, may have no name of its
    own: the framework has counted it, whatever it has counted before.
    """

    endings: tuple[str, ...]
    names: Callable[[Costs, Emitted], dict[str, str]]
    save: Callable[[str, Mapping[str, Any], Costs, Emitted], None]
    beginnings: tuple[bytes, ...] = ()
    reader: str | None = None
    plain_safetensors: bool = False
    ignored: str | None = None
    wrappers: tuple[str, ...] = ()
    ordered_by_class: bool = False
    counted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """How networks are trained. `loop` is the module whose `fit` and `predict` execute plans;
    `script` the module whose functions write training scripts; `requires` the modules that both
    import.

    `replaces_softmax` says that a final softmax is trained by its logarithm, in its layer's place.
    `processes` gives the arguments of a Python that starts so many processes of a plan's worker;
    None where a backend's devices are shared by one process.
    """

    loop: str
    script: str
    requires: tuple[str, ...]
    replaces_softmax: bool = False
    processes: Callable[[int], tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A backend. `title` is the framework's own name; `suffix` ends the names of emitted files;
    `extra` is that of archc's distribution which installs what emitted files import; `reserved` are
    names that emitted code uses. A backend without a `runner` cannot be verified,
    one without `weights` neither reads nor writes them, one without a `trainer` trains nothing.
    Where emitted networks can be evaluated alone (`trains` is false), they lack the ops, arrays and
    outputs of training alone, and no step of training is compared. `text` gives what people read
    in place of emitted bytes, in files that end in `text_suffix`, and raises ValueError for bytes
    that are no such file.

    `compile` raises SpecError where an op cannot be computed (ARC601).
    """

    name: str
    title: str
    compile: Callable[[Network], Emitted]
    suffix: str = ".py"
    extra: str | None = None
    reserved: frozenset[str] = frozenset()
    trains: bool = True
    text: Callable[[bytes], str] | None = None
    text_suffix: str = ".txt"
    lowerings: Mapping[type[Op], Lowering] = field(default_factory=dict)
    refused: Mapping[type[Op], str] = field(default_factory=dict)
    runner: Runner | None = None
    weights: WeightFormat | None = None
    trainer: Trainer | None = None


APPLIED = Ref("_layer")
"""The name that stands for a layer in the call that applies it."""


OWNER = call("_owner")
"""Stands for the layer that constructs nothing: that of the op whose variables a tied op uses."""


class RefusalError(Exception):
    """A backend cannot compute this op with these fields. `field` names the field that causes
    it, where one does."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


def placeholder(index: int) -> Ref:
    """The name that stands for the value of an input in the expression of a lowered layer."""
    return Ref(f"_{index}")


def fill(expression: Expr, values: Mapping[str, Expr]) -> Expr:
    """An expression with values in place of its placeholders."""

    def put(expr: Expr) -> Expr:
        return values.get(expr.name, expr) if isinstance(expr, Ref) else expr

    return transform(expression, put)
