"""How long `promptctl browse` takes to open, and for each page, with many prompts over a big log.

    python benchmarks/browse.py [--records 1000000] [--prompts 1000] [--rounds 5] [--keep FOLDER]

Makes a workspace in a repository of so many prompts in three versions, with the calls of `benchmarks/dashboard.py`, and
asks for each page over HTTP as a browser does. Prints the median and the slowest of the rounds after the first one, and
the CPU of the server. Exits 1 where a target is missed. With `--keep` the workspace is made there, or taken from there.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

from dashboard import make_workspace

from promptctl.browse.site import NAVIGATION

MOST_OPEN_S, MOST_PAGE_S = 0.5, 0.2
PROMPT = """\
name: Prompt {number}
description: Classify ticket number {number} and draft a reply in the tone of the house.
tags: [tag-{tag}, support]
model: {model}
inputs:
  ticket: {{type: string, description: Raw text}}
messages:
  - role: system
    content: |
      You triage tickets, in the words of version {version}.
      {{% include "tone.j2" %}}
  - role: user
    content: "{{{{ ticket }}}}"
"""
MODELS = ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "local/llama")


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def make(root: Path, records: int, prompts: int) -> None:
    make_workspace(root, records)
    git(root, "init", "-q", "-b", "main")
    (root / "prompts/tone.j2").write_text("Be kind.\n")
    (root / "datasets").mkdir()
    for version in range(3):
        for number in range(prompts - 20):
            file = root / f"prompts/area-{number % 20}/p{number}.prompt.yaml"
            file.parent.mkdir(exist_ok=True)
            model = MODELS[number % 3]
            file.write_text(PROMPT.format(number=number, tag=number % 30, model=model, version=version))
            if version == 0:
                cases = "".join(f"  - {{id: c{case}, inputs: {{ticket: t{case}}}}}\n" for case in range(10))
                tests = f"prompts: [area-{number % 20}/p{number}]\ndefaults: {{assert: [{{type: is-json}}]}}\ncases:\n"
                (root / f"datasets/d{number}.yaml").write_text(tests + cases)
        git(root, "add", "prompts", "datasets", "promptctl.yaml")
        git(root, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", f"Version {version}")


def pages() -> list[str]:
    found = ["?search=number+77", "?category=area-3&tag=tag-3", "prompt?ref=area-3/p3", "prompt?ref=area-7/p507"]
    found += [
        "prompt?ref=support/prompt-0",
        "prompt?ref=area-3/p3@v1",
        "diff?old=area-3/p3@v1&new=@v3",
        "file?path=tone.j2",
    ]
    return [*NAVIGATION, *found]


class Reader:
    """Reads pages of a server, once its address was exchanged for a cookie."""

    def __init__(self, address: str) -> None:
        self._host = urlsplit(address).netloc
        (found,) = SimpleCookie(self._ask(f"/?{urlsplit(address).query}", "")[1]).values()
        self._folder, self._cookie = found["path"], f"{found.key}={found.value}"

    def seconds(self, page: str) -> tuple[float, int]:
        """How long a page takes, and its bytes."""
        begun = time.perf_counter()
        status, _, size = self._ask(self._folder + page, self._cookie)
        assert status == 200, (page, status)
        return time.perf_counter() - begun, size

    def _ask(self, path: str, cookie: str) -> tuple[int, str, int]:
        with closing(http.client.HTTPConnection(self._host, timeout=120)) as connection:
            connection.request("GET", path, headers={"Cookie": cookie})
            found = connection.getresponse()
            return found.status, found.headers.get("Set-Cookie", ""), len(found.read())


def cpu_s(process: int) -> float:
    """The CPU that a process and its children used so far: other work on the machine does not show in it."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def measure(root: Path, rounds: int) -> bool:
    begun = time.perf_counter()
    command = [sys.executable, "-m", "promptctl", "browse", "--no-open"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        reader = Reader(process.stdout.readline().strip())
        opened = time.perf_counter() - begun
        print(f"{'open: its address is answered':44} {opened:6.3f} s, CPU {cpu_s(process.pid):.2f} s")
        is_good = opened <= MOST_OPEN_S
        for page in pages():
            spent = cpu_s(process.pid)
            times = [reader.seconds(page) for _ in range(rounds + 1)]
            first, size = times[0]
            later, cpu = [seconds for seconds, _ in times[1:]], (cpu_s(process.pid) - spent) / len(times)
            median = statistics.median(later)
            said = f"slowest {max(later):.3f}, first {first:.3f}, CPU {cpu:.3f} in the mean, {size:,} B"
            print(f"{page or '(prompts)':44} {median:6.3f} s, {said}")
            is_good = is_good and median <= MOST_PAGE_S
        process.send_signal(signal.SIGINT)
        ended = time.perf_counter()
        process.wait()
        print(f"{'end: after Ctrl-C':44} {time.perf_counter() - ended:6.3f} s")
    return is_good


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = given.keep or Path(temporary) / "workspace"
        if not root.exists():
            make(root, given.records, given.prompts)
        return 0 if measure(root, given.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
