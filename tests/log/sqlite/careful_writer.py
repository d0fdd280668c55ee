"""A process of its own that appends one record as a paid answer's is appended."""

from __future__ import annotations

import sys
from pathlib import Path

from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make

if __name__ == "__main__":
    with SqliteStore(Path(sys.argv[1])) as log:
        warning = log.append([Entry(make(), "full")])
        if warning is not None and warning.reason != "corrupt":
            sys.exit(str(warning))
