"""How long a snapshot of 1,000 prompts takes to write and to open, and what it holds in memory, each in a new process,
the least of several rounds: whatever else the machine does can only add to what the work takes.

    python benchmarks/snapshot.py [--repository DIR] [--rounds 5]

Without `--repository` one of 2,000 commits, 1,000 prompts and 2,000 labels is made first. `write` is the whole command,
`open` is `open_workspace(snapshot=…)` with the first prompt rendered, and `hold` what is resident more once every
prompt was resolved. Exits 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TARGETS = {"write_s": 3.0, "open_ms": 50.0, "hold_mib": 40.0}


def write(root: Path, file: Path) -> dict[str, float]:
    """The command, from its start to its end."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "promptctl", "-C", str(root), "snapshot", "write", str(file)]
    subprocess.run([*command, "--label", "production"], check=True, capture_output=True)
    return {"write_s": time.perf_counter() - begun}


def resident() -> float:
    """The memory that this process holds, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)


def open_(root: Path, file: Path) -> dict[str, float]:  # noqa: ARG001 - the tasks are called alike
    """One prompt rendered, and then every prompt resolved."""
    import promptctl.prompts.rendering
    import promptctl.workspace.snapshots

    before, begun = resident(), time.perf_counter()
    workspace = promptctl.open_workspace(snapshot=file)
    opened = time.perf_counter()
    hold_opened = resident() - before
    first, *_ = entries = promptctl.Snapshot.read(file).entries
    workspace.prompt(f"{first.prompt}@{first.at}").render({"ticket": "I was charged twice."})
    rendered = time.perf_counter()
    for entry in entries:
        workspace.prompt(f"{entry.prompt}@{entry.at}")
    return {
        "open_ms": (opened - begun) * 1000,
        "first_render_ms": (rendered - opened) * 1000,
        "hold_opened_mib": hold_opened,
        "hold_mib": resident() - before,
    }


TASKS: dict[str, Callable[[Path, Path], dict[str, float]]] = {"write": write, "open": open_}


def measured(task: str, root: Path, file: Path) -> dict[str, float]:
    """One task in a new process."""
    command = [sys.executable, __file__, "--task", task, "--repository", str(root), "--file", str(file)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repository", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(TASKS[given.task](given.repository, given.file)))
        return
    with tempfile.TemporaryDirectory() as folder:
        root, file = given.repository, Path(folder) / "prompts.snapshot.json"
        if root is None:
            from make_repository import Size, make

            root = Path(folder) / "desk"
            make(root, Size(2_000, 1_000, 10_000))
        rounds = [measured("write", root, file) | measured("open", root, file) for _ in range(given.rounds)]
        size = file.stat().st_size / (1 << 20)
    found = {name: min(each[name] for each in rounds) for name in rounds[0]}
    for name, value in found.items():
        target = f"   at most {TARGETS[name]:g}" if name in TARGETS else ""
        print(f"{name:16} {value:8.2f}{target}")
    print(f"{'size_mib':16} {size:8.2f}")
    if any(found[name] > most for name, most in TARGETS.items()):
        sys.exit(1)


if __name__ == "__main__":
    main()
