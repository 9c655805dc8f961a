"""The image files of a folder, and their classes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from archc.training.data.images import all_classes, some_names
from archc.training.data.regular import check_inside, check_regular
from archc.training.errors import DataError
from archc.training.task import IMAGE_ENDINGS

OF_SYSTEMS = "__MACOSX"
"""The folder of an archive in which macOS keeps what belongs to the files beside it."""


class ImageFiles(NamedTuple):
    """The image files of a folder, with what they are called and their classes'; and what is to be
    told of the folder."""

    files: list[Path]
    names: tuple[str, ...]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


class Entries(NamedTuple):
    """What is in a folder: folders, image files, and anything else by its path."""

    folders: list[Path]
    images: list[Path]
    others: list[Path]


def list_images(folder: Path, count: int, classes: tuple[str, ...] | None) -> ImageFiles:
    """Find the images of a folder, with a folder for each of at most `count` classes or without
    any, as torchvision's ImageFolder does: files of other endings are left out, and those in
    folders within that of a class belong to it."""
    root = folder.resolve()
    top = entries(folder, root)
    if not top.folders:
        names = tuple(one.name for one in top.images)
        return ImageFiles(top.images, names, notes=left_out(folder, top.others))
    if top.images:
        raise DataError(top.images[0], "lies beside the classes' folders")
    class_names = tuple(one.name for one in top.folders)
    numbers, classes = class_numbers(folder, class_names, count, classes)
    files, others = [], top.others
    labels = []
    for number, one in zip(numbers, top.folders, strict=True):
        inside = entries_below(one, root)
        if not inside.images:
            raise DataError(one, "holds no images")
        files += inside.images
        others += inside.others
        labels += [number] * len(inside.images)
    names = tuple(file.relative_to(folder).as_posix() for file in files)
    return ImageFiles(files, names, np.array(labels, np.int64), classes, left_out(folder, others))


def entries(folder: Path, root: Path) -> Entries:
    """What is in a folder, by name. Raises DataError for links out of `root`, and for images that
    are not regular files."""
    found = Entries([], [], [])
    with os.scandir(folder) as listed:
        for entry in sorted(listed, key=lambda one: one.name):
            path = folder / entry.name
            check_name(path)
            if entry.name.startswith(".") or entry.name == OF_SYSTEMS:
                found.others.append(path)
            elif entry.is_dir():
                if entry.is_symlink():
                    check_inside(path, root)
                found.folders.append(path)
            elif not entry.name.lower().endswith(IMAGE_ENDINGS):
                found.others.append(path)
            else:
                if not entry.is_file(follow_symlinks=False):
                    check_regular(path, path.stat().st_mode)
                    check_inside(path, root)
                found.images.append(path)
    return found


def entries_below(folder: Path, root: Path) -> Entries:
    """What is in a folder and in those within it, folder by folder in the order of their paths."""
    found = Entries([folder], [], [])
    for current in found.folders:  # which grows meanwhile
        inside = entries(current, root)
        for one in inside.folders:
            if one.is_symlink():
                raise DataError(one, "is a link to a folder, within that of a class")
        found.folders.extend(inside.folders)
        found.images.extend(inside.images)
        found.others.extend(inside.others)
    found.images.sort(key=lambda one: (str(one.parent), one.name))
    return found


def left_out(folder: Path, others: Iterable[Path]) -> tuple[str, ...]:
    """What is told of files that are no images."""
    names = [one.relative_to(folder).as_posix() for one in others]
    if not names:
        return ()
    return (f"left out {len(names):,} that are no images: {some_names(names)}",)


def check_name(path: Path) -> None:
    """Refuse a name that could not be written down."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise DataError(path, "has a name that is no text in UTF-8") from None


def class_numbers(
    folder: Path,
    names: tuple[str, ...],
    count: int,
    classes: tuple[str, ...] | None,
) -> tuple[list[int], tuple[str, ...] | None]:
    """The number of each folder's class, and the classes' names.

    Folders called 0, 1, 2 ... are the classes of these numbers, and have no names.
    """
    if classes is None and all(re.fullmatch(r"0|[1-9]\d{0,8}", one) for one in names):
        classes = all_classes(None, count)
        named = None
    else:
        classes = names if classes is None else classes
        named = classes
    if len(classes) > count:
        fault = f"holds {len(classes)} classes, and the network knows {count}"
        raise DataError(folder, fault)
    numbers = {name: number for number, name in enumerate(classes)}
    unnamed = set(all_classes(classes, count)[len(classes) :])
    for name in names:
        if name not in numbers:
            fault = f"is none of the classes that are known: {some_names(classes)}"
            raise DataError(folder / name, fault)
        if name in unnamed:
            fault = "is called like a class that has no folder, by its number"
            raise DataError(folder / name, fault)
    return [numbers[name] for name in names], named
