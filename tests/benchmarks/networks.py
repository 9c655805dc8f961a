"""`python -m tests.benchmarks.networks FRAMEWORK NAME`: a step of an emitted network and of the
library's own model, in turns: their seconds as JSON, of inference and of a training step.

Both have weights drawn in the same way: a network that is badly scaled computes with numbers of
less than 1e-38, which take a processor many times as long."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from archc.api import load
from tests.backends.networks import SPECS, module
from tests.backends.torchvision_models import models
from tests.zoo import theirs

BATCH, TOKENS, VOCABULARY, CLASSES = 4, 256, 50_257, 1000
BUDGET, FEWEST = 20.0, 7
"""Seconds of a kind of step at least, and its rounds at least."""

Step = Callable[[], object]


class Contender(NamedTuple):
    """The number of parameters and the steps of a network, by their kind."""

    params: int
    steps: dict[str, Step]


def data(name: str) -> tuple[Any, Any]:
    """Images, channels first, with labels, or a sequence of tokens with the next ones."""
    draw = np.random.default_rng(0)
    if name == "gpt2":
        tokens = draw.integers(0, VOCABULARY, (1, TOKENS + 1))
        return tokens[:, :-1], tokens[:, 1:]
    images = draw.standard_normal((BATCH, 3, 224, 224), np.float32)
    return images, draw.integers(0, CLASSES, BATCH)


def emitted(framework: str, name: str) -> Any:
    params = {"length": TOKENS} if name == "gpt2" else {}
    source = load(str(SPECS / f"{name}.yaml"), params).emit(framework)
    assert isinstance(source, str)
    return module(source).build_model()


def torch_contenders(name: str) -> dict[str, Contender]:
    import torch
    from torch.nn import functional, init

    inputs, labels = (torch.from_numpy(one) for one in data(name))

    def contender(model: Any, logits: Callable[[Any], Any]) -> Contender:
        for parameter in model.parameters():
            if parameter.dim() > 1:
                init.kaiming_normal_(parameter)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

        def infer() -> None:
            model.eval()
            with torch.inference_mode():
                logits(model(inputs))

        def train() -> None:
            model.train()
            optimizer.zero_grad()
            output = logits(model(inputs)).flatten(0, -2)
            functional.cross_entropy(output, labels.flatten()).backward()
            optimizer.step()

        params = sum(one.numel() for one in model.parameters())
        return Contender(params, {"inference": infer, "training step": train})

    contenders = {"archc": contender(emitted("torch", name), lambda output: output)}
    if name == "gpt2":
        models()  # a torchvision whose operators PyTorch does not load can be imported then
        from transformers import GPT2Config, GPT2LMHeadModel

        model = GPT2LMHeadModel(GPT2Config(n_positions=TOKENS, use_cache=False))
        contenders["transformers"] = contender(model, lambda output: output.logits)
    else:
        model = models().get_model(name.removesuffix("_torchvision"), weights=None)
        contenders["torchvision"] = contender(model, lambda output: output)
    return contenders


def keras_contenders(name: str) -> dict[str, Contender]:
    import keras

    inputs, labels = data(name)
    if name != "gpt2":
        inputs = np.ascontiguousarray(np.moveaxis(inputs, 1, -1))

    def contender(model: Any) -> Contender:
        logits = not theirs.ends_in_softmax(name)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
        model.compile(keras.optimizers.SGD(1e-4), loss)
        steps: dict[str, Step] = {
            "inference": lambda: model.predict_on_batch(inputs),
            "training step": lambda: model.train_on_batch(inputs, labels),
        }
        return Contender(model.count_params(), steps)

    contenders = {"archc": contender(emitted("keras", name))}
    if name in theirs.KERAS_NAMES:
        contenders["keras.applications"] = contender(theirs.of_keras(name)())
    return contenders


def take_turns(steps: dict[str, Step]) -> dict[str, list[float]]:
    """The seconds of each step. The first two rounds, which compile and fill the caches, do not
    count; the order changes with every round."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    order = list(steps)
    for _ in range(2):
        for name in order:
            steps[name]()
    while len(taken[order[0]]) < FEWEST or sum(map(sum, taken.values())) < BUDGET:
        for name in order:
            begin = perf_counter()
            steps[name]()
            taken[name].append(perf_counter() - begin)
        order.reverse()
    return taken


def main(framework: str, name: str) -> dict[str, dict[str, list[float]]]:
    build = {"torch": torch_contenders, "keras": keras_contenders}[framework]
    contenders = build(name)
    assert len({one.params for one in contenders.values()}) == 1, "they must be the same network"
    return {
        kind: take_turns({who: one.steps[kind] for who, one in contenders.items()})
        for kind in ("inference", "training step")
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
