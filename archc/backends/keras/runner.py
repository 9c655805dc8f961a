"""The Keras side of a verification, in a process of its own: `python -m
archc.backends.keras.runner RUNTIME`.

Every op of the spec is found by the names of its layers, or by their positions in a
`keras.Sequential`; a model that has other layers is refused. A second model over the same layers
then gives all their outputs. The argument says what Keras runs on: TensorFlow or JAX.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from math import prod
from typing import Any, NamedTuple

from archc.backends.keras.runtimes import RUNTIMES
from archc.backends.runtime.exchange import Fault, Folder, of_exception, serve


def run(path: str) -> None:
    """Run the network in a folder, and leave there what came of it."""
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
        gc.freeze()  # what the frameworks hold is never garbage: `clear_session` need not look
    titles = {one.name: one.title for one in RUNTIMES}
    version = f"Keras {keras.__version__} on {titles[runtime]} {framework.__version__}"
    folder.summary["version"] = version
    dtype = folder.plan["dtype"]
    if runtime == "jax":
        framework.config.update("jax_enable_x64", dtype == "float64")
        _keep_precision(dtype)
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        if runtime == "jax":
            _run(folder, _jax_evaluation, _jax_step)
        else:
            _run(folder, _tensorflow_evaluation, _tensorflow_step)
    except Fault as fault:
        folder.tell(fault)
    finally:
        keras.config.set_floatx(before)
        keras.utils.clear_session()
    folder.close()


def _keep_precision(dtype: str) -> None:
    """Let Keras compute in float64 on JAX too: there its operations round to float32 by a table."""
    from keras.src.backend.common import dtypes

    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = dtype


class _Step(NamedTuple):
    """What a step of training gives: the outputs of the capturing model, the loss, and the
    gradients and new values of variables by `id`."""

    outputs: Sequence[Any]
    loss: float
    gradients: dict[int, Any]
    states: dict[int, Any]


def _run(folder: Folder, evaluate: Any, step: Any) -> None:
    import keras

    try:
        model = folder.emitted().build_model()
    except Exception as error:
        raise of_exception("cannot be built", error) from None
    found = _layers(folder, model)
    variables = _variables(folder, model, found)
    folder.summary["params"] = sum(prod(one.shape) for one in model.trainable_variables)
    folder.summary["counted"] = model.count_params()
    stochastic = [
        (node, found[index][0])
        for index, node in enumerate(folder.plan["nodes"])
        if node["rate"] is not None
    ]
    _check_rates(folder, stochastic)
    values = _values(folder, model, found)
    wanted = [values[index] for index in folder.plan["outputs"]]
    if [id(one) for one in model.outputs] != [id(one) for one in wanted]:
        raise Fault("returns other values than the spec's outputs, or in another order")
    order = list(values)
    capture = keras.Model(model.inputs, list(values.values()))
    inputs = [
        keras.ops.convert_to_tensor(folder.value("input", index)) for index in folder.plan["inputs"]
    ]
    try:
        results = _as_list(evaluate(capture, inputs))
    except Exception as error:
        raise of_exception("cannot be computed", error) from None
    _write(folder, "evaluation", order, results)
    if not folder.takes_step:
        return
    for _, layer in stochastic:
        layer.rate = 0.0
    _train(folder, capture, inputs, order, variables, step)


def _layers(folder: Folder, model: Any) -> dict[int, list[Any]]:
    """The layers of every node, by its index. The model may have no other."""
    import keras

    layers = [one for one in model.layers if not isinstance(one, keras.layers.InputLayer)]
    sequential = isinstance(model, keras.Sequential)
    known = dict(enumerate(layers)) if sequential else {one.name: one for one in layers}
    found: dict[int, list[Any]] = {}
    claimed: set[str | int] = set()
    for index, node in enumerate(folder.plan["nodes"]):
        found[index] = []
        for stage in _layer_stages(node):
            place = stage["layer"]
            # Ops may share a layer that holds nothing: a padding that is computed once.
            if place not in known or (place in claimed and known[place].weights):
                raise Fault(f"has no layer `{place}`", node["path"])
            claimed.add(place)
            found[index].append(known[place])
    rest = [layer for place, layer in known.items() if place not in claimed]
    if rest:
        names = ", ".join(f"`{layer.name}`" for layer in rest)
        raise Fault(f"also has the layers {names}, which belong to no op")
    return found


def _layer_stages(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [stage for stage in node["stages"] if "layer" in stage]


def _variables(folder: Folder, model: Any, found: dict[int, list[Any]]) -> list[Any]:
    """The variables that hold the arrays of the plan, filled with the drawn values. The model may
    hold nothing else but the states of random generators."""
    by_place = {
        stage["layer"]: layer
        for index, node in enumerate(folder.plan["nodes"])
        for stage, layer in zip(_layer_stages(node), found[index], strict=True)
    }
    made = []
    for number, array in enumerate(folder.plan["arrays"]):
        path, kept = array["key"].rpartition(".")[0], tuple(array["layout"][-1])
        layer, name = by_place[array["layer"]], array["variable"]
        held = next((one for one in layer.variables if one.name == name), None)
        if held is None:
            raise Fault(f"`{layer.name}` has no `{name}` of the shape {kept}", path)
        if tuple(held.shape) != kept:
            shape = tuple(held.shape)
            raise Fault(f"`{layer.name}` has a `{name}` of {shape} in place of {kept}", path)
        if array["learned"] != held.trainable:
            raise Fault(f"`{name}` is {'not' if array['learned'] else 'wrongly'} learned", path)
        held.assign(folder.weight(number))
        made.append(held)
    ours = {id(one) for one in made}
    for place, layer in by_place.items():
        extra = [one.path for one in layer.weights if id(one) not in ours]
        if extra:
            told = ", ".join(f"`{path}`" for path in extra)
            raise Fault(f"also holds {told}", folder.path_of(place))
    return made


def _values(folder: Folder, model: Any, found: dict[int, list[Any]]) -> dict[int, Any]:
    """The tensors of the model for the inputs and for every node that has a value. The model may
    compute nothing by itself but the operations of the plan, in their order."""
    import keras

    given = folder.plan["inputs"]
    if len(model.inputs) != len(given):
        raise Fault(f"takes {len(model.inputs)} inputs in place of {len(given)}")
    values = dict(zip(given, model.inputs, strict=True))
    # A `keras.Sequential` has layers alone.
    operations = [] if isinstance(model, keras.Sequential) else model.operations
    others = [one for one in operations if not isinstance(one, keras.layers.Layer)]
    coming = sorted(others, key=_creation)
    for index, node in enumerate(folder.plan["nodes"]):
        if found[index]:
            values[index] = found[index][-1].output
        for stage in node["stages"]:
            for name, _ in stage.get("operations", ()):
                source = values[node["inputs"][0]]
                operation = next((one for one in coming if _computes(one, name, source)), None)
                if operation is None:
                    raise Fault(f"does not compute it: `{name}` is missing there", node["path"])
                coming.remove(operation)
                values[index] = operation.output
    if coming:
        raise Fault(f"also computes {coming[0].name}, which no op does")
    return values


def _creation(operation: Any) -> int:
    """Keras numbers the operations of a class, from the second on: `get_item`, `get_item_1`."""
    number = operation.name.rpartition("_")[2]
    return int(number) if number.isdecimal() else 0


def _computes(operation: Any, name: str, source: Any) -> bool:
    """Whether an operation has a name of `operator`, less its case, and takes just one value."""
    kind = type(operation).__name__.lower()
    return kind == name and [id(one) for one in _as_list(operation.input)] == [id(source)]


def _check_rates(folder: Folder, stochastic: Sequence[tuple[dict[str, Any], Any]]) -> None:
    for node, layer in stochastic:
        if layer.rate != node["rate"]:
            folder.tell(Fault(f"drops {layer.rate} in place of {node['rate']}", node["path"]))


def _train(
    folder: Folder,
    capture: Any,
    inputs: Sequence[Any],
    order: Sequence[int],
    variables: Sequence[Any],
    step: Any,
) -> None:
    """One step of training without noise: outputs, loss, gradients, running statistics."""
    import numpy

    factors = [
        (order.index(index), folder.value("loss", index)) for index in folder.plan["outputs"]
    ]
    try:
        done: _Step = step(capture, inputs, factors)
    except Exception as error:
        raise of_exception("has no step of training", error) from None
    folder.summary["loss"] = done.loss
    _write(folder, "training", order, done.outputs)
    for number, (array, held) in enumerate(zip(folder.plan["arrays"], variables, strict=True)):
        if array["learned"]:
            gradient = done.gradients[id(held)]
            value = numpy.zeros(held.shape, held.dtype) if gradient is None else gradient
            folder.write_array("gradient", number, numpy.asarray(value))
        else:
            folder.write_array("state", number, numpy.asarray(done.states[id(held)]))


Factors = Sequence[tuple[int, Any]]
"""The positions of the network's outputs among those captured, and what each is multiplied by."""


