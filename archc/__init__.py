"""archc compiles neural-network specs to PyTorch and Keras source and exact reports.

>>> network = archc.load("specs/lenet5.yaml", classes=100)
>>> network.report()["totals"]["params"]
>>> source = network.emit("torch")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archc.diagnostics import SpecError
from archc.version import __version__

if TYPE_CHECKING:
    from os import PathLike

    from archc.api import Network
    from archc.difference import Difference

__all__ = ["SpecError", "__version__", "diff", "load"]


def load(path: str | PathLike[str], max_steps: int = 100_000, /, **params: object) -> Network:
    """Read a spec file (`-`: standard input), or a spec by its name as the commands do, with values
    for some of its parameters. One that expands to more than `max_steps` steps is rejected; 100,000
    is the most there can be.

    Raises SpecError with all diagnostics. With values for parameters, the spec's expectations are
    not checked.
    """
    from archc import api

    return api.load(path, params, max_steps)


def diff(a: Network, b: Network) -> Difference:
    """The difference of two networks, layer by layer; `report()` gives it as JSON types."""
    from archc.difference import difference

    return difference(a.costs, b.costs)
