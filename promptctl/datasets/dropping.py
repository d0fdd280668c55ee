"""Takes cases out of a dataset's file; everything else in it stays as it is."""

from __future__ import annotations

import io
from collections.abc import Collection

from promptctl.datasets.row_files import open_rows
from promptctl.datasets.rows import Row
from promptctl.errors import Place
from promptctl.files.names import DATASET_SUFFIXES
from promptctl.files.proposal import FileEdit, change_of
from promptctl.files.tree import Tree
from promptctl.files.yaml_editing import RemoveItems, edit_yaml


def without_cases(tree: Tree, path: str, places: Collection[Place]) -> FileEdit:
    """Return the change of the file that holds the cases of the dataset at `path` if those at `places` are taken out.

    Places are those of rows, in a dataset without problems. Raises `WorkspaceError` for a YAML file whose text does not
    allow it.
    """
    file = open_rows(tree, path)
    rows = [row.place for row in file.read() if isinstance(row, Row)]
    data = tree.read(file.path, max_bytes=1 << 30)
    if file.path.endswith(DATASET_SUFFIXES):
        at = tuple(index for index, place in enumerate(rows) if place in places)
        return change_of(tree, file.path, edit_yaml(data, file.path, [RemoveItems(("cases",), at)]))
    lines = io.BytesIO(data).readlines()  # as a file of cases is read: at line feeds alone
    begins = [place.line or 1 for place in rows]
    for place, begin, end in reversed(list(zip(rows, begins, [*begins[1:], len(lines) + 1], strict=True))):
        if place in places:
            del lines[begin - 1 : end - 1]
    return change_of(tree, file.path, b"".join(lines))
