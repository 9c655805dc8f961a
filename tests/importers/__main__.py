"""All nine models of the `onnx` package: the values of all layers, and a change of every attribute
of every node, which must be seen each time. `python -m tests.importers`: a quarter of an hour."""

from __future__ import annotations

import sys

from archc.verify import Workers
from tests.importers.models import NAMES, light
from tests.importers.test_light import changed_attributes, compare, imported, is_accepted_as


def main() -> int:
    """Check all models; 1 where one fails."""
    failures = 0
    with Workers() as workers:
        for name in NAMES:
            own = imported(name)
            agreement = compare(own, str(light(name)), workers)
            changes = list(changed_attributes(name, sys.maxsize))
            missed = [what for what, data in changes if is_accepted_as(own, data)]
            print(
                f"{name}: {agreement.compared} layers to {agreement.largest:.0e}, "
                f"{len(changes)} changes, {len(missed)} missed",
                flush=True,
            )
            for problem in (agreement.reason, agreement.disagreement, *missed):
                if problem is not None:
                    failures += 1
                    print(f"  {problem}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