def _tensorflow_evaluation(capture: Any, inputs: Sequence[Any]) -> Any:
    return capture(inputs, training=False)


def _tensorflow_step(capture: Any, inputs: Sequence[Any], factors: Factors) -> _Step:
    import tensorflow

    with tensorflow.GradientTape() as tape:
        outputs = _as_list(capture(inputs, training=True))
        loss = sum(tensorflow.reduce_sum(outputs[one] * factor) for one, factor in factors)
    learned = capture.trainable_variables
    gradients = tape.gradient(loss, [one.value for one in learned])
    return _Step(
        outputs,
        float(loss),
        dict(zip(map(id, learned), gradients, strict=True)),
        {id(one): one.value for one in capture.non_trainable_variables},
    )


def _jax_evaluation(capture: Any, inputs: Sequence[Any]) -> Any:
    """Compiled as one, which takes less time than operation by operation."""
    import jax

    values = [[one.value for one in capture.trainable_variables]]
    values.append([one.value for one in capture.non_trainable_variables])
    evaluate = jax.jit(lambda *given: capture.stateless_call(*given, inputs, training=False)[0])
    return evaluate(*values)


def _jax_step(capture: Any, inputs: Sequence[Any], factors: Factors) -> _Step:
    import jax

    learned, others = capture.trainable_variables, capture.non_trainable_variables

    def loss_of(values: Sequence[Any]) -> tuple[Any, tuple[Any, Any]]:
        kept = [one.value for one in others]
        outputs, states = capture.stateless_call(values, kept, inputs, training=True)
        outputs = _as_list(outputs)
        loss = sum((outputs[one] * factor).sum() for one, factor in factors)
        return loss, (outputs, states)

    step = jax.jit(jax.value_and_grad(loss_of, has_aux=True))
    (loss, (outputs, states)), gradients = step([one.value for one in learned])
    return _Step(
        outputs,
        float(loss),
        dict(zip(map(id, learned), gradients, strict=True)),
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
