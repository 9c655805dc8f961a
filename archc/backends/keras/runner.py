"""The Keras side of a verification, in a process of its own: `python -m
archc.backends.keras.runner RUNTIME`.

Every op of the spec is matched by the names of its layers, or by their positions in a
`keras.Sequential`; a model that has other layers is rejected. A second model over the same layers
then returns all their outputs. The argument is the runtime of Keras: TensorFlow or JAX.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from math import prod
from typing import Any, NamedTuple

from archc.backends.keras.models import (
    Calls,
    call_in_order,
    creation,
    does_nothing,
    flat_layers,
)
from archc.backends.keras.runtimes import RUNTIMES
from archc.backends.keras.variables import variable_of
from archc.backends.runtime.exchange import (
    TRAINING,
    Folder,
    NetworkError,
    as_layout,
    framework_error,
    serve,
)


def run(path: str) -> None:
    """Run the network in a folder, and write its results there."""
    folder = Folder(path)
    runtime = os.environ["KERAS_BACKEND"]
    first = "keras" not in sys.modules
    try:
        framework = import_module(runtime)
        import keras
    except ImportError as error:
        folder.summary["missing"] = error.name
        folder.close()
        return
    if first:
        gc.freeze()  # what the frameworks hold is never garbage: `clear_session` need not visit it
    titles = {one.name: one.title for one in RUNTIMES}
    version = f"Keras {keras.__version__} on {titles[runtime]} {framework.__version__}"
    folder.summary["version"] = version
    dtype = folder.plan["dtype"]
    if runtime == "jax":
        framework.config.update("jax_enable_x64", dtype == "float64")
        _keep_precision(dtype)
        framework.nn.dot_product_attention = _attention
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        if runtime == "jax":
            _run(folder, _jax_evaluation, _jax_step)
        else:
            _run(folder, _tensorflow_evaluation, _tensorflow_step)
    except NetworkError as error:
        folder.report(error)
    finally:
        keras.config.set_floatx(before)
        keras.utils.clear_session()
    folder.close()


def _keep_precision(dtype: str) -> None:
    """Let Keras compute in float64 on JAX too: there its operations round to float32 by a table."""
    from keras.src.backend.common import dtypes

    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = dtype


def _attention(
    query: Any, key: Any, value: Any, *, mask: Any, scale: float, is_causal: bool, **_: Any
) -> Any:
    """Attention of (batch, length, heads, head_size) by its definition: that of JAX rounds its
    weights to float32. Keras' layers give no bias."""
    import jax.numpy

    scores = jax.numpy.einsum("bqhs,bkhs->bhqk", query, key) * scale
    seen = jax.numpy.ones(scores.shape[-2:], bool)
    seen = jax.numpy.tril(seen) if is_causal else seen
    seen = seen if mask is None else seen & mask
    weights = jax.nn.softmax(jax.numpy.where(seen, scores, -jax.numpy.inf))
    return jax.numpy.einsum("bhqk,bkhs->bqhs", weights, value)


class _Step(NamedTuple):
    """The results of a training step: the outputs of the capturing model, the loss, and the
    gradients and new values of variables by `id`."""

    outputs: Sequence[Any]
    loss: float
    gradients: dict[int, Any]
    states: dict[int, Any]


class _Model(NamedTuple):
    """A built model: its layers by node, its variables by the number of their array, and a model
    that returns the values of the nodes in `order`."""

    layers: dict[int, list[Any]]
    variables: dict[int, tuple[Any, int | None]]
    capture: Any
    order: list[int]


def _run(folder: Folder, evaluate: Any, step: Any) -> None:
    folder.trains = not folder.has_two_modes
    own = _model(folder)
    for mode in folder.modes:
        try:
            results = _as_list(evaluate(own.capture, _inputs(folder, mode)))
        except Exception as error:
            raise folder.computing_error(mode, error, None) from None
        _write(folder, mode, own.order, results)
    if folder.has_two_modes:
        folder.trains = True
        own = _model(folder)
    _check_rates(folder, own.layers)
    if folder.takes_step:
        _drop(folder, own.layers)
        _train(folder, own, step)


