"""The ONNX side of a verification, in a process of its own: `python -m archc.backends.onnx.runner
RUNTIME`.

The emitted file is checked by `onnx`, with its inference of shapes, and run twice: as it is, with
arrays in the place of its fills; and with its functions written out and every value of the spec, by
its path, among the outputs. Both must return the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from archc.backends.onnx.rewriting import as_double, inlined, with_arrays
from archc.backends.runtime.exchange import Folder, NetworkError, framework_error, serve

Run = Callable[[list[Any]], list[Any]]
"""From the inputs of a network to its outputs."""


def run(path: str, runtime: str) -> None:
    """Run the network in a folder, and write its results there."""
    folder = Folder(path)
    try:
        import onnx

        version = f"{onnx.__name__}.reference {onnx.__version__}"
        if runtime == "onnxruntime":
            import onnxruntime

            version = f"ONNX Runtime {onnxruntime.__version__}"
    except ImportError as error:
        folder.summary["missing"] = error.name
        folder.close()
        return
    folder.summary["version"] = version
    folder.trains = False
    try:
        _run(folder, SESSIONS[runtime])
    except NetworkError as error:
        folder.report(error)
    folder.close()


def _run(folder: Folder, session: Callable[[Any], Run]) -> None:
    model = _model(folder)
    arrays = {}
    fills = {name: node for node in model.graph.node for name in node.output}
    shapes = {one.name: tuple(one.int64_data) for one in model.graph.initializer}
    for number, array in folder.arrays:
        key, path = array["key"], array["key"].rpartition(".")[0]
        expected = tuple(array["layout"][3])
        fill = fills.get(key)
        if fill is None or fill.op_type != "ConstantOfShape":
            raise NetworkError(f"has no fill of `{key}`", path)
        if shapes.get(fill.input[0]) != expected:
            message = f"`{key}` has the shape {shapes.get(fill.input[0])}, expected {expected}"
            raise NetworkError(message, path)
        arrays[key] = folder.weight(number)
    others = [name for name, node in fills.items() if node.op_type == "ConstantOfShape"]
    extra = sorted(set(others) - set(arrays))
    if extra:
        raise NetworkError(f"also holds {', '.join(f'`{key}`' for key in extra)}")
    model = with_arrays(model, arrays)
    if folder.plan["dtype"] == "float64":
        model = as_double(model)
    plan = folder.plan
    names = [plan["nodes"][index]["path"] for index in folder.outputs]
    if [one.name for one in model.graph.output] != names:
        raise NetworkError("returns other values than the spec's outputs, or in another order")
    computed = [i for i, node in enumerate(folder.nodes) if node["inputs"]]
    whole = inlined(model, {plan["nodes"][index]["path"]: index for index in computed})
    try:
        plain, every = session(model), session(whole)
    except Exception as error:
        raise framework_error("cannot be loaded", error) from None
    for mode in folder.modes:
        inputs = folder.inputs(mode)
        try:
            outputs, values = plain(inputs), every(inputs)
        except Exception as error:
            raise folder.computing_error(mode, error, None) from None
        by_name = {one.name: value for one, value in zip(whole.graph.output, values, strict=True)}
        for index in computed:
            folder.write_value(mode, index, by_name[plan["nodes"][index]["path"]])
        for name, output in zip(names, outputs, strict=True):
            if not _is_same(output, by_name[name]):
                raise NetworkError("returns other values than its functions written out", name)


def _model(folder: Folder) -> Any:
    import onnx

    try:
        model = onnx.load_from_string(folder.emitted_file())
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        raise framework_error("is no valid file", error) from None
    return model


def _is_same(one: Any, other: Any) -> bool:
    import numpy

    return bool(numpy.array_equal(one, other, equal_nan=True))


def _reference(model: Any) -> Run:
    """The reference evaluator of `onnx`."""
    from archc.backends.onnx.reference import evaluator

    evaluate = evaluator(model)
    return lambda inputs: evaluate.run(None, _feeds(model, inputs))


def _onnxruntime(model: Any) -> Run:
    """ONNX Runtime on the CPU, whose optimizer leaves the nodes as they are."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda inputs: session.run(None, _feeds(model, inputs))


def _feeds(model: Any, inputs: list[Any]) -> Mapping[str, Any]:
    return {one.name: value for one, value in zip(model.graph.input, inputs, strict=True)}


SESSIONS: dict[str, Callable[[Any], Run]] = {
    "onnx": _reference,
    "onnxruntime": _onnxruntime,
}
"""How each runtime loads a model."""


if __name__ == "__main__":
    serve(lambda path: run(path, sys.argv[1]))
