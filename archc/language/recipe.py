"""The training recipe: the fields under `training` in a spec, declared in the style of ops.

The JSON Schema, the reference (`archc ops training`), types and defaults derive from these records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

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
    listing,
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
    """One of several records: its name, or a mapping of its name to its fields."""

    def __init__(self, *declarations: type[Variant]) -> None:
        self.declarations = {one.name: one for one in declarations}
        words = ", ".join(self.declarations)
        super().__init__(f"one of {words}, or one with its fields", self._schema, _nothing)

    def _schema(self) -> Schema:
        bare = [name for name, one in self.declarations.items() if not required_fields(one)]
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
    raise ValueError  # converted field by field, each with its own span


def required_fields(declaration: type) -> list[str]:
    """The required fields of a record."""
    return [field.name for field in fields_of(declaration) if field.required]


def doc_of(declaration: type) -> str:
    """A record's docstring on one line."""
    return " ".join((declaration.__doc__ or "").split())


def group_schema(declaration: type) -> Schema:
    """The schema of a record; expressions are allowed in place of plain values."""
    properties: Schema = {field.name: _field(field) for field in fields_of(declaration)}
    required = required_fields(declaration)
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": required} if required else schema


def _field(field: FieldInfo) -> Schema:
    plain = not isinstance(field.kind, Group | Variants)
    expected = f"{field.kind.expected}, or an expression" if plain else field.kind.expected
    base = or_expression(field.kind.schema) if plain else field.kind.schema
    schema: Schema = {"description": field.doc, "x-expected": expected, **base}
    if not field.required and isinstance(field.default, bool | int | float | str):
        schema["default"] = field.default
    return schema


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
"""The largest seed that every framework accepts."""
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
OptionalCount = Annotated[int | None, optional(COUNT)]
Fraction = Annotated[float, real("a number above 0 up to 1", above=0, maximum=1)]
Angle = Annotated[float, real("degrees from 0 to 180", minimum=0, maximum=180)]


@record
class Inputs:
    """Preprocessing of every image, in this order: resize, pad, scale, standardize. An image larger
    than the network's input is then cropped: by `augment: {crop: ...}` in training, by `evaluation`
    in evaluation."""

    resize: Annotated[
        int | tuple[int, int] | None,
        optional(SIZE),
        Doc("resize the shorter side to this and crop the central square; or [height, width]"),
    ] = None
    pad: Annotated[int, integer(0), Doc("zeros added on each side")] = 0
    scale: Annotated[Positive, Doc("factor applied to the values: 1/255 maps bytes to 0 to 1")] = (
        1.0
    )
    standardize: Annotated[
        str,
        choice("none", "dataset", "channel", "channel_mean", "pixel_mean"),
        Doc(
            "by mean and standard deviation of the training images (`dataset`) or of each channel "
            "(`channel`); or subtract only the mean, of each channel or of each pixel"
        ),
    ] = "none"


@record
class Variant:
    """A kind of optimizer, schedule or crop."""

    name: ClassVar[str]


@record
class Crop(Variant):
    """The part of a training image that the network takes."""

    resizes: ClassVar[bool] = True
    """Whether parts of different sizes are taken, of images as they are before `inputs`."""


@record
class RandomCrop(Crop):
    """A part at a random place, where an image is larger than the network's input."""

    name: ClassVar[str] = "random"
    resizes: ClassVar[bool] = False


@record
class RandomResizedCrop(Crop):
    """A part of random area and aspect ratio (Szegedy et al. 2015, section 6), in training in place
    of `resize` and `pad`, resized to the network's input."""

    name: ClassVar[str] = "random_resized"

    smallest: Annotated[Fraction, Doc("smallest area, as a fraction of the image's")] = 0.08
    largest: Annotated[Fraction, Doc("largest area, as a fraction of the image's")] = 1.0
    ratio: Annotated[
        float,
        real("a number from 1", minimum=1),
        Doc("largest ratio of the longer side to the shorter; its logarithm is uniform"),
    ] = 4 / 3


@record
class ScaleJitter(Crop):
    """A part at a random place of an image whose shorter side is resized to a random length
    (Simonyan, Zisserman 2015, section 3.1), in training in place of `resize` and `pad`."""

    name: ClassVar[str] = "scale_jitter"

    smallest: Annotated[Count, Doc("smallest length of the shorter side, in pixels")]
    largest: Annotated[Count, Doc("largest length of the shorter side, in pixels")]