def _model(folder: Folder) -> _Model:
    """The emitted model, checked and filled with the values of the plan."""
    import keras

    keras.utils.set_random_seed(folder.plan["seed"])
    arguments = {"training": True} if folder.has_two_modes and folder.trains else {}
    try:
        model = folder.emitted().build_model(**arguments)
    except Exception as error:
        raise framework_error("cannot be built", error) from None
    layers = _layers(folder, model)
    trained = {id(one) for one in model.trainable_variables}
    variables = _variables(folder, layers, trained)
    if folder.trains:
        folder.summary["trainable"] = sum(prod(one.shape) for one in model.trainable_variables)
        folder.summary["counted"] = model.count_params()
    calls = Calls()
    shares = any(node["again"] for node in folder.nodes)
    if shares:
        model = calls.flat(model)
        values = _values_of_calls(folder, model, layers, calls)
    else:
        calls.pass_over(flat_layers(model))
        values = _values(folder, model, layers)
    expected = [values[index] for index in folder.outputs]
    if list(map(calls.same, model.outputs)) != list(map(calls.same, expected)):
        raise NetworkError("returns other values than the spec's outputs, or in another order")
    capture = keras.Model(model.inputs, list(values.values()))
    if shares:
        call_in_order(capture, values.values())
    return _Model(layers, variables, capture, list(values))


def _inputs(folder: Folder, mode: str) -> list[Any]:
    import keras

    return [keras.ops.convert_to_tensor(value) for value in folder.inputs(mode)]


def _layers(folder: Folder, model: Any) -> dict[int, list[Any]]:
    """The layers of every node, by its index. The model may have no other that does something."""
    import keras

    own = list(flat_layers(model))
    sequential = isinstance(model, keras.Sequential)
    by_key = dict(enumerate(own)) if sequential else {one.name: one for one in own}
    layers: dict[int, list[Any]] = {}
    visited: set[str | int] = set()
    for index, node in enumerate(folder.nodes):
        layers[index] = []
        for key in _layer_keys(node):
            # Ops may share a layer without weights: a padding that is computed once.
            if key not in by_key or (key in visited and by_key[key].weights and not node["again"]):
                raise NetworkError(f"has no layer `{key}`", node["path"])
            visited.add(key)
            layers[index].append(by_key[key])
    rest = [
        layer for key, layer in by_key.items() if key not in visited and not does_nothing(layer)
    ]
    if rest:
        names = ", ".join(f"`{layer.name}`" for layer in rest)
        raise NetworkError(f"also has the layers {names}, which belong to no op")
    return layers


def _layer_keys(node: dict[str, Any]) -> list[str | int]:
    """The names or positions of the layers of a node."""
    return [lowered["layer"] for lowered in node["lowered"] if "layer" in lowered]


def _variables(
    folder: Folder, layers: dict[int, list[Any]], trained: set[int]
) -> dict[int, tuple[Any, int | None]]:
    """The variables that hold the arrays of the plan, filled with their values, and which row of
    its variable an array is, if it is not all of it. The model may hold nothing else but the states
    of random generators."""
    import keras

    by_key = {
        key: layer
        for index, node in enumerate(folder.nodes)
        for key, layer in zip(_layer_keys(node), layers[index], strict=True)
    }
    variables: dict[int, tuple[Any, int | None]] = {}
    for number, array in folder.arrays:
        path, shape = array["key"].rpartition(".")[0], as_layout(array["layout"]).kept
        layer, name = by_key[array["layer"]], array["variable"]
        variable, row = variable_of(layer, name)
        if variable is None:
            raise NetworkError(f"`{layer.name}` has no `{name}` of the shape {shape}", path)
        actual = tuple(variable.shape[0 if row is None else 1 :])
        if actual != shape:
            message = f"`{name}` of `{layer.name}` has the shape {actual}, expected {shape}"
            raise NetworkError(message, path)
        if array["trainable"] != (id(variable) in trained):
            wrong = "not" if array["trainable"] else "wrongly"
            raise NetworkError(f"`{name}` is {wrong} trainable", path)
        own = keras.ops.convert_to_numpy(variable)
        folder.write_initial(number, own if row is None else own[row])
        values = folder.weight(number)
        if row is not None:
            whole = own.copy()
            whole[row] = values
            values = whole
        variable.assign(values)
        variables[number] = variable, row
    expected = {id(one) for one, _ in variables.values()}
    for key, layer in by_key.items():
        extra = [one.path for one in layer.weights if id(one) not in expected]
        if extra:
            names = ", ".join(f"`{path}`" for path in extra)
            raise NetworkError(f"also holds {names}", folder.path_of(key))
    return variables


