"""The training recipe: what stands under `training` in a spec, declared as ops are.

The JSON Schema, the reference (`archc ops training`), typing and defaults come from these records.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from archc.ops.fields import (
    COUNT,
    Count,
    Doc,
    FieldInfo,
    Flag,
    Kind,
    NonNegative,
    Positive,
    Rate,
    Schema,
    Share,
    choice,
    fields_of,
    integer,
    integers,
    or_expression,
    real,
)
from archc.records import record


class Group(Kind):
    """A mapping with the fields of a record."""

    def __init__(self, declaration: type) -> None:
        self.declaration = declaration
        super().__init__("a mapping", lambda: group_schema(declaration), _nothing)


class Variants(Kind):
    """One of several records: its name, or its name with its fields."""

    def __init__(self, *declarations: type[Variant]) -> None:
        self.declarations = {one.name: one for one in declarations}
        words = ", ".join(self.declarations)
        super().__init__(f"one of {words}, or one with its fields", self._made, _nothing)

    def _made(self) -> Schema:
        bare = [name for name, one in self.declarations.items() if not needed(one)]
        named = {
            name: {"description": doc_of(one), "x-expected": "a mapping", **group_schema(one)}
            for name, one in self.declarations.items()
        }
        object_schema: Schema = {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": named,
        }
        return {"anyOf": [{"type": "string", "enum": bare}, object_schema]}


def _nothing(value: object) -> object:
    raise ValueError  # typed field by field, each at its own place


def needed(declaration: type) -> list[str]:
    """The fields that must be given."""
    return [field.name for field in fields_of(declaration) if field.required]


def doc_of(declaration: type) -> str:
    """A record's docstring on one line."""
    return " ".join((declaration.__doc__ or "").split())


def group_schema(declaration: type) -> Schema:
    """A mapping with the fields of a record, expressions admitted in place of plain values."""
    properties: Schema = {field.name: _field(field) for field in fields_of(declaration)}
    required = needed(declaration)
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": required} if required else schema


def _field(field: FieldInfo) -> Schema:
    plain = not isinstance(field.kind, Group | Variants)
    expected = f"{field.kind.expected}, or an expression" if plain else field.kind.expected
    schema = or_expression(field.kind.schema) if plain else field.kind.schema
    told: Schema = {"description": field.doc, "x-expected": expected, **schema}
    if not field.required and isinstance(field.default, bool | int | float | str):
        told["default"] = field.default
    return told


def optional(kind: Kind) -> Kind:
    """`none`, or a value of a kind."""

    def convert(value: object) -> object:
        return None if value == "none" else kind.convert(value)

    return Kind(
        f"{kind.expected}, or none",
        {"anyOf": [kind.schema, {"type": "string", "enum": ["none"]}]},
        convert,
    )


def _size(value: object) -> object:
    return integers(value, 1, 2, 2) if isinstance(value, list) else COUNT.convert(value)


_POSITIVE: Schema = {"type": "integer", "minimum": 1}
SIZE = Kind(
    "a whole number from 1, or a [height, width] of them",
    {
        "anyOf": [
            _POSITIVE,
            {"type": "array", "minItems": 2, "maxItems": 2, "items": or_expression(_POSITIVE)},
        ]
    },
    _size,
)
LARGEST_SEED = 2**32 - 1
"""What the generators of every framework can be seeded with."""
OptionalCount = Annotated[int | None, optional(COUNT)]
Angle = Annotated[float, real("degrees from 0 to 180", minimum=0, maximum=180)]


@record
class Inputs:
    """What is done to every image before the network sees it, in this order: resize, pad, scale,
    standardize. Where an image is then larger than the network's input, training takes a random
    part of it and evaluation the one in the middle."""

    resize: Annotated[
        int | tuple[int, int] | None,
        optional(SIZE),
        Doc(
            "resize the shorter side to this and keep the square in the middle; or [height, width]"
        ),
    ] = None
    pad: Annotated[int, integer(0), Doc("zeros added at each side")] = 0
    scale: Annotated[
        Positive, Doc("what values are multiplied by: 1/255 brings bytes to 0 to 1")
    ] = 1.0
    standardize: Annotated[
        str,
        choice("none", "dataset", "channel", "channel_mean", "pixel_mean"),
        Doc(
            "by the training images' mean and deviation (`dataset`), those of each channel "
            "(`channel`); or subtract the mean alone, of each channel or of each pixel"
        ),
    ] = "none"


@record
class Augment:
    """Random changes of the training images, drawn anew each time."""

    rotation: Annotated[Angle, Doc("up to so many degrees, either way")] = 0.0
    shift: Annotated[Share, Doc("up to this share of each side, either way")] = 0.0
    zoom: Annotated[Rate, Doc("in or out by up to this share, each side for itself")] = 0.0
    shear: Annotated[Angle, Doc("up to so many degrees, either way")] = 0.0
    flip: Annotated[
        str,
        choice("none", "horizontal", "vertical", "both"),
        Doc("mirror half of the images; not where a mirrored image has another label"),
    ] = "none"
    lighting: Annotated[
        NonNegative,
        Doc("deviation of noise along the colours' principal components (Krizhevsky 2012: 0.1)"),
    ] = 0.0
    fill: Annotated[str, choice("nearest", "zero"), Doc("what comes in from beyond an edge")] = (
        "nearest"
    )

    @property
    def moves(self) -> bool:
        """Whether images are rotated, shifted, zoomed or sheared."""
        return max(self.rotation, self.shift, self.zoom, self.shear) > 0


@record
class Variant:
    """One of several kinds of an optimizer or schedule."""

    name: ClassVar[str]


