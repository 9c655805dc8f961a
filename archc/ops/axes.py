"""Named axes: the shape of a value, without the batch."""

from __future__ import annotations

from typing import NamedTuple

MAP_AXES = {
    1: ("channels", "length"),
    2: ("channels", "height", "width"),
    3: ("channels", "depth", "height", "width"),
}
"""The axes of a feature map by its number of spatial axes, in canonical order."""

VECTOR_AXES = ("features",)
SEQUENCE_AXES = ("tokens", "features")
IDS_AXES = ("tokens",)

KINDS = (*MAP_AXES.values(), VECTOR_AXES, SEQUENCE_AXES, IDS_AXES)
AXIS_NAMES = ("channels", "length", "depth", "height", "width", "tokens", "features")

AXIS_DOCS = {
    "channels": "channels of a feature map",
    "length": "positions of a 1-D feature map",
    "depth": "planes of a 3-D feature map",
    "height": "rows of a feature map",
    "width": "columns of a feature map",
    "tokens": "positions of a sequence",
    "features": "features of a vector, or of each token",
}


class Axes(NamedTuple):
    """The named axes of one value in canonical order: channels before space, row by row."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    dtype: str = "float32"

    @property
    def is_map(self) -> bool:
        """A feature map: channels with one to three spatial axes."""
        return self.names[0] == "channels"

    @property
    def is_vector(self) -> bool:
        """A vector of features."""
        return self.names == VECTOR_AXES

    @property
    def is_sequence(self) -> bool:
        """A sequence of feature vectors."""
        return self.names == SEQUENCE_AXES

    @property
    def spatial(self) -> tuple[int, ...]:
        """The spatial sizes of a feature map; empty otherwise."""
        return self.sizes[1:] if self.is_map else ()

    @property
    def width(self) -> int:
        """The channels of a map, the features of a vector or of each token."""
        return self.sizes[0] if self.is_map else self.sizes[-1]

    @property
    def elements(self) -> int:
        """Elements of one sample."""
        count = 1
        for size in self.sizes:
            count *= size
        return count

    def as_dict(self) -> dict[str, int]:
        """`{axis: size}` in canonical order."""
        return dict(zip(self.names, self.sizes, strict=True))

    def with_width(self, width: int) -> Axes:
        """The same axes with another number of channels or features."""
        if self.is_map:
            return self._replace(sizes=(width, *self.sizes[1:]))
        return self._replace(sizes=(*self.sizes[:-1], width))

    def with_spatial(self, spatial: tuple[int, ...]) -> Axes:
        """The same feature map with other spatial sizes."""
        return self._replace(sizes=(self.sizes[0], *spatial))

    def __str__(self) -> str:
        pairs = zip(self.names, self.sizes, strict=True)
        return " \u00d7 ".join(f"{name} {size}" for name, size in pairs)


def feature_map(channels: int, spatial: tuple[int, ...]) -> Axes:
    """A feature map of `channels` with one to three spatial sizes."""
    return Axes(MAP_AXES[len(spatial)], (channels, *spatial))


def vector(features: int) -> Axes:
    """A vector of `features`."""
    return Axes(VECTOR_AXES, (features,))


def axes_of(sizes: dict[str, int], dtype: str = "float32") -> Axes | None:
    """The axes that the names of `sizes` make up, or None where they make none."""
    for names in KINDS:
        if sizes.keys() == set(names):
            return Axes(names, tuple(sizes[name] for name in names), dtype)
    return None
