"""Models of emitted files with their models inside: what they call, layer by layer.

Imported where Keras runs alone, in the processes that verify networks and write their weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from archc.backends.runtime.exchange import NetworkError


def flat_layers(model: Any) -> Iterator[Any]:
    """The layers of a model but its inputs, those of the models in it in their place."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from flat_layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def creation(operation: Any) -> int:
    """Keras numbers the operations of a class, from the second on: `get_item`, `get_item_1`."""
    number = operation.name.rpartition("_")[2]
    return int(number) if number.isdecimal() else 0


def does_nothing(operation: Any) -> bool:
    """Whether a layer stands for an activation that is `none` in an instance of a block."""
    import keras

    linear = keras.activations.linear
    return isinstance(operation, keras.layers.Activation) and operation.activation is linear


def call_in_order(model: Any, values: Iterable[Any]) -> None:
    """Let a model compute `values` one after the other. Keras orders calls by their distance from
    the outputs, and those of one distance in either order: a layer that is called twice would
    update its running statistics in another order than that of the spec."""
    nodes: dict[int, Any] = {}
    for value in values:
        operation, index, _ = value._keras_history
        waiting = [operation._inbound_nodes[index]]
        while waiting:
            node = waiting[-1]
            before = [one for one in node.parent_nodes if id(one) not in nodes]
            if before and id(node) not in nodes:
                waiting += reversed(before)
            else:
                nodes.setdefault(id(node), node)
                waiting.pop()
    model._nodes_by_depth = {-place: [node] for place, node in enumerate(nodes.values())}


class _Call:
    """A call of a layer or operation: what identifies its operands, and its result."""

    def __init__(self, operation: Any, operands: list[int], result: Any) -> None:
        self.operation = operation
        self.operands = operands
        self.result = result
        self.taken = False


class Calls:
    """The calls of a flat model: one that calls the layers of the models in it itself."""

    def __init__(self) -> None:
        self.all: list[_Call] = []
        self.known: dict[tuple[Any, ...], int] = {}
        self.firsts: dict[int, int] = {}

    def flat(self, model: Any) -> Any:
        """A model over the same layers that calls no model."""
        import keras

        return keras.Model(model.inputs, self._outputs(model, model.inputs))

    def _outputs(self, model: Any, inputs: Any) -> Any:
        """What a model makes of some inputs. `clone_model` does the same, but cannot end where a
        model inside does."""
        return model._run_through_graph(inputs, call_fn=self._call)

    def _call(self, operation: Any, *arguments: Any, **keywords: Any) -> Any:
        import keras

        if isinstance(operation, keras.Model):
            return self._outputs(operation, arguments[0])
        result = operation(*arguments, **keywords)
        flat = keras.tree.flatten((arguments, keywords))
        operands = [self.same(one) for one in flat if isinstance(one, keras.KerasTensor)]
        others = [repr(one) for one in flat if not isinstance(one, keras.KerasTensor)]
        self.all.append(_Call(operation, operands, result))
        if does_nothing(operation):
            self.firsts[id(result)] = operands[0]
            return result
        # Two steps may apply a layer to one value: it does not matter which call is whose.
        key = (id(operation), *operands, *others)
        self.firsts[id(result)] = self.known.setdefault(key, id(result))
        return result

    def pass_over(self, layers: Iterable[Any]) -> None:
        """Let the results of layers that do nothing be what they take: of layers that are called
        once, in the order of the model."""
        for layer in filter(does_nothing, layers):
            self.firsts[id(layer.output)] = self.same(layer.input)

    def same(self, tensor: Any) -> int:
        """What identifies a value, however often it is computed."""
        return self.firsts.get(id(tensor), id(tensor))

    def take(self, layer: str, operands: list[Any], path: str) -> Any:
        """The result of the call of a layer with some operands: the first that is not taken by
        another op, or by one that the layer does nothing else for."""
        return self._take(
            [one for one in self.all if one.operation.name == layer],
            operands,
            f"has no call of the layer `{layer}` at the position of this op",
            path,
        )

    def take_operation(self, kind: str, operands: list[Any], path: str) -> Any:
        """The result of an operation that is no layer, by its class in lower case: of several with
        the same operands, the first that was made."""
        named = [one for one in self.all if type(one.operation).__name__.lower() == kind]
        named.sort(key=lambda one: creation(one.operation))
        return self._take(named, operands, f"lacks the operation `{kind}`", path)

    def _take(self, calls: list[_Call], operands: list[Any], error: str, path: str) -> Any:
        expected = {self.same(one) for one in operands}
        fitting = [one for one in calls if set(one.operands) == expected]
        if not fitting:
            raise NetworkError(error, path)
        # Ops may share a layer without weights: a padding that is computed once.
        call = next((one for one in fitting if not one.taken), fitting[0])
        if call.taken and getattr(call.operation, "weights", None):
            raise NetworkError(error, path)
        call.taken = True
        return call.result

    def rest(self) -> list[str]:
        """The calls that no op has taken, but of layers that do nothing."""
        return [
            one.operation.name
            for one in self.all
            if not one.taken and not does_nothing(one.operation)
        ]
