"""The PyTorch side of a verification, in a process of its own: `python -m
archc.backends.torch.runner RUNTIME`.

The emitted module is traced as it is (torch.fx), with the layers of PyTorch and the emitted helper
classes as they stand; every op of the spec is then matched to the trace by its layer, or by
the operations of its expression, and by their operands. A network that computes anything else, or
in another order, is rejected.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from archc.backends.constructors import helper_names
from archc.backends.runtime.exchange import (
    TRAINING,
    Folder,
    NetworkError,
    as_layout,
    framework_error,
    serve,
)
from archc.backends.torch.lowering import OWN_NAMES


def run(path: str) -> None:
    """Run the network in a folder, and write its results there."""
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
    except NetworkError as error:
        folder.report(error)
    finally:
        torch.set_default_dtype(before)
    folder.close()


def _run(folder: Folder) -> None:
    import torch

    torch.manual_seed(folder.plan["seed"])
    try:
        model = folder.emitted().build_model()
    except Exception as error:
        raise framework_error("cannot be built", error) from None
    parameters = list(model.parameters())
    folder.summary["params"] = sum(one.numel() for one in parameters)
    folder.summary["trainable"] = sum(one.numel() for one in parameters if one.requires_grad)
    state = _state(folder, model)
    model.eval()
    folder.trains = False
    trace = _Trace(folder, model)
    _evaluate(folder, model, trace)
    folder.trains = True
    model.train()
    if folder.has_two_modes:
        trace = _Trace(folder, model)
    _check_rates(folder, trace)
    if folder.takes_step:
        _drop(folder, trace)
        _train(folder, trace, state)


def _state(folder: Folder, model: Any) -> list[Any]:
    """The tensors that hold the arrays of the plan, filled with their values. The model may
    hold nothing else but counters of batches."""
    import torch

    state = model.state_dict(keep_vars=True)
    expected = {_state_key(one): one for one in folder.plan["arrays"]}
    aliases = _aliases(folder, state, expected)
    counters = "num_batches_tracked"
    known = {*expected, *aliases}
    extra = [key for key in state if key not in known and not key.endswith(counters)]
    for number, (key, array) in enumerate(expected.items()):
        path = array["key"].rpartition(".")[0]
        shape = as_layout(array["layout"]).kept
        if key not in state:
            raise NetworkError(f"has no `{key}` of the shape {shape}", path)
        actual = tuple(state[key].shape)
        if actual != shape:
            raise NetworkError(f"`{key}` has the shape {actual}, expected {shape}", path)
        if array["trainable"] != state[key].requires_grad:
            wrong = "not" if array["trainable"] else "wrongly"
            raise NetworkError(f"`{key}` is {wrong} trainable", path)
        folder.write_initial(number, state[key].detach().numpy())
        with torch.no_grad():
            state[key].copy_(torch.from_numpy(folder.weight(number)))
    if extra:
        path = folder.path_of(extra[0].rpartition(".")[0])
        raise NetworkError(f"also holds {', '.join(f'`{key}`' for key in extra)}", path)
    return [state[key] for key in expected]


def _state_key(entry: dict[str, Any]) -> str:
    """What a state dict calls an array of the plan, or an alias."""
    return f"{entry['layer']}.{entry['variable']}"


def _aliases(folder: Folder, state: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """The keys of the plan's aliases, each of which must be the very tensor of its array."""
    own = {array["key"]: key for key, array in expected.items()}
    for alias in folder.plan["aliases"]:
        key, shared = _state_key(alias), own[alias["key"]]
        if key not in state or state[key] is not state.get(shared):
            raise NetworkError(f"`{key}` is not `{shared}`", alias["key"].rpartition(".")[0])
    return [_state_key(alias) for alias in folder.plan["aliases"]]


def _check_rates(folder: Folder, trace: _Trace) -> None:
    """Report the rates of dropouts inside ops that are not the spec's."""
    for index, expected in folder.inner_rates.items():
        layer = trace.layer_of(index)
        rate = getattr(layer, _rate_of(layer))
        if rate != expected:
            message = f"has the dropout rate {rate}, expected {expected}"
            folder.report(NetworkError(message, folder.plan["nodes"][index]["path"]))


def _rate_of(layer: Any) -> str:
    """The attribute that holds a layer's dropout rate."""
    return next(name for name in ("p", "rate", "dropout") if hasattr(layer, name))


