"""What data of anybody may do: `data view`, `data pack`, training and prediction refuse the same
things alike, in bounded memory."""

from __future__ import annotations

import gzip
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archc.cli import main
from archc.training.data import VALIDATION, read_data
from archc.training.data import images as image_data
from archc.training.errors import DataError
from tests.training.runner import LIMIT, environment
from tests.training.samples import takes
from tests.training.test_formats import FOUR, picture, table

Capture = pytest.CaptureFixture[str]
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")


def idx(*shape: int) -> bytes:
    head = b"\0\0\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return head + bytes(int(np.prod(shape)))


def refusals(path: Path, capsys: Capture, folder: Path) -> set[str]:
    """What each reader says of data, behind the path."""
    told = []
    for labelled, splits in ((True, None), (True, VALIDATION), (False, ("train",))):
        with pytest.raises(DataError) as refused:
            read_data(path, FOUR, labelled=labelled, splits=splits)
        told.append(str(refused.value))
    for command in (["view"], ["pack", "-o", str(folder / "out.npz")]):
        assert main(["data", command[0], str(path), *command[1:]]) == 1
        told.append(capsys.readouterr().err.removeprefix("archc: ").removesuffix("\n"))
    assert not (folder / "out.npz").exists()
    return {one.removeprefix(f"{folder}/") for one in told}


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder_in_its_place(path: Path) -> None:
    path.mkdir()


NOT_FILES = [pipe, unix_socket, device, folder_in_its_place]


@pytest.mark.parametrize("make", NOT_FILES)
@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz", IDX[0], f"{IDX[0]}.gz"])
def test_only_regular_files_are_opened(
    tmp_path: Path, name: str, make: Callable[[Path], None], capsys: Capture
) -> None:
    """Opening others may block until somebody writes, or never end."""
    data = tmp_path / "data"
    data.mkdir()
    make(data / name)
    outside = "is a link that leads out of the folder"
    fault = outside if make == device else "is not a regular file"
    assert refusals(data, capsys, tmp_path) == {f"data/{name}: {fault}"}
    if make != folder_in_its_place:
        told = f"data/{name}: is not a regular file"
        assert refusals(data / name, capsys, tmp_path) == {told}


@pytest.mark.parametrize("make", NOT_FILES)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_labels_beside_images_are_a_regular_file(
    tmp_path: Path, make: Callable[[Path], None], end: str, capsys: Capture
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / IDX[0]).write_bytes(idx(20, 4, 4))
    make(data / f"{IDX[1]}{end}")
    fault = "is a link that leads out of the folder" if make == device else "is not a regular file"
    for path in (data, data / IDX[0]):
        assert refusals(path, capsys, tmp_path) == {f"data/{IDX[1]}{end}: {fault}"}


@pytest.mark.parametrize("make", [pipe, unix_socket, device])
def test_images_of_a_folder_are_regular_files(
    tmp_path: Path, make: Callable[[Path], None], capsys: Capture
) -> None:
    data = tmp_path / "data"
    picture(data / "cat" / "a.png")
    picture(data / "dog" / "a.png")
    make(data / "dog" / "b.png")
    assert refusals(data, capsys, tmp_path) == {"data/dog/b.png: is not a regular file"}


def test_no_link_leads_out_of_a_folder(tmp_path: Path, capsys: Capture) -> None:
    """A stranger's folder would have other files read, and repeated in messages."""
    out = "is a link that leads out of the folder"
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.csv").write_bytes(table())
    (secret / "labels").write_bytes(idx(20))
    picture(secret / "a.png")
    for number, (name, target) in enumerate(
        [
            ("train.csv", "a.csv"),
            (IDX[0], "labels"),
            ("class/a.png", "a.png"),
            ("class", ""),
        ]
    ):
        link = tmp_path / f"data{number}" / name
        link.parent.mkdir(parents=True)
        link.symlink_to(secret / target)
        assert refusals(tmp_path / f"data{number}", capsys, tmp_path) == {
            f"data{number}/{name}: {out}"
        }
    beside = tmp_path / "idx"
    beside.mkdir()
    (beside / IDX[0]).write_bytes(idx(20, 4, 4))
    (beside / IDX[1]).symlink_to(secret / "labels")
    for path in (beside, beside / IDX[0]):
        assert refusals(path, capsys, tmp_path) == {f"idx/{IDX[1]}: {out}"}
    # A link that was named itself is followed, as one within the folder is.
    assert len(read_data(tmp_path / "data0" / "train.csv", FOUR, labelled=True).images) == 6
    (beside / IDX[1]).unlink()
    (beside / "l").write_bytes(idx(20))
    (beside / IDX[1]).symlink_to("l")
    assert len(read_data(beside, FOUR, labelled=True).images) == 20


