"""What `promptctl add` fetches of a repository of 10,000 commits: objects by kind, bytes, and seconds.

    python benchmarks/vendoring.py [--commits 10000] [--rounds 3]

The repository is served three ways: as `file://` by a server that can leave files out, the same by one that cannot,
and by a Git daemon on loopback. It has 1,000 prompts; each commit edits one. Exits 1 if more than one commit was sent,
or more files than are taken.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TAKEN = 4  # the settings, the prompt, its partial, its dataset
PROMPTS = 1_000


def history(commits: int) -> Iterator[str]:
    """The stream that `git fast-import` reads."""
    for number in range(commits):
        files = {f"prompts/team{number % 20}/p{number % PROMPTS}.prompt.yaml": prompt(number)}
        if number == 0:
            files |= {"promptctl.yaml": "{}\n", "prompts/shared/tone.j2": "Be kind.\n"}
            files |= {f"prompts/team{n % 20}/p{n}.prompt.yaml": prompt(n) for n in range(PROMPTS)}
            files |= {"datasets/p7.yaml": "prompts: [team7/p7]\ncases: [{id: a}]\n"}
        body = "".join(f"M 100644 inline {path}\ndata {len(text)}\n{text}\n" for path, text in files.items())
        when = f"{1_700_000_000 + 60 * number} +0000"
        yield f"commit refs/heads/main\ncommitter Ada Example <ada@example.org> {when}\ndata 5\nEdit\n{body}\n"


def prompt(number: int) -> str:
    """The text of a prompt's file."""
    system = f"You answer for team {number % 20}. {{% include 'shared/tone.j2' %}} This is wording {number}."
    return f'messages:\n  - {{role: system, content: "{system}"}}\n'


def make(folder: Path, commits: int) -> Path:
    """Make the repository, and give its path."""
    bare = folder / "kit.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare], check=True)
    stream = "".join(history(commits)).encode()
    subprocess.run(["git", "-C", bare, "fast-import", "--quiet"], input=stream, check=True)
    subprocess.run(["git", "-C", bare, "gc", "--quiet"], check=True)
    return bare


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback, and give the address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = ["--listen=127.0.0.1", f"--port={port}", f"--base-path={folder}"]
    command = ["git", "daemon", "--export-all", "--reuseaddr", *where]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            time.sleep(0.05)
        try:
            yield f"git://127.0.0.1:{port}/kit.git"
        finally:
            process.terminate()


def add(root: Path, url: str) -> dict[str, float]:
    """Run the command, and give what it received and how long it took."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "promptctl", "-C", str(root), "add", f"{url}//team7/p7@main", "--json"]
    done = subprocess.run(command, check=True, capture_output=True)
    return {**json.loads(done.stdout)["received"], "seconds": round(time.perf_counter() - begun, 2)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    is_missed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = make(folder, options.commits)
        command = ["git", "-C", str(bare), "count-objects", "-v"]
        count = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        print("repository:", ", ".join(line for line in count if line.startswith(("in-pack", "size-pack"))))
        root = folder / "here"
        root.mkdir()
        (root / "promptctl.yaml").write_text("model: echo/echo\n")
        config = ["git", "-C", str(bare), "config", "uploadpack.allowFilter"]
        with daemon(folder) as url:
            for way, address, filters in (
                ("file://, with a filter", f"file://{bare}", "true"),
                ("git daemon, with a filter", url, "true"),
                ("file://, without", f"file://{bare}", "false"),
            ):
                subprocess.run([*config, filters], check=True)
                found = min((add(root, address) for _ in range(options.rounds)), key=lambda each: each["seconds"])
                print(f"{way:26}", json.dumps(found))
                is_missed |= found["commits"] != 1 or (filters == "true" and found["blobs"] > TAKEN)
    return int(is_missed)


if __name__ == "__main__":
    raise SystemExit(main())