@record
class Optimizer(Variant):
    """How gradients change the weights."""

    learning_rate: Annotated[Positive, Doc("size of a step")] = 0.001
    weight_decay: Annotated[NonNegative, Doc("this times the weights is added to the gradient")] = 0


@record
class Sgd(Optimizer):
    """Stochastic gradient descent, with momentum where it is given."""

    name: ClassVar[str] = "sgd"

    momentum: Annotated[Rate, Doc("share of the last step that goes on")] = 0.0
    nesterov: Annotated[Flag, Doc("take the gradient after the momentum")] = False


@record
class Adam(Optimizer):
    """Steps by the gradient's running mean and square (Kingma, Ba 2015)."""

    name: ClassVar[str] = "adam"

    beta_1: Annotated[Rate, Doc("decay of the running mean")] = 0.9
    beta_2: Annotated[Rate, Doc("decay of the running square")] = 0.999
    epsilon: Annotated[Positive, Doc("added to the root of the square")] = 1e-8


@record
class AdamW(Adam):
    """Adam with weight decay beside the gradient (Loshchilov, Hutter 2019)."""

    name: ClassVar[str] = "adamw"

    weight_decay: Annotated[
        NonNegative, Doc("this times the learning rate is the share that weights lose a step")
    ] = 0.01


@record
class RmsProp(Optimizer):
    """Steps by the root of the gradient's running square (Hinton 2012, lecture 6)."""

    name: ClassVar[str] = "rmsprop"

    rho: Annotated[Rate, Doc("decay of the running square")] = 0.9
    momentum: Annotated[Rate, Doc("share of the last step that goes on")] = 0.0
    epsilon: Annotated[Positive, Doc("added to the root of the square")] = 1e-8


@record
class Schedule(Variant):
    """How the learning rate goes on from the optimizer's."""


@record
class Constant(Schedule):
    """It stays."""

    name: ClassVar[str] = "constant"


@record
class Step(Schedule):
    """It is multiplied by a factor, again and again."""

    name: ClassVar[str] = "step"

    every: Annotated[Count, Doc("epochs between two times")]
    factor: Annotated[Positive, Doc("what it is multiplied by")] = 0.1


@record
class Cosine(Schedule):
    """It falls along half a cosine to the end of training (Loshchilov, Hutter 2017)."""

    name: ClassVar[str] = "cosine"

    minimum: Annotated[NonNegative, Doc("where it ends")] = 0.0


@record
class Plateau(Schedule):
    """It is multiplied by a factor where the metric has not improved for some epochs (Krizhevsky
    et al. 2012, section 5, by hand)."""

    name: ClassVar[str] = "plateau"

    patience: Annotated[Count, Doc("epochs without improvement")] = 10
    factor: Annotated[Rate, Doc("what it is multiplied by")] = 0.1
    minimum: Annotated[NonNegative, Doc("where it ends")] = 0.0


@record
class Training:
    """The training recipe: everything that a run depends on beside the data."""

    inputs: Annotated[
        Inputs, Group(Inputs), Doc("what is done to every image before the network sees it")
    ] = Inputs()
    augment: Annotated[Augment, Group(Augment), Doc("random changes of the training images")] = (
        Augment()
    )
    optimizer: Annotated[
        Optimizer, Variants(Sgd, Adam, AdamW, RmsProp), Doc("how gradients change the weights")
    ] = Adam()
    schedule: Annotated[
        Schedule,
        Variants(Constant, Step, Cosine, Plateau),
        Doc("how the learning rate goes on from the optimizer's"),
    ] = Constant()
    warmup: Annotated[
        NonNegative, Doc("epochs in which the learning rate rises from 0 in a straight line")
    ] = 0.0
    loss: Annotated[
        str, choice("cross_entropy", "mean_squared_error"), Doc("what is made small")
    ] = "cross_entropy"
    label_smoothing: Annotated[Rate, Doc("share of each label given to all classes alike")] = 0.0
    batch_size: Annotated[Count, Doc("images a step, over all processes")] = 32
    epochs: Annotated[OptionalCount, Doc("how often every image is seen")] = None
    steps: Annotated[OptionalCount, Doc("steps in all, in place of epochs")] = None
    steps_per_epoch: Annotated[
        OptionalCount, Doc("steps that count as an epoch; by default one time through the images")
    ] = None
    validation: Annotated[Rate, Doc("share of the images that is held out to validate with")] = 0.1
    metric: Annotated[
        str,
        choice("accuracy", "top_5_accuracy", "loss"),
        Doc("what the best epoch is chosen by, of the images held out"),
    ] = "accuracy"
    early_stopping: Annotated[
        OptionalCount, Doc("stop after so many epochs without a better metric")
    ] = None
    seed: Annotated[int, integer(0, LARGEST_SEED), Doc("what all that is random follows from")] = 0
    precision: Annotated[
        str,
        choice("auto", "float32", "bfloat16", "float16"),
        Doc("what products are computed in; `auto`: bfloat16 where the machine gains by it"),
    ] = "auto"
    sync_batch_norm: Annotated[
        Flag, Doc("batch statistics over all processes, not of each (PyTorch)")
    ] = False


Fielded = Inputs | Augment | Variant | Training
"""Values of a recipe that have fields of their own."""


def as_spec(made: object) -> object:
    """What a spec would write for a value of a recipe, without what has its default."""
    if isinstance(made, tuple):
        return list(made)
    if not isinstance(made, Fielded):
        return "none" if made is None else made
    given = {
        field.name: as_spec(getattr(made, field.name))
        for field in fields_of(type(made))
        if field.required or getattr(made, field.name) != field.default
    }
    if isinstance(made, Variant):
        return {made.name: given} if given else made.name
    return given