@pytest.mark.parametrize("shape", [(20, 0, 28), (20, 28, 0), (20, 0, 0), (2**32 - 1, 0, 2**31)])
def test_images_without_pixels_are_refused(
    tmp_path: Path, shape: tuple[int, ...], capsys: Capture
) -> None:
    (tmp_path / IDX[0]).write_bytes(idx(*shape))
    told = f"{IDX[0]}: images of {shape[1]} x {shape[2]} x 1 have no pixels"
    assert refusals(tmp_path / IDX[0], capsys, tmp_path) == {told}
    with pytest.raises(DataError, match="have no pixels"):
        read_data(tmp_path / IDX[0], takes(28), labelled=False)


@pytest.mark.parametrize("shape", [(20, 0, 28), (20, 0, 4, 1), (20, 4, 4, 0)])
def test_arrays_without_pixels_are_refused(
    tmp_path: Path, shape: tuple[int, ...], capsys: Capture
) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros(shape, np.uint8))
    (told,) = refusals(tmp_path / "a.npz", capsys, tmp_path)
    assert re.fullmatch(r"a\.npz: images of .* have no pixels", told)


# Memory, as the most that a process of its own has of it.

MIB = 1 << 20
PEAK = """
import os, resource, sys
from pathlib import Path
os.cpu_count = lambda: 8
import numpy, PIL.Image
from archc.training.data import folder, read_data
from archc.training.data.pack import pack
from archc.training.report.data_view import view
from tests.training.samples import takes
folder.LARGE_IMAGE = 1 << 21
path = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10)
"""


def peak(path: Path, statement: str) -> int:
    """Bytes that reading data takes beside what was in memory before, with eight threads, and
    images of two million pixels as large ones."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK.format(statement), str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT,
        env=environment(OPENBLAS_NUM_THREADS="1"),
    )
    return int(done.stdout)


@pytest.mark.parametrize(
    ("statement", "most"),
    [
        ("view(path, 4, 0)", 100),
        ("read_data(path, takes(8, 8, 3, resize=8), labelled=False)", 100),
        ("read_data(path, takes(2040, 2040, 3), labelled=False)", 100 + 16 * 12),
    ],
)
def test_large_images_are_decoded_one_after_the_other(
    tmp_path: Path, statement: str, most: int
) -> None:
    """Each takes 12 MB of its own, and 40 MB while it is decoded: 640 MB all at once."""
    picture(tmp_path / "0.png", size=(2040, 2040), mode="RGB")
    for number in range(1, 16):
        os.link(tmp_path / "0.png", tmp_path / f"{number}.png")
    assert peak(tmp_path, statement) < most * MIB


def test_a_file_that_unpacks_to_far_more_is_read_bit_by_bit(tmp_path: Path) -> None:
    """Of a thousand times its own size: 15 MB of text become 4 MB of pixels."""
    rows = table(images=np.zeros((6, 16), np.uint8)).splitlines(keepends=True)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(rows[0] + b"".join(rows[1:]) * 80_000, 9))
    assert path.stat().st_size < 80_000
    assert peak(path, "view(path, 8, 0)") < 60 * MIB


def test_what_the_memory_cannot_hold_is_refused_by_the_first_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    lines = table().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"".join(lines[1:]) * 20_000)
    whole = 120_000 * 16
    monkeypatch.setattr(image_data, "machine_memory", lambda: whole)
    read_data(path, FOUR, labelled=True)
    monkeypatch.setattr(image_data, "machine_memory", lambda: whole // 3)
    with pytest.raises(DataError, match=r"the images need 0\.0 GiB of memory"):
        read_data(path, FOUR, labelled=True)
