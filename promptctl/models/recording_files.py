"""The files of recordings: their lines, the sound recordings among them, and the folder that they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.files.names import DATASETS, RECORDINGS
from promptctl.files.tree import open_file, read_file
from promptctl.models.recorded_reply import Entry, read_handwritten, read_line

LONGEST_LINE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Located:
    """A recording: its file and line, as they are named to people, and a function that reads it again."""

    path: str
    line: int | None
    read: Callable[[], Entry | None]


def check_folder(folder: Path) -> None:
    """Raise `InvalidFiles` if the folder, or `datasets/` above it, is a link: it could lead out of the workspace."""
    if folder.is_symlink() or (folder.parent.name == DATASETS and folder.parent.is_symlink()):
        message, hint = "the folder is reached through a symbolic link", "put the folder itself there"
        raise InvalidFiles([Problem(message, Place(RECORDINGS), hint, "unreadable")])


def entries_of(file: Path) -> Iterator[Entry]:
    """Yield the sound recordings of a file."""
    if file.suffix == ".jsonl":
        yield from filter(None, (read_line(line, place_in(file))[0] for _, _, line in lines_of(file)))
    else:
        yield from read_handwritten(whole_file(file), str(place_in(file)))[0]


def located_in(file: Path) -> Iterator[tuple[Located, Entry]]:
    """Yield the sound recordings of a file, each with its place and how to read it again."""
    place = place_in(file)
    if file.suffix != ".jsonl":
        for entry in entries_of(file):
            yield Located(place.path, None, partial(_itself, entry)), entry
        return
    for offset, number, line in lines_of(file):
        found = read_line(line, place)[0]
        if found is not None:
            yield Located(place.path, number, partial(_read_at, file, offset)), found


def _itself(entry: Entry) -> Entry:
    return entry


def _read_at(file: Path, offset: int) -> Entry | None:
    with suppress(OSError), open_file(file) as opened:
        opened.seek(offset)
        return read_line(opened.readline(LONGEST_LINE), place_in(file))[0]
    return None


def whole_file(file: Path) -> bytes:
    """Return the content of a file that is written by hand. Raises `InvalidFiles`."""
    try:
        return read_file(file)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        raise InvalidFiles([Problem(message, Place(str(place_in(file))), "split it", "unreadable")]) from error


def lines_of(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield offset, number and bytes of each line that is not blank. One that is too long is cut, and so not whole."""
    offset = number = 0
    with open_file(file) as opened:
        while line := opened.readline(LONGEST_LINE):
            number += 1
            start, last = offset, line
            offset += len(line)
            while not last.endswith(b"\n") and (last := opened.readline(LONGEST_LINE)):
                offset += len(last)
            if not line.isspace():
                yield start, number, line


def place_in(file: Path, line: int | None = None) -> Place:
    """Return the place of a file of recordings, or of a line in it, as people know it."""
    return Place(f"{RECORDINGS}/{file.name}", line)
