"""What the tests run in processes of their own: writers that acknowledge what the log has taken."""

from __future__ import annotations

import sys
from pathlib import Path

from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make


def write(path: Path, count: int, *, reopen_every: int = 0) -> None:
    """Append records one by one, printing each id once it is in the log."""
    log = SqliteStore(path)
    for number in range(count):
        execution = make(prompt=f"support/p{number % 3}")
        log.append([Entry(execution, "full")])
        print(execution.id, flush=True)
        if reopen_every and number % reopen_every == 0:
            log.close()
    log.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), reopen_every=int(sys.argv[3]) if len(sys.argv) > 3 else 0)
