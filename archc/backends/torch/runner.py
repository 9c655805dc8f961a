"""The PyTorch side of a verification, in a process of its own: `python -m
archc.backends.torch.runner RUNTIME`.

The emitted module is traced as it is (torch.fx), with the layers of PyTorch and the emitted helper
classes as they stand; every op of the spec is then found in the trace by its layer, or the
operations of its expression, and by the values that these take. A network that computes anything
else, or in another order, is refused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from archc.backends.constructors import helper_names
from archc.backends.runtime.exchange import Fault, Folder, of_exception, serve
from archc.backends.torch.lowering import HELPERS


def run(path: str) -> None:
    """Run the network in a folder, and leave there what came of it."""
    folder = Folder(path)
    try:
        import torch
    except ImportError as error:
        folder.summary["missing"] = error.name
        folder.close()
        return
    folder.summary["version"] = f"PyTorch {torch.__version__}"
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, folder.plan["dtype"]))
    try:
        _run(folder)
    except Fault as fault:
        folder.tell(fault)
    finally:
        torch.set_default_dtype(before)
    folder.close()


def _run(folder: Folder) -> None:
    try:
        model = folder.emitted().build_model()
    except Exception as error:
        raise of_exception("cannot be built", error) from None
    folder.summary["params"] = sum(one.numel() for one in model.parameters())
    state = _state(folder, model)
    trace = _Trace(folder, model)
    _check_rates(folder, trace)
    _evaluate(folder, model, trace)
    if folder.takes_step:
        _train(folder, model, trace, state)


def _state(folder: Folder, model: Any) -> list[Any]:
    """The tensors that hold the arrays of the plan, filled with the drawn values. The model may
    hold nothing else but counters of batches."""
    import torch

    state = model.state_dict(keep_vars=True)
    wanted = {f"{one['layer']}.{one['variable']}": one for one in folder.plan["arrays"]}
    extra = [key for key in state if key not in wanted and not key.endswith("num_batches_tracked")]
    for number, (key, array) in enumerate(wanted.items()):
        path = array["key"].rpartition(".")[0]
        kept = tuple(array["layout"][-1])
        if key not in state:
            raise Fault(f"has no `{key}` of the shape {kept}", path)
        if tuple(state[key].shape) != kept:
            shape = tuple(state[key].shape)
            raise Fault(f"`{key}` has the shape {shape} in place of {kept}", path)
        if array["learned"] != state[key].requires_grad:
            raise Fault(f"`{key}` is {'not' if array['learned'] else 'wrongly'} learned", path)
        with torch.no_grad():
            state[key].copy_(torch.from_numpy(folder.weight(number)))
    if extra:
        path = folder.path_of(extra[0].rpartition(".")[0])
        raise Fault(f"also holds {', '.join(f'`{key}`' for key in extra)}", path)
    return [state[key] for key in wanted]


def _check_rates(folder: Folder, trace: _Trace) -> None:
    for node, layer in trace.stochastic():
        rate = layer.p if hasattr(layer, "p") else layer.rate
        if rate != node["rate"]:
            folder.tell(Fault(f"drops {rate} in place of {node['rate']}", node["path"]))


def _evaluate(folder: Folder, model: Any, trace: _Trace) -> None:
    """The outputs of all layers, and those of the model itself, which must be the same."""
    import torch

    model.eval()
    with torch.no_grad():
        traced = trace.run(_inputs(folder), "evaluation")
        outputs = model(*_inputs(folder))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    # Not a number is the same as not a number here.
    if not all(map(partial(torch.allclose, rtol=0, atol=0, equal_nan=True), traced, outputs)):
        raise Fault("computes another result than its trace")


def _train(folder: Folder, model: Any, trace: _Trace, state: Sequence[Any]) -> None:
    """One step of training without noise: outputs, loss, gradients, running statistics."""
    import torch

    model.train()
    for _, layer in trace.stochastic():
        setattr(layer, "p" if hasattr(layer, "p") else "rate", 0.0)
    outputs = trace.run(_inputs(folder), "training")
    loss = sum(
        (output * torch.from_numpy(folder.value("loss", index))).sum()
        for output, index in zip(outputs, folder.plan["outputs"], strict=True)
    )
    folder.summary["loss"] = float(loss)
    try:
        if loss.requires_grad:
            loss.backward()
    except Exception as error:
        raise of_exception("has no gradients", error) from None
    for number, (array, held) in enumerate(zip(folder.plan["arrays"], state, strict=True)):
        if not array["learned"]:
            folder.write_array("state", number, held.detach().numpy())
            continue
        gradient = torch.zeros_like(held) if held.grad is None else held.grad
        folder.write_array("gradient", number, gradient.numpy())
        held.grad = None


def _inputs(folder: Folder) -> list[Any]:
    import torch

    return [torch.from_numpy(folder.value("input", index)) for index in folder.plan["inputs"]]


class _Trace:
    """The emitted network as a sequence of calls, with the ops of the spec found in it."""

    def __init__(self, folder: Folder, model: Any) -> None:
        from torch import fx

        tracer = fx.Tracer()
        tracer.is_leaf_module = lambda module, _: _is_leaf(module)
        try:
            self.calls = tracer.trace(model)
        except Exception as error:
            raise of_exception("cannot be traced", error) from None
        self.folder = folder
        self.layers = dict(model.named_modules())
        self.values: dict[int, Any] = {}
        self.claimed: dict[Any, int] = {}
        self.identities: set[Any] = set()
        self.passed = self._passed()
        self._align()

    def stochastic(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """The nodes that drop something, with their layers."""
        for node in self.folder.plan["nodes"]:
            if node["rate"] is not None:
                yield node, self.layers[node["stages"][0]["layer"]]

    # Finding the ops of the spec

    def _passed(self) -> dict[Any, Any]:
        """What stands for the value of a call: for `nn.Identity` what goes through it, and for an
        operation that is computed again, which two ops may ask for, its first result."""
        from torch import fx, nn

        passed: dict[Any, Any] = {}
        first: dict[tuple[Any, ...], Any] = {}
        for call in self.calls.nodes:
            if call.op == "call_module" and isinstance(self.layers[call.target], nn.Identity):
                self.identities.add(call)
                passed[call] = passed.get(call.args[0], call.args[0])
            elif call.op in ("call_function", "call_method") or self._is_plain(call):
                taken = fx.node.map_arg((call.args, call.kwargs), lambda one: passed.get(one, one))
                earlier = first.setdefault((call.target, *_operands(call.target, taken)), call)
                if earlier is not call:
                    passed[call] = earlier
        return passed

    def _is_plain(self, call: Any) -> bool:
        """Whether a call is one of a layer that holds nothing: it may stand in several places."""
        return call.op == "call_module" and not self.layers[call.target].state_dict()

    def _taken(self, call: Any) -> list[Any]:
        """The values that a call takes, each once."""
        return list(dict.fromkeys(self.passed.get(one, one) for one in call.all_input_nodes))

    def _align(self) -> None:
        users: dict[Any, list[Any]] = {}
        for call in self.calls.nodes:
            if call not in self.identities and call.op != "output":
                for value in self._taken(call):
                    users.setdefault(value, []).append(call)
        given = [call for call in self.calls.nodes if call.op == "placeholder"]
        plan = self.folder.plan
        if len(given) != len(plan["inputs"]):
            raise Fault(f"takes {len(given)} inputs in place of {len(plan['inputs'])}")
        self.values.update(zip(plan["inputs"], given, strict=True))
        for index, node in enumerate(plan["nodes"]):
            if node["inputs"]:
                values = [self.values[source] for source in node["inputs"]]
                for stage in node["stages"]:
                    values = [self._stage(index, stage, values, users)]
                (self.values[index],) = values
        self._check_rest()

    def _stage(
        self, index: int, stage: dict[str, Any], values: list[Any], users: dict[Any, list[Any]]
    ) -> Any:
        if "layer" in stage:
            return self._find(index, values, users, stage["layer"], is_layer=True)
        results: list[Any] = []
        for name, operands in stage["operations"]:
            taken = [results[-1 - one] if one < 0 else values[one] for one in operands]
            results.append(self._find(index, taken, users, name, is_layer=False))
        return results[-1]

    def _find(
        self,
        index: int,
        values: list[Any],
        users: dict[Any, list[Any]],
        name: str,
        *,
        is_layer: bool,
    ) -> Any:
        """The value of the first call of a layer, or of a function or method, that takes just these
        values: the emitted network computes in the spec's order. Ops may share what a layer makes
        that holds nothing and draws nothing: a padding that is computed once."""
        shared = None
        for call in users.get(values[0], []):
            if is_layer != (call.op == "call_module"):
                continue
            if _called(call) == name and set(self._taken(call)) == set(values):
                if call not in self.claimed:
                    self.claimed[call] = index
                    return self.passed.get(call, call)
                shared = shared or call
        drops = self.folder.plan["nodes"][index]["rate"] is not None
        if shared is not None and self._is_plain(shared) and not drops:
            return self.passed.get(shared, shared)
        path = self.folder.plan["nodes"][index]["path"]
        what = f"the layer `{name}`" if is_layer else f"the operation `{name}`"
        raise Fault(f"does not compute it where the spec has it: {what} is missing there", path)

    def _check_rest(self) -> None:
        (output,) = (call for call in self.calls.nodes if call.op == "output")
        (results,) = output.args
        results = list(results) if isinstance(results, tuple) else [results]
        wanted = [self.values[index] for index in self.folder.plan["outputs"]]
        if [self.passed.get(one, one) for one in results] != wanted:
            raise Fault("returns other values than the spec's outputs, or in another order")
        known = {*self.claimed, *self.identities, *self.values.values(), output}
        for call in self.calls.nodes:
            if call not in known:
                raise Fault(f"also computes `{call.name}` ({call.target}), which no op does")

    # Running

    def run(self, inputs: Sequence[Any], mode: str) -> list[Any]:
        """Carry out the calls, and keep every op's output. Gives the network's outputs."""
        from torch import fx

        plan = self.folder.plan
        made: dict[Any, list[int]] = {}
        for index, call in self.values.items():
            made.setdefault(call, []).append(index)
        kept = {self.values[index] for index in plan["outputs"]}
        last = {value: call for call in self.calls.nodes for value in call.all_input_nodes}
        results: dict[Any, Any] = {}
        coming = iter(inputs)
        for call in self.calls.nodes:
            if call.op == "placeholder":
                results[call] = next(coming)
                continue
            if call.op == "output":
                break
            arguments = fx.node.map_arg(call.args, results.__getitem__)
            keywords = fx.node.map_arg(call.kwargs, results.__getitem__)
            try:
                results[call] = self._carry_out(call, arguments, keywords)
            except Exception as error:
                owner = self.claimed.get(call)
                path = None if owner is None else plan["nodes"][owner]["path"]
                raise of_exception("cannot be computed", error, path) from None
            for index in made.get(call, ()):
                self.folder.write_value(mode, index, results[call].detach().numpy())
            for value in call.all_input_nodes:
                if last[value] is call and value not in kept:
                    del results[value]
        return [results[self.values[index]] for index in plan["outputs"]]

    def _carry_out(self, call: Any, arguments: Any, keywords: Any) -> Any:
        if call.op == "call_module":
            layer = self.layers[call.target]
            exact = DEFINITIONS.get(type(layer).__name__) if layer.training else None
            return layer(*arguments, **keywords) if exact is None else exact(*arguments)
        if call.op == "call_method":
            return operator.methodcaller(call.target, *arguments[1:], **keywords)(arguments[0])
        return call.target(*arguments, **keywords)


def _operands(target: Any, taken: Any) -> list[str]:
    """What a call takes, in its order where that says something: a + b is b + a to the last bit."""
    arguments, keywords = taken
    told = [repr(one) for one in arguments]
    commutes = getattr(target, "__name__", "") in COMMUTATIVE
    return [*(sorted(told) if commutes else told), repr(keywords)]


def _called(call: Any) -> str:
    """The path of the layer, or the name of the function or method, that a call is of."""
    name: str = call.target if isinstance(call.target, str) else call.target.__name__
    return name


def _hard_sigmoid(x: Any) -> Any:
    """The gradient of PyTorch's own has one sixth in float32."""
    from torch.nn import functional

    return functional.relu6(x + 3) / 6


def _softplus(x: Any) -> Any:
    """PyTorch's own is x from 20 on, with a gradient that is 2e-9 too large there."""
    from torch.nn import functional

    return -functional.logsigmoid(-x)


COMMUTATIVE = frozenset({"add", "mul", "maximum"})
"""Functions whose operands may be in either order."""
DEFINITIONS: dict[str, Callable[[Any], Any]] = {
    "Hardsigmoid": _hard_sigmoid,
    "Softplus": _softplus,
}
"""Layers that are computed by their definitions in training, where PyTorch rounds their gradients
to less than float64."""


def _is_leaf(module: Any) -> bool:
    """Whether a module is a layer: one of PyTorch's, or of a helper class of the emitted file."""
    from torch import nn

    kind = type(module)
    layer = kind.__module__.startswith("torch.nn.") and not isinstance(module, nn.Sequential)
    return layer or kind.__name__ in helper_names("torch", HELPERS)


if __name__ == "__main__":
    serve(run)