@record
class Augment:
    """Random augmentation of the training images, different in each epoch."""

    rotation: Annotated[Angle, Doc("largest angle in degrees, in either direction")] = 0.0
    shift: Annotated[
        Share, Doc("largest shift as a fraction of each side, in either direction")
    ] = 0.0
    zoom: Annotated[Rate, Doc("largest zoom in or out as a fraction, each side independently")] = (
        0.0
    )
    shear: Annotated[Angle, Doc("largest angle in degrees, in either direction")] = 0.0
    flip: Annotated[
        str,
        choice("none", "horizontal", "vertical", "both"),
        Doc("flip half of the images; do not use it where a mirrored image has another label"),
    ] = "none"
    crop: Annotated[
        Crop,
        Variants(RandomCrop, RandomResizedCrop, ScaleJitter),
        Doc("the part of a training image that the network takes"),
    ] = RandomCrop()
    lighting: Annotated[
        NonNegative,
        Doc("standard deviation of PCA colour noise (Krizhevsky 2012: 0.1)"),
    ] = 0.0
    fill: Annotated[
        str, choice("nearest", "zero"), Doc("fill mode for points outside the image")
    ] = "nearest"

    @property
    def moves(self) -> bool:
        """Whether images are rotated, shifted, zoomed or sheared."""
        return max(self.rotation, self.shift, self.zoom, self.shear) > 0


@record
class Optimizer(Variant):
    """The optimizer."""

    learning_rate: Annotated[Positive, Doc("initial learning rate")] = 0.001
    weight_decay: Annotated[
        NonNegative, Doc("L2 penalty: this times the weights is added to the gradient")
    ] = 0


@record
class Sgd(Optimizer):
    """Stochastic gradient descent, optionally with momentum."""

    name: ClassVar[str] = "sgd"

    momentum: Annotated[Rate, Doc("momentum")] = 0.0
    nesterov: Annotated[Flag, Doc("use Nesterov momentum")] = False


@record
class Adam(Optimizer):
    """Adam (Kingma, Ba 2015)."""

    name: ClassVar[str] = "adam"

    beta_1: Annotated[Rate, Doc("decay of the first moment")] = 0.9
    beta_2: Annotated[Rate, Doc("decay of the second moment")] = 0.999
    epsilon: Annotated[Positive, Doc("added to the denominator for numerical stability")] = 1e-8


