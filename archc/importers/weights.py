"""How each array of an imported network is computed from those of its file."""

from __future__ import annotations

from archc import backends
from archc.backends.base import Emitted
from archc.backends.layouts import Layout
from archc.backends.storage import every_variable
from archc.importers.network import Array
from archc.importers.spec import Imported
from archc.ir.arrays import arrays


def emitted_for(imported: Imported) -> Emitted | None:
    """The network as the backend emits it in whose layout its file keeps arrays and values; None
    where the file keeps them as archc does. Raises SpecError."""
    backend = imported.network.backend
    return None if backend is None else backends.compile_network(backend, imported.loaded)


def weights_of(imported: Imported, emitted: Emitted | None) -> dict[str, Array]:
    """The arrays of the spec's network, by their keys, in canonical layout. Raises SpecError."""
    costs = imported.loaded.costs
    layers = {
        node.index: imported.network.layer(position)
        for position, node in zip(imported.order, costs.graph.layers, strict=True)
    }
    own = {one.key: layers[one.node.index].weights[one.variable.name] for one in arrays(costs)}
    if emitted is None or imported.network.backend is None:
        return own
    stored = every_variable(backends.backend(imported.network.backend), costs, emitted)
    return {
        key: _canonical(array, stored[key].layout) if array.kind == "stored" else array
        for key, array in own.items()
    }


def _canonical(array: Array, layout: Layout) -> Array:
    """A stored array in canonical layout, as `layouts.to_canonical` computes it."""
    moved = tuple(layout.split[axis] for axis in layout.axes)
    back = tuple(sorted(range(len(layout.axes)), key=layout.axes.__getitem__))
    value = Array("source", layout.kept, (), array.fields)
    value = Array("reshape", moved, (value,))
    value = Array("transpose", layout.split, (value,), back)
    if layout.order:
        order = tuple(sorted(layout.order, key=layout.order.__getitem__))
        value = Array("take", layout.split, (value,), order)
    return Array("reshape", layout.canonical, (value,))
