"""The version of archc, and the name by which it is installed."""

__version__ = "0.2.0"
DISTRIBUTION = "archc-compiler"
"""Another project's name is `archc` where Python packages are registered; the command and the
import have no other one."""


def requirement(extra: str | None) -> str:
    """What `pip install` takes for archc, with an extra of it."""
    return DISTRIBUTION if extra is None else f"{DISTRIBUTION}[{extra}]"