@record
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov, Hutter 2019)."""

    name: ClassVar[str] = "adamw"

    weight_decay: Annotated[
        NonNegative, Doc("decoupled weight decay: each step scales weights by 1 - rate * this")
    ] = 0.01


@record
class RmsProp(Optimizer):
    """RMSprop (Hinton 2012, lecture 6)."""

    name: ClassVar[str] = "rmsprop"

    rho: Annotated[Rate, Doc("decay of the moving average of squared gradients")] = 0.9
    momentum: Annotated[Rate, Doc("momentum")] = 0.0
    epsilon: Annotated[Positive, Doc("added to the denominator for numerical stability")] = 1e-8


@record
class Schedule(Variant):
    """The schedule of the learning rate."""


@record
class Constant(Schedule):
    """A constant learning rate."""

    name: ClassVar[str] = "constant"


@record
class Step(Schedule):
    """The learning rate is multiplied by a factor at regular intervals."""

    name: ClassVar[str] = "step"

    every: Annotated[Count, Doc("epochs between two steps")]
    factor: Annotated[Positive, Doc("factor of the learning rate")] = 0.1


@record
class Cosine(Schedule):
    """Cosine decay to the end of training (Loshchilov, Hutter 2017)."""

    name: ClassVar[str] = "cosine"

    minimum: Annotated[NonNegative, Doc("smallest learning rate")] = 0.0


@record
class Plateau(Schedule):
    """The learning rate is multiplied by a factor when the metric stops improving (done by hand in
    Krizhevsky et al. 2012, section 5)."""

    name: ClassVar[str] = "plateau"

    patience: Annotated[Count, Doc("epochs without improvement")] = 10
    factor: Annotated[Rate, Doc("factor of the learning rate")] = 0.1
    minimum: Annotated[NonNegative, Doc("smallest learning rate")] = 0.0


@record
class Piecewise(Schedule):
    """The learning rate is multiplied by a factor of its own from each of some epochs on."""

    name: ClassVar[str] = "piecewise"

    epochs: Annotated[
        tuple[int, ...],
        listing(COUNT, "a list of rising whole numbers from 1"),
        Doc("epochs after which the factor changes"),
    ]
    factors: Annotated[
        tuple[float, ...],
        listing(real("a number above 0", above=0), "a list of numbers above 0"),
        Doc("factors of the initial learning rate after each of these epochs"),
    ]


@record
class Training:
    """The training recipe: everything that a run depends on besides the data."""

    inputs: Annotated[Inputs, Group(Inputs), Doc("preprocessing of every image")] = Inputs()
    augment: Annotated[
        Augment, Group(Augment), Doc("random augmentation of the training images")
    ] = Augment()
    optimizer: Annotated[Optimizer, Variants(Sgd, Adam, AdamW, RmsProp), Doc("the optimizer")] = (
        Adam()
    )
    schedule: Annotated[
        Schedule,
        Variants(Constant, Step, Piecewise, Cosine, Plateau),
        Doc("the schedule of the learning rate"),
    ] = Constant()
    warmup: Annotated[NonNegative, Doc("epochs of linear warm-up of the learning rate from 0")] = (
        0.0
    )
    loss: Annotated[
        str,
        choice("cross_entropy", "mean_squared_error", "maximum_a_posteriori"),
        Doc(
            "loss function; `maximum_a_posteriori` is that of distances to the classes (LeCun et "
            "al. 1998, equation 9)"
        ),
    ] = "cross_entropy"
    rejection: Annotated[
        Positive,
        Doc("distance, in `maximum_a_posteriori`, from which classes are pushed away less"),
    ] = 1.0
    label_smoothing: Annotated[
        Rate, Doc("fraction of each label spread uniformly over all classes")
    ] = 0.0
    batch_size: Annotated[Count, Doc("images per step, over all processes")] = 32
    epochs: Annotated[OptionalCount, Doc("number of epochs")] = None
    steps: Annotated[OptionalCount, Doc("total number of steps, instead of epochs")] = None
    steps_per_epoch: Annotated[
        OptionalCount, Doc("steps that count as an epoch; by default one pass over the images")
    ] = None
    validation: Annotated[Rate, Doc("fraction of the images held out for validation")] = 0.1
    metric: Annotated[
        str,
        choice("accuracy", "top_5_accuracy", "loss"),
        Doc("validation metric that selects the best epoch"),
    ] = "accuracy"
    evaluation: Annotated[
        str,
        choice("centre_crop", "ten_crop"),
        Doc(
            "what is evaluated of images larger than the network's input: the centre; or corners, "
            "centre and their mirror images, the probabilities averaged (Krizhevsky 2012, 4.1)"
        ),
    ] = "centre_crop"
    early_stopping: Annotated[
        OptionalCount, Doc("stop after this many epochs without improvement of the metric")
    ] = None
    seed: Annotated[int, integer(0, LARGEST_SEED), Doc("seed of all random numbers")] = 0
    precision: Annotated[
        str,
        choice(*PRECISIONS),
        Doc("data type of matrix products; `auto`: bfloat16 where the hardware is faster with it"),
    ] = "auto"
    sync_batch_norm: Annotated[
        Flag, Doc("synchronize batch statistics across processes (PyTorch)")
    ] = False


RecipeRecord = Inputs | Augment | Variant | Training
"""Records of a recipe."""


def as_spec(value: object) -> object:
    """A value of a recipe as written in a spec, without fields that have their default."""
    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, RecipeRecord):
        return "none" if value is None else value
    fields = {
        field.name: as_spec(getattr(value, field.name))
        for field in fields_of(type(value))
        if field.required or getattr(value, field.name) != field.default
    }
    if isinstance(value, Variant):
        return {value.name: fields} if fields else value.name
    return fields


def field_from_spec(name: str, value: object) -> object:
    """The value of a field of `Training` that `as_spec` wrote. Raises ValueError for other values,
    and what Python raises for those of other types."""
    kinds = {field.name: field.kind for field in fields_of(Training)}
    return _from_spec(kinds[name], value)


def from_spec(declaration: type, fields: Mapping[str, object]) -> Any:
    """The record whose fields `as_spec` wrote. Raises ValueError for other values."""
    kinds = {field.name: field.kind for field in fields_of(declaration)}
    return declaration(**{name: _from_spec(kinds[name], value) for name, value in fields.items()})


def _from_spec(kind: Kind, value: Any) -> object:
    match kind:
        case Group():
            return from_spec(kind.declaration, value)
        case Variants():
            name, fields = (value, {}) if isinstance(value, str) else next(iter(value.items()))
            return from_spec(kind.declarations[name], fields)
    return kind.convert(value)