def _values(folder: Folder, model: Any, layers: dict[int, list[Any]]) -> dict[int, Any]:
    """The tensors of the model for the inputs and for every node that has a value. The model may
    compute nothing by itself but the operations of the plan, in their order."""
    import keras

    inputs = folder.plan["inputs"]
    if len(model.inputs) != len(inputs):
        raise NetworkError(f"takes {len(model.inputs)} inputs, expected {len(inputs)}")
    values = dict(zip(inputs, model.inputs, strict=True))
    # A `keras.Sequential` has layers alone.
    operations = [] if isinstance(model, keras.Sequential) else model.operations
    others = [one for one in operations if not isinstance(one, keras.layers.Layer)]
    remaining = sorted(others, key=creation)
    for index, node in folder.nodes_in_order:
        if layers[index]:
            values[index] = layers[index][-1].output
        for lowered in node["lowered"]:
            for name, _ in lowered.get("operations", ()):
                source = values[node["inputs"][0]]
                operation = next((one for one in remaining if _computes(one, name, source)), None)
                if operation is None:
                    raise NetworkError(f"lacks the operation `{name}`", node["path"])
                remaining.remove(operation)
                values[index] = operation.output
    if remaining:
        raise NetworkError(f"also computes `{remaining[0].name}`, which belongs to no op")
    return values


def _values_of_calls(
    folder: Folder, model: Any, layers: dict[int, list[Any]], calls: Calls
) -> dict[int, Any]:
    """As `_values`, of a model that calls some layers more than once: the calls of a layer are told
    apart by what they take."""
    inputs = folder.plan["inputs"]
    if len(model.inputs) != len(inputs):
        raise NetworkError(f"takes {len(model.inputs)} inputs, expected {len(inputs)}")
    values = dict(zip(inputs, model.inputs, strict=True))
    for index, node in folder.nodes_in_order:
        if not node["lowered"]:
            continue
        current = [values[source] for source in node["inputs"]]
        own = iter(layers[index])
        for lowered in node["lowered"]:
            if "layer" in lowered:
                name = next(own).name
                current = [calls.take(name, current, node["path"])]
            for name, _ in lowered.get("operations", ()):
                current = [calls.take_operation(name, current, node["path"])]
        (values[index],) = current
    rest = calls.rest()
    if rest:
        raise NetworkError(f"also computes `{rest[0]}`, which belongs to no op")
    return values


def _computes(operation: Any, name: str, source: Any) -> bool:
    """Whether an operation has a name of `operator`, but for its case, and one operand,
    `source`."""
    kind = type(operation).__name__.lower()
    return kind == name and [id(one) for one in _as_list(operation.input)] == [id(source)]


def _drop(folder: Folder, layers: dict[int, list[Any]]) -> None:
    """What each layer that drops at random leaves of ones. From then on none drops anything."""
    import keras

    dropping = {index: layers[index][0] for index in folder.stochastic}
    for index, layer in dropping.items():
        try:
            values = layer(keras.ops.convert_to_tensor(folder.ones(index)), training=True)
        except Exception as error:
            raise folder.computing_error(TRAINING, error, index) from None
        folder.write_dropped(index, keras.ops.convert_to_numpy(values))
    for own in layers.values():
        for dropout in _dropouts(own):
            dropout.rate = 0.0


def _check_rates(folder: Folder, layers: dict[int, list[Any]]) -> None:
    """Report the rates of dropouts inside ops that are not the spec's."""
    for index, rate in folder.inner_rates.items():
        for dropout in _dropouts(layers[index]):
            if dropout.rate != rate:
                message = f"has the dropout rate {dropout.rate}, expected {rate}"
                folder.report(NetworkError(message, folder.plan["nodes"][index]["path"]))


