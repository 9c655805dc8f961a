"""Training: runs of networks by their recipes, and the scripts that train them.

`data` reads and prepares images, `run` keeps what a run writes, `torch` and `keras` train, `report`
draws; `script` writes training scripts. A worker process executes a plan (`archc.training.plan`)
that the command line has written.
"""

from __future__ import annotations

from archc import backends


def trainable() -> tuple[str, ...]:
    """The backends whose networks can be trained."""
    return tuple(name for name in backends.names() if backends.backend(name).trainer is not None)