def _evaluate(folder: Folder, model: Any, trace: _Trace) -> None:
    """The outputs of all layers, and those of the model itself, which must be the same: of the
    batch, and of one sample."""
    import torch

    # Not a number is the same as not a number here.
    is_same = partial(torch.allclose, rtol=0, atol=0, equal_nan=True)
    for mode in folder.modes:
        with torch.no_grad():
            traced = trace.run(_inputs(folder, mode), mode)
            outputs = model(*_inputs(folder, mode))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        if not all(map(is_same, traced, outputs)):
            raise NetworkError("returns other values than its trace")


def _drop(folder: Folder, trace: _Trace) -> None:
    """What each layer that drops at random leaves of ones. From then on none drops anything."""
    import torch

    layers = {index: trace.layer_of(index) for index in folder.stochastic}
    for index, layer in layers.items():
        try:
            values = layer(torch.from_numpy(folder.ones(index)))
        except Exception as error:
            raise folder.computing_error(TRAINING, error, index) from None
        folder.write_dropped(index, values.numpy())
    inner = map(trace.layer_of, folder.inner_rates)
    for layer in (*layers.values(), *inner):  # one that several share is not switched off before
        setattr(layer, _rate_of(layer), 0.0)


def _train(folder: Folder, trace: _Trace, state: Sequence[Any]) -> None:
    """One training step: outputs, loss, gradients, running statistics."""
    import torch

    # PyTorch 2.13 crashes in the backward pass of a GroupNorm whose input has its channels last
    # and needs no gradient.
    values = [
        value.requires_grad_().clone() if value.is_floating_point() else value
        for value in _inputs(folder, TRAINING)
    ]
    outputs = trace.run(values, TRAINING)
    loss = sum(
        (output * torch.from_numpy(folder.value("loss", index))).sum()
        for output, index in zip(outputs, folder.outputs, strict=True)
    )
    folder.summary["loss"] = float(loss)
    try:
        if loss.requires_grad:
            loss.backward()
    except Exception as error:
        raise framework_error("has no gradients", error) from None
    for number, (array, tensor) in enumerate(zip(folder.plan["arrays"], state, strict=True)):
        if array["learned"] and not array["trainable"]:
            continue
        if not array["learned"]:
            folder.write_array("state", number, tensor.detach().numpy())
            continue
        gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        folder.write_array("gradient", number, gradient.numpy())
        tensor.grad = None


def _inputs(folder: Folder, mode: str) -> list[Any]:
    import torch

    return [torch.from_numpy(value) for value in folder.inputs(mode)]


