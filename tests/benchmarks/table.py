"""The table of all benchmarks, `README.md`, from the record of what each measured.

A row is a run of its own, its ratios are of processes or steps that took turns in it. Rows stay
until they are measured again, on the same machine with the same libraries; a run on another
machine, or with other versions, begins a new record, as does one without the file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from archc.version import __version__

RECORD = Path(__file__).with_name("record.json")
README = Path(__file__).with_name("README.md")
LIBRARIES = (
    "click",
    "fvcore",
    "keras",
    "numpy",
    "onnx",
    "pyyaml",
    "rich",
    "tensorflow",
    "tensorflow-cpu",
    "torch",
    "torchinfo",
    "torchvision",
    "transformers",
)

HEAD = """\
# How fast archc is

Made by `make benchmarks`, a part of it by `python -m pytest tests/benchmarks -k PART`. Contenders
take turns in one run: the ratios say more than the times, which are the machine's. *median* and
*least* are of all runs of a contender, *processor* is the least time of the processor in all
threads, *memory* the peak of resident memory. Nothing of this is asserted by tests.
"""

FLOOR = "Commands beside the floor"
LIBRARY = "Reports beside other libraries"
GROWTH = "Growth with the number of layers"
NETWORKS = "Emitted networks beside hand-written ones"
TRAINING = "Epochs of training"
NEIGHBOUR = "Training beside a busy process"
DATA = "Reading data"

SECTIONS = {
    FLOOR: """\
Whole processes, VGG-16. The floor is the smallest program that reads the YAML file with libyaml and
prints the same table (`floor_report.py`); the aims are at most 3 times that for `archc report`, 5
times for `archc diff`, 2 times for help and completion, and 40 MiB (42 MB).""",
    LIBRARY: """\
Whole processes that print the layers of VGG-16. *as fast* is how many times as fast `archc report`
is; the aim is 25 times for torchinfo on meta.""",
    GROWTH: """\
Specs of each shape with up to so many layers, or faults: the exponent of a power law through an
eighth, a quarter, a half and all of them, and what all of them take: seconds of the processor and
peak of memory. The aim is an exponent of at most 1.1.""",
    NETWORKS: """\
One step on all cores in float32, in turns with the library's own model, which has as many
parameters. *as fast* is how many times as fast the emitted network is, by the medians and by the
least times. A training step is forward, cross-entropy, backward and plain gradient descent. Keras
has no AlexNet, ViT-B/16 and GPT-2 of its own.""",
    TRAINING: """\
Epochs of LeNet-5 on as many digits, the first of each process left out; ours write a checkpoint and
the weights in that time. *of archc train* and *of script* are how many times as fast these are as a
contender: by the medians, by the least times, and by the least of the processor.""",
    NEIGHBOUR: """\
Images a second in the best epoch of LeNet-5, alone and beside a process that takes all the time it
gets of one core.""",
    DATA: """\
Files of data, read by archc and by what one would use in its place.""",
}
"""What stands above the rows of each section."""


def machine() -> dict[str, str]:
    """The machine and the versions that figures belong to."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    libraries = [f"{name} {one}" for name in LIBRARIES if (one := _version(name))]
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} on {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": ", ".join([f"archc {__version__}", *libraries]),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return named[0] if named else platform.processor()


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def add(section: str, row: str, cells: Mapping[str, str]) -> None:
    """Put cells, by their columns, into a row of the record, and write the table."""
    record: dict[str, Any] = {"machine": machine(), "sections": {}}
    if RECORD.exists():
        kept = json.loads(RECORD.read_text("utf-8"))
        if kept["machine"] == record["machine"]:
            record = kept
    sections = record["sections"].setdefault(section, {"rows": {}})
    sections["measured"] = date.today().isoformat()
    sections["rows"].setdefault(row, {}).update(cells)
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    README.write_text(table(record), encoding="utf-8")


def table(record: Mapping[str, Any]) -> str:
    """The tables in Markdown, below a description of the machine."""
    lines = [HEAD, *(f"- {name}: {text}" for name, text in record["machine"].items())]
    for title, about in SECTIONS.items():
        if title not in record["sections"]:
            continue
        section = record["sections"][title]
        rows = section["rows"]
        columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
        lines += ["", f"## {title}", "", f"{about} Measured on {section['measured']}.", ""]
        lines += [_line(["", *columns]), _line(["---", *("---:" for _ in columns)])]
        lines += [_line([row, *(cells.get(c, "") for c in columns)]) for row, cells in rows.items()]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