def _dropouts(layers: Sequence[Any]) -> Iterator[Any]:
    """The layers of an op that drop values: themselves, or one inside."""
    for layer in layers:
        inner = (getattr(layer, name, None) for name in ("_dropout_layer", "dropout"))
        yield from (one for one in (layer, *inner) if hasattr(one, "rate"))


def _train(folder: Folder, own: _Model, step: Any) -> None:
    """One training step: outputs, loss, gradients, running statistics."""
    import numpy

    factors = [(own.order.index(index), folder.value("loss", index)) for index in folder.outputs]
    try:
        results: _Step = step(own.capture, _inputs(folder, TRAINING), factors)
    except Exception as error:
        raise framework_error("has no training step", error) from None
    folder.summary["loss"] = results.loss
    _write(folder, TRAINING, own.order, results.outputs)
    for number, array in folder.arrays:
        variable, row = own.variables[number]
        if array["trainable"]:
            gradient = results.gradients[id(variable)]
            value = numpy.zeros(variable.shape, variable.dtype) if gradient is None else gradient
            value = numpy.asarray(value)
            folder.write_array("gradient", number, value if row is None else value[row])
        elif not array["learned"]:
            folder.write_array("state", number, numpy.asarray(results.states[id(variable)]))


Factors = Sequence[tuple[int, Any]]
"""The positions of the network's outputs among the captured ones, each with its factor in the
loss."""


def _tensorflow_evaluation(capture: Any, inputs: Sequence[Any]) -> Any:
    return capture(inputs, training=False)


def _tensorflow_step(capture: Any, inputs: Sequence[Any], factors: Factors) -> _Step:
    import tensorflow

    with tensorflow.GradientTape() as tape:
        outputs = _as_list(capture(inputs, training=True))
        loss = sum(tensorflow.reduce_sum(outputs[one] * factor) for one, factor in factors)
    trainable = capture.trainable_variables
    gradients = [
        # Of a table that ids chose rows of, only those of the rows are given.
        one if one is None else tensorflow.convert_to_tensor(one)
        for one in tape.gradient(loss, [one.value for one in trainable])
    ]
    return _Step(
        outputs,
        float(loss),
        dict(zip(map(id, trainable), gradients, strict=True)),
        {id(one): one.value for one in capture.non_trainable_variables},
    )


def _jax_evaluation(capture: Any, inputs: Sequence[Any]) -> Any:
    """Compiled as a whole, which takes less time than operation by operation."""
    import jax

    values = [[one.value for one in capture.trainable_variables]]
    values.append([one.value for one in capture.non_trainable_variables])
    evaluate = jax.jit(lambda *state: capture.stateless_call(*state, inputs, training=False)[0])
    return evaluate(*values)


def _jax_step(capture: Any, inputs: Sequence[Any], factors: Factors) -> _Step:
    import jax

    trainable, others = capture.trainable_variables, capture.non_trainable_variables

    def loss_of(values: Sequence[Any]) -> tuple[Any, tuple[Any, Any]]:
        previous = [one.value for one in others]
        outputs, states = capture.stateless_call(values, previous, inputs, training=True)
        outputs = _as_list(outputs)
        loss = sum((outputs[one] * factor).sum() for one, factor in factors)
        return loss, (outputs, states)

    step = jax.jit(jax.value_and_grad(loss_of, has_aux=True))
    (loss, (outputs, states)), gradients = step([one.value for one in trainable])
    return _Step(
        outputs,
        float(loss),
        dict(zip(map(id, trainable), gradients, strict=True)),
        dict(zip(map(id, others), states, strict=True)),
    )


def _as_list(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def _write(folder: Folder, mode: str, order: Sequence[int], values: Sequence[Any]) -> None:
    import numpy

    for index, value in zip(order, values, strict=True):
        folder.write_value(mode, index, numpy.asarray(value))


if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = sys.argv[1]
    os.environ["KERAS_HOME"] = os.getcwd()  # not the user's settings
    serve(run)
