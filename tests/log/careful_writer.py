"""A process of its own that appends one record as a paid answer's is appended."""

from __future__ import annotations

import sys
from pathlib import Path

from promptctl.log.sqlite.recovery import append_or_keep
from promptctl.log.sqlite.store import Entry, Log
from tests.log.conftest import make

if __name__ == "__main__":
    with Log(Path(sys.argv[1])) as log:
        warning = append_or_keep(log, [Entry(make(), "full")])
        if warning is not None and warning.reason != "corrupt":
            sys.exit(str(warning))