class _Trace:
    """The emitted network as a sequence of calls, with the ops of the spec matched to it."""

    def __init__(self, folder: Folder, model: Any) -> None:
        from torch import fx

        tracer = fx.Tracer()
        tracer.is_leaf_module = lambda module, _: _is_leaf(module)
        try:
            self.calls = tracer.trace(model)
        except Exception as error:
            raise framework_error("cannot be traced", error) from None
        self.folder = folder
        self.layers = dict(model.named_modules())
        self.values: dict[int, Any] = {}
        self.owners: dict[Any, int] = {}
        self.identities: set[Any] = set()
        self.places = {call: place for place, call in enumerate(self.calls.nodes)}
        self.aliases = self._find_aliases()
        self._align()

    def layer_of(self, index: int) -> Any:
        """The layer of a node that has one alone."""
        (lowered,) = self.folder.plan["nodes"][index]["lowered"]
        return self.layers[lowered["layer"]]

    # Matching the ops of the spec

    def _find_aliases(self) -> dict[Any, Any]:
        """The value that each call repeats: of `nn.Identity` its input, and of an operation that is
        computed again, because two ops use it, its first result."""
        from torch import fx, nn

        aliases: dict[Any, Any] = {}
        first: dict[tuple[Any, ...], Any] = {}
        for call in self.calls.nodes:
            if call.op == "call_module" and isinstance(self.layers[call.target], nn.Identity):
                self.identities.add(call)
                aliases[call] = aliases.get(call.args[0], call.args[0])
            elif call.op in ("call_function", "call_method") or self._is_stateless(call):
                operands = fx.node.map_arg(
                    (call.args, call.kwargs), lambda one: aliases.get(one, one)
                )
                key = (call.target, *_operand_key(call.target, operands))
                earlier = first.setdefault(key, call)
                if earlier is not call:
                    aliases[call] = earlier
        return aliases

    def _is_stateless(self, call: Any) -> bool:
        """Whether a call is one of a layer that has no state: several ops may share it."""
        return call.op == "call_module" and not self.layers[call.target].state_dict()

    def _operands(self, call: Any) -> list[Any]:
        """The operands of a call, each once."""
        return list(dict.fromkeys(self.aliases.get(one, one) for one in call.all_input_nodes))

    def _align(self) -> None:
        users: dict[Any, list[Any]] = {}
        for call in self.calls.nodes:
            if call not in self.identities and call.op != "output":
                for value in self._operands(call):
                    users.setdefault(value, []).append(call)
        inputs = [call for call in self.calls.nodes if call.op == "placeholder"]
        plan = self.folder.plan
        if len(inputs) != len(plan["inputs"]):
            raise NetworkError(f"takes {len(inputs)} inputs, expected {len(plan['inputs'])}")
        self.values.update(zip(plan["inputs"], inputs, strict=True))
        for index, node in self.folder.nodes_in_order:
            if node["inputs"]:
                values = [self.values[source] for source in node["inputs"]]
                for lowered in node["lowered"]:
                    values = [self._match(index, lowered, values, users)]
                (self.values[index],) = values
        self._check_rest()

    def _match(
        self, index: int, lowered: dict[str, Any], values: list[Any], users: dict[Any, list[Any]]
    ) -> Any:
        if "layer" in lowered:
            return self._find_layer(index, lowered["layer"], values, users)
        return self._find_operations(index, lowered["operations"], values, users)

    def _find_layer(
        self, index: int, name: str, values: list[Any], users: dict[Any, list[Any]]
    ) -> Any:
        """The value of the first call of a layer with just these operands: the emitted network
        computes in the order of the spec. Ops may share the result of a layer without state and
        dropout: a padding that is computed once."""
        calls = self._calls(name, values, users, is_layer=True)
        own = next((call for call in calls if call not in self.owners), None)
        if own is not None:
            self.owners[own] = index
            return self.aliases.get(own, own)
        node = self.folder.plan["nodes"][index]
        drops = node["drops"] or node["rate"] is not None
        if calls and self._is_stateless(calls[0]) and not drops:
            return self.aliases.get(calls[0], calls[0])
        raise NetworkError(f"lacks the layer `{name}` at the position of this op", node["path"])

    def _find_operations(
        self,
        index: int,
        operations: list[tuple[str, list[int]]],
        values: list[Any],
        users: dict[Any, list[Any]],
    ) -> Any:
        """The value of an expression: of those that no op has, the first. Ops may share operations
        inside of theirs: a value that is taken apart once, of which each takes a part."""
        chains = [*self._chains(operations, values, users)]
        own = [chain for chain in chains if chain[-1] not in self.owners]
        if own:
            # Of the same value, the one whose operations no op has yet.
            chain = min(
                own, key=lambda one: (self.places[one[-1]], *(c in self.owners for c in one))
            )
            for call in chain:
                self.owners.setdefault(call, index)
            return self.aliases.get(chain[-1], chain[-1])
        sizes = range(1, len(operations) + 1)
        lacking = (
            operations[size - 1][0]
            for size in sizes
            if not any(self._chains(operations[:size], values, users))
        )
        name = next(lacking, operations[-1][0])
        path = self.folder.plan["nodes"][index]["path"]
        raise NetworkError(f"lacks the operation `{name}` at the position of this op", path)

    def _chains(
        self,
        operations: list[tuple[str, list[int]]],
        values: list[Any],
        users: dict[Any, list[Any]],
        before: tuple[Any, ...] = (),
    ) -> Iterator[tuple[Any, ...]]:
        """The calls that compute some operations after those `before`, in every way."""
        if len(before) == len(operations):
            yield before
            return
        name, positions = operations[len(before)]
        results = [self.aliases.get(call, call) for call in before]
        operands = [results[-1 - one] if one < 0 else values[one] for one in positions]
        for call in self._calls(name, operands, users, is_layer=False):
            yield from self._chains(operations, values, users, (*before, call))

    def _calls(
        self, name: str, values: list[Any], users: dict[Any, list[Any]], *, is_layer: bool
    ) -> list[Any]:
        """The calls of a layer, or of a function or method, with just these operands."""
        return [
            call
            for call in users.get(values[0], [])
            if is_layer == (call.op == "call_module")
            and _target_name(call) == name
            and set(self._operands(call)) == set(values)
        ]

    def _check_rest(self) -> None:
        (output,) = (call for call in self.calls.nodes if call.op == "output")
        (results,) = output.args
        results = list(results) if isinstance(results, tuple) else [results]
        expected = [self.values[index] for index in self.folder.outputs]
        if [self.aliases.get(one, one) for one in results] != expected:
            raise NetworkError("returns other values than the spec's outputs, or in another order")
        known = {*self.owners, *self.identities, *self.values.values(), output}
        for call in self.calls.nodes:
            if call not in known:
                operation = f"`{call.name}` ({call.target})"
                raise NetworkError(f"also computes {operation}, which belongs to no op")

    # Running

    def run(self, inputs: Sequence[Any], mode: str) -> list[Any]:
        """Execute the calls, and write the output of every op. Returns the outputs of the
        network."""
        from torch import fx

        nodes: dict[Any, list[int]] = {}
        for index, call in self.values.items():
            nodes.setdefault(call, []).append(index)
        outputs = {self.values[index] for index in self.folder.outputs}
        last = {value: call for call in self.calls.nodes for value in call.all_input_nodes}
        results: dict[Any, Any] = {}
        remaining = iter(inputs)
        for call in self.calls.nodes:
            if call.op == "placeholder":
                results[call] = next(remaining)
                continue
            if call.op == "output":
                break
            arguments = fx.node.map_arg(call.args, results.__getitem__)
            keywords = fx.node.map_arg(call.kwargs, results.__getitem__)
            try:
                results[call] = self._execute(call, arguments, keywords)
            except Exception as error:
                owner = self.owners.get(call)
                raise self.folder.computing_error(mode, error, owner) from None
            for index in nodes.get(call, ()):
                self.folder.write_value(mode, index, results[call].detach().numpy())
            for value in call.all_input_nodes:
                if last[value] is call and value not in outputs:
                    del results[value]
        return [results[self.values[index]] for index in self.folder.outputs]

    def _execute(self, call: Any, arguments: Any, keywords: Any) -> Any:
        if call.op == "call_module":
            layer = self.layers[call.target]
            exact = DEFINITIONS.get(type(layer).__name__) if layer.training else None
            if layer.training and getattr(layer, "running_var", None) is not None:
                return _with_biased_variance(layer, *arguments)
            return layer(*arguments, **keywords) if exact is None else exact(*arguments)
        if call.op == "call_method":
            return operator.methodcaller(call.target, *arguments[1:], **keywords)(arguments[0])
        return call.target(*arguments, **keywords)


