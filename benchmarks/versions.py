"""How long versions and labels take in a large repository, each in a process of its own, the fastest of several.

    python benchmarks/versions.py [--repository DIR] [--rounds 9]

Without `--repository` one of 20,000 commits, 1,000 prompts and 5,000 label tags is made first. Times are of the work
itself, from the opened workspace to the result; `import` is what GitPython takes besides, in each of them. Exits 1
where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROMPT = "team0/p0"


def render(root: Path, ref: str) -> None:
    from promptctl.prompts.rendering import Renderer
    from promptctl.versions.repository import Repository

    repository = Repository(root, cache_dir=root / ".promptctl")
    Renderer(repository.resolve(ref).prompt).render({"ticket": "I was charged twice."})


def history(root: Path) -> None:
    from promptctl.versions.repository import Repository

    assert Repository(root, cache_dir=root / ".promptctl").versions_of(PROMPT)


def numbers(root: Path) -> None:
    from promptctl.versions.repository import Repository

    assert Repository(root, cache_dir=root / ".promptctl").numbers()


def blame(root: Path) -> None:
    from promptctl import open_workspace

    with open_workspace(root, {}) as workspace:
        assert workspace.blame(PROMPT).changes


def render_outside(root: Path) -> None:
    render(outside(root), PROMPT)


def outside(root: Path) -> Path:
    """The same prompts in a workspace that is in no repository."""
    return root.with_name(root.name + "-outside-git")


TASKS: dict[str, Callable[[Path], None]] = {
    "outside": render_outside,
    "work tree": lambda root: render(root, PROMPT),
    "label": lambda root: render(root, f"{PROMPT}@production"),
    "number": lambda root: render(root, f"{PROMPT}@v2"),
    "history": history,
    "numbers": numbers,
    "blame": blame,
}


def timed(task: str, root: Path) -> dict[str, float]:
    """One task in this process, in milliseconds."""
    import promptctl.prompts.rendering
    import promptctl.versions.repository  # noqa: F401

    begun = time.perf_counter()
    import git  # noqa: F401

    imported = time.perf_counter()
    TASKS[task](root)
    done = time.perf_counter()
    return {"import": (imported - begun) * 1000, "work": (done - imported) * 1000}


def measured(task: str, root: Path) -> dict[str, float]:
    """One task in a new process."""
    command = [sys.executable, __file__, "--task", task, "--repository", str(root)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def fastest(root: Path, rounds: int) -> dict[str, dict[str, float]]:
    """The fastest of several runs of each task: whatever else the machine does can only add to what the work takes.

    The tasks take turns, so that a busy spell falls on all of them.
    """
    turns = [{task: measured(task, root) for task in TASKS} for _ in range(rounds)]
    return {task: {key: min(turn[task][key] for turn in turns) for key in ("import", "work")} for task in TASKS}


def grow(root: Path, commits: int) -> None:
    """Add commits to the end of the line."""
    tip = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "main"], check=True, capture_output=True, text=True
    ).stdout
    stream = ""
    for n in range(commits):
        text = f"messages:\n  - role: user\n    content: Growth {n} of {time.time_ns()}\n"
        stream += f"commit refs/heads/main\ncommitter A <a@example.org> {1_900_000_000 + n} +0000\ndata 4\ngrow\n"
        stream += f"from {tip}" if n == 0 else ""
        stream += f"M 644 inline prompts/grown.prompt.yaml\ndata {len(text)}\n{text}\n"
    subprocess.run(["git", "-C", str(root), "fast-import", "--quiet"], input=stream.encode(), check=True)
    update = ["git", "-C", str(root), "update-ref", "refs/remotes/origin/main", "refs/heads/main"]
    subprocess.run(update, check=True)


def report(root: Path, rounds: int) -> bool:
    """Print the table; whether every target was met."""
    shutil.rmtree(root / ".promptctl", ignore_errors=True)
    built = measured("history", root)["work"]
    shutil.copytree(root, outside(root), ignore=shutil.ignore_patterns(".git", ".promptctl"), dirs_exist_ok=True)
    rows = fastest(root, rounds)
    grow(root, 50)
    grown = measured("history", root)["work"]
    shutil.rmtree(outside(root))
    work = {task: found["work"] for task, found in rows.items()}
    lines: list[tuple[str, float, float | None]] = [
        ("index built once, history of one prompt", built, None),
        ("index grown by 50 commits, history of one prompt", grown, None),
        ("render outside Git", work["outside"], None),
        ("render the work tree with its number: adds", work["work tree"] - work["outside"], None),
        ("render @label: adds", work["label"] - work["outside"], 50),
        ("render @v2: adds", work["number"] - work["outside"], 50),
        ("history of one prompt", work["history"], 100),
        ("numbers of all prompts", work["numbers"], 1000),
        ("blame of one prompt", work["blame"], 500),
        ("import of GitPython, in each", rows["label"]["import"], None),
    ]
    print(f"{'what':<52}{'ms':>9}  {'target':>7}")
    for name, found, target in lines:
        print(f"{name:<52}{found:>9.1f}  {'' if target is None else f'{target:.0f}':>7}")
    return all(target is None or found <= target for _, found, target in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repository", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(timed(given.task, given.repository)))
        return
    if given.repository:
        sys.exit(not report(given.repository, given.rounds))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "large"
        subprocess.run([sys.executable, str(Path(__file__).with_name("make_repository.py")), str(root)], check=True)
        sys.exit(not report(root, given.rounds))


if __name__ == "__main__":
    main()
