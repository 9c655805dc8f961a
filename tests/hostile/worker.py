"""`python -m tests.hostile.worker PLACE`: carries every payload in one place through archc, in the
folder it is started in, under an audit hook and with limits on time and memory.

It prints a JSON list of faults, and how many of the specs were read.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

import archc
from archc.diagnostics import SpecError, visible
from archc.language.extends import ON_DISK
from archc.language.reader import decode
from archc.spec import Spec, read_source
from tests.fuzzing.spec_checks import check_diagnostics
from tests.hostile.outputs import check_log, outputs, structure
from tests.hostile.payloads import CANARY, PAYLOADS
from tests.hostile.places import HARMLESS, PLACES, Place

SECONDS = 2.0
"""CPU time for each spec; the clock on the wall depends on what else the machine does."""
MEMORY = 300 << 20
"""Bytes that the process may hold at most, all specs together."""
HARMFUL = ("subprocess", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.", "ctypes.",
           "os.remove", "os.rename", "os.chmod", "os.link", "os.symlink", "shutil.")  # fmt: skip
READABLE = tuple(
    os.path.realpath(path)
    for path in (os.path.dirname(os.path.dirname(archc.__file__)), sys.prefix, sys.base_prefix)
)
"""What archc itself, Python and its packages are read from."""


class Guard:
    """Notes what a spec makes this process do, of what no spec may."""

    def __init__(self) -> None:
        self.active = False
        self.events: list[str] = []
        self.folder = os.path.realpath(os.getcwd())

    def __call__(self, event: str, arguments: Sequence[Any]) -> None:
        if not self.active:
            return
        harmful = event.startswith(HARMFUL)
        if event == "open":
            path, _, flags = arguments
            harmful = not self.is_readable(path) or bool(flags & (os.O_WRONLY | os.O_RDWR))
        elif event == "import":
            harmful = any(payload == arguments[0] for payload in PAYLOADS)
        if harmful:
            self.events.append(f"{event} {ascii(arguments)[:200]}")

    def is_readable(self, path: object) -> bool:
        if isinstance(path, int):
            return True  # a file that is open already
        real = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        return real.startswith((self.folder, *READABLE))


def read(data: bytes) -> Spec:
    root = os.path.realpath(os.getcwd())
    return read_source(decode(data, "net.yaml"), root, os.path.join(root, "net.yaml"), ON_DISK)


def fault_of(place: Place, payload: str, other: Spec, expected: dict[str, Any]) -> str | None:
    """How a payload gets through in a place; None where it is refused or inert. `expected` has the
    structure of each output of the harmless spec."""
    try:
        spec = read(place.spec(payload))
        made = outputs(spec, other, pages=place.pages)
    except SpecError as error:
        check_diagnostics(error.diagnostics)
        return None
    for name, text in made.items():
        check_log(name, text)
        if place.text and not structure(name, text) <= expected[name]:
            return f"{name} has another structure"
    return "read"


def peak_memory() -> int:
    """The most memory that this process has held, in bytes. What the system counts of children
    (`ru_maxrss`) begins with that of the process that started them."""
    try:
        with open("/proc/self/status", encoding="ascii") as stream:
            (line,) = [line for line in stream if line.startswith("VmHWM:")]
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(line.split()[1]) * 1024


def main(name: str) -> dict[str, Any]:
    (place,) = (one for one in PLACES if one.name == name)
    other = read(PLACES[0].spec(HARMLESS))
    harmless = outputs(read(place.spec(HARMLESS)) if place.text else other, other, pages=True)
    expected = {key: structure(key, text) for key, text in harmless.items()}
    guard = Guard()
    sys.addaudithook(guard)
    faults: list[str] = []
    count = 0
    for payload in PAYLOADS:
        begin = time.process_time()
        guard.active = True
        try:
            came = fault_of(place, payload, other, expected)
        except Exception as error:
            came = f"{type(error).__name__}: {error}"
        guard.active = False
        seconds = time.process_time() - begin
        count += came == "read"
        told = [] if came in (None, "read") else [came]
        told += [f"took {seconds:.1f} s"] if seconds > SECONDS else []
        told += guard.events
        told += [f"made {one}" for one in os.listdir() if CANARY in one]
        guard.events.clear()
        faults += [visible(f"{payload[:60]!r}: {one}")[:400] for one in told]
    peak = peak_memory()
    if peak > MEMORY:
        faults.append(f"{peak >> 20} MiB of memory")
    return {"faults": faults, "read": count, "payloads": len(PAYLOADS)}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