def _operand_key(target: Any, operands: Any) -> list[str]:
    """What identifies the operands of a call, in any order where a function commutes: a + b is b +
    a to the last bit."""
    arguments, keywords = operands
    texts = [repr(one) for one in arguments]
    commutes = getattr(target, "__name__", "") in COMMUTATIVE
    return [*(sorted(texts) if commutes else texts), repr(keywords)]


def _target_name(call: Any) -> str:
    """The path of the layer, or the name of the function or method, that is called."""
    name: str = call.target if isinstance(call.target, str) else call.target.__name__
    return name


def _hard_sigmoid(x: Any) -> Any:
    """PyTorch's own gradient has one sixth in float32."""
    from torch.nn import functional

    return functional.relu6(x + 3) / 6


def _softplus(x: Any) -> Any:
    """PyTorch's own is x from 20 on, with a gradient that is 2e-9 too large there."""
    from torch.nn import functional

    return -functional.logsigmoid(-x)


def _with_biased_variance(layer: Any, x: Any) -> Any:
    """What a normalisation makes of a batch, whose biased variance it then tracks, as the plan has
    it: PyTorch tracks the unbiased one, larger by n / (n - 1) for n values a channel."""
    before, batches = (1 - layer.momentum) * layer.running_var, int(layer.num_batches_tracked)
    result = layer(x)
    if batches == int(layer.num_batches_tracked):
        return result  # it tracks nothing
    count = x.numel() // x.shape[1]
    layer.running_var.data.copy_(before + (layer.running_var - before) * (count - 1) / count)
    return result


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
    return layer or kind.__name__ in helper_names("torch", OWN_NAMES)


if __name__ == "__main__":
    serve(run)
