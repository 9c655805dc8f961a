"""Layers that several steps share: a module that is called again, and modules or parameters that a
constructor sets equal.

A step calls the module of its owner where its class has it, itself or in a section. One that
stands in another section than its owner has a module of its own at first, which the constructor
replaces. A dense layer that uses an embedding's table has the same parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

from archc.backends.base import Alias, Placement, StoredVariable
from archc.backends.blocks.items import Item, LoweredOp, LoweredScope
from archc.backends.blocks.names import key_of, steps_in
from archc.backends.torch.construction import constructed
from archc.backends.torch.module_paths import ModuleKeys
from archc.codegen.tree import (
    Assign,
    Attribute,
    Expr,
    ExpressionStatement,
    Index,
    Lit,
    Ref,
    Statement,
    call,
)
from archc.ir.graph import Graph
from archc.ir.sharing import reuses_layer
from archc.language.names import attribute_name

Key = int | str
"""The index of a node, or the path of a section or block instance."""


class Owners:
    """Where the steps of a class stand in it: `places` has each step with the sections around it,
    from the outermost."""

    def __init__(self, graph: Graph, items: Sequence[Item]) -> None:
        self.graph = graph
        self.places: dict[Key, tuple[LoweredOp | LoweredScope, tuple[str, ...]]] = {}
        self.enter(items, ())
        # The instances whose variables others use, by their paths.
        places = [item for item, _ in self.places.values() if isinstance(item, LoweredScope)]
        self.regions = {item.region.weights for item in places}

    def enter(self, items: Sequence[Item], sections: tuple[str, ...]) -> None:
        for item in steps_in(items):
            self.places[key_of(item)] = item, sections
            if isinstance(item, LoweredScope):
                self.enter(item.items, (*sections, item.region.path))

    def owner(self, item: LoweredOp | LoweredScope) -> Key | None:
        """The step in the class whose module an item applies again; None where there is none."""
        key: Key
        if isinstance(item, LoweredScope):
            key = item.region.weights
        else:
            key = item.node.weights if reuses_layer(self.graph, item.node) else ""
        return key if key in self.places else None

    def modules(self, key: Key, keys: ModuleKeys) -> list[str]:
        """The paths in the class of the modules with weights of a step."""
        item, sections = self.places[key]
        around = [one for section in sections for one in keys[section] if one is not None]
        return [".".join([*around, own]) for own in _weighted_keys(item, keys)]

    def replaced(self, keys: ModuleKeys, called: Container[Key]) -> Iterator[tuple[str, str]]:
        """The paths of the modules of the class that are replaced by another one, and of that:
        those of the steps that do not call their owner's, as those in `called` do."""
        for key, (item, _) in self.places.items():
            owner = None if key in called else self.owner(item)
            if owner is not None:
                yield from zip(self.modules(key, keys), self.modules(owner, keys), strict=True)

    def frozen(
        self, keys: ModuleKeys, is_sequential: Callable[[LoweredScope], bool]
    ) -> Iterator[str]:
        """The paths of the modules of the class that are not trained, the outermost: but for those
        in sections that are no plain sequences, whose classes freeze their own."""
        inside: set[str] = set()
        for key, (item, sections) in self.places.items():
            part = item.node if isinstance(item, LoweredOp) else item.region
            around = [self.places[one][0] for one in sections]
            scopes = [one for one in around if isinstance(one, LoweredScope)]
            if inside.intersection(sections) or not all(map(is_sequential, scopes)):
                continue
            if part.frozen:
                yield from self.modules(key, keys)
                if isinstance(item, LoweredScope):
                    inside.add(item.region.path)

    def tied(self, keys: ModuleKeys) -> Iterator[tuple[str, str]]:
        """The paths of the parameters of the class that are another one, and of that."""
        for key, (item, _) in self.places.items():
            owner = item.node.weights if isinstance(item, LoweredOp) else -1
            if owner not in self.places or self.owner(item) is not None:
                continue
            assert isinstance(item, LoweredOp)
            (own,), (shared,) = self.modules(key, keys), self.modules(owner, keys)
            for name in item.node.op.ties(self.graph.nodes[owner].op):
                yield f"{own}.{name}", f"{shared}.{name}"


def _weighted_keys(item: LoweredOp | LoweredScope, keys: ModuleKeys) -> Iterator[str]:
    own = keys[key_of(item)]
    if isinstance(item, LoweredScope):
        yield from (key for key in own if key is not None)
        return
    for (layer, _), key in zip(constructed(item), own, strict=True):
        if layer.weighted and key is not None:
            yield key


def at(path: str) -> Expr:
    """What stands at a path in the module whose class is written."""
    expr: Expr = Ref("self")
    for key in path.split("."):
        if key.isdigit():
            expr = Index(expr, (Lit(int(key)),))
        elif key != attribute_name(key):
            expr = call("getattr", expr, key)
        elif isinstance(expr, Ref):
            expr = Ref(f"{expr.name}.{key}")
        else:
            expr = Attribute(expr, key)
    return expr


def set_to(path: str, value: Expr) -> Statement:
    """The statement that puts something at a path."""
    around, _, key = path.rpartition(".")
    if key == attribute_name(key):
        return Assign(at(path), value)
    return ExpressionStatement(call("setattr", at(around) if around else Ref("self"), key, value))


def aliases(
    graph: Graph,
    placements: Mapping[int, tuple[Placement, ...]],
    variables: Mapping[str, StoredVariable],
    replaced: Sequence[tuple[str, str]],
) -> Iterator[Alias]:
    """Where else a state dict has the arrays: as parameters that are tied, and in modules that are
    `replaced` by others."""
    keys = {(one.layer, one.name): key for key, one in variables.items()}
    found: list[Alias] = []
    for node in graph.layers:
        if node.weights < 0 or reuses_layer(graph, node):
            continue
        owner = graph.nodes[node.weights]
        for name in node.op.ties(owner.op):
            own = f"{owner.path}.{name}"
            layer = next(
                one.path for one in placements[node.index] if name in one.lowered.variables
            )
            stored = variables[own]._replace(layer=str(layer))
            found.append(Alias(own, node.path, stored))
            keys[stored.layer, name] = own
    waiting = list(keys.items())
    while waiting:
        (layer, name), key = waiting.pop()
        for own, shared in replaced:
            if f"{layer}.".startswith(f"{shared}."):
                place = own + str(layer)[len(shared) :], name
                if place not in keys:
                    keys[place] = key
                    waiting.append((place, key))
                    found.append(Alias(key, "", variables[key]._replace(layer=place[0])))
    return iter(found)
