"""The metadata file for Datasette: titles of the log's views and columns, and questions that people ask of them."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from promptctl.git.outputs import replace_output

_DATABASE = "log"


def datasette_metadata(database: str = _DATABASE) -> dict[str, Any]:
    """Return the metadata of a log in a file of this name without its suffix, as Datasette takes it."""
    metadata: dict[str, Any] = json.loads(
        (resources.files("promptctl.reports") / "datasette.json").read_text(encoding="utf-8")
    )
    metadata["databases"] = {database: metadata["databases"][_DATABASE]}
    return metadata


def write_datasette_metadata(file: Path, database: str = _DATABASE) -> None:
    """Write it to a file. Raises `WorkspaceError` if it cannot be written."""
    text = json.dumps(datasette_metadata(database), ensure_ascii=False, indent=2) + "\n"
    replace_output(file, [text.encode()])
