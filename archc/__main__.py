"""The program: `archc`, or `python -m archc`."""

from __future__ import annotations

import gc
import sys


def run() -> int:
    """Run the command line of this process, which ends with it. Returns its exit code.

    Looking for garbage takes a tenth of a short run: half of it while modules are imported, half of
    it at the end, where all that is left goes with the process.
    """
    gc.disable()
    from archc.cli import main

    code = main()
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(run())
