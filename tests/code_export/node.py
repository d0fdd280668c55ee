"""Node, the packages that tests of TypeScript need, and what to skip with where there are none."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "packages/render"


def _program(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"there is no `{name}` to run JavaScript with")
    return program


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Node; the test is skipped if there is none."""
    command = [_program("node"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)


class Renderer:
    """The renderer for JavaScript in a process of its own, asked once for each call."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **asked: Any) -> dict[str, Any]:
        """Its answer: `messages` and `data`, `error` if it refuses, `broken` for anything else."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "broken" not in answer, answer
        return answer


@contextmanager
def running_renderer() -> Iterator[Renderer]:
    """The renderer for as long as it is needed; the test is skipped without Node."""
    command = [_program("node"), str(Path(__file__).with_name("renderer.mjs"))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, encoding="utf-8", **pipes) as process:  # type: ignore[call-overload]
        yield Renderer(process)
        process.stdin.close()


def _is_installed() -> bool:
    return all((PACKAGE / "node_modules" / name).is_dir() for name in ("openai", "typescript"))


def typescript() -> Path:
    """The folder of TypeScript, beside the types of OpenAI: installed by npm once, or the test is skipped."""
    _program("node")
    folder = PACKAGE / "node_modules/typescript"
    if _is_installed():
        return folder
    command = [_program("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries", "0"]
    with (PACKAGE / "package.json").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # several workers of pytest may want it at once
        if not _is_installed():
            try:
                subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=120, check=True)
            except subprocess.TimeoutExpired:
                pytest.skip("npm could not install TypeScript within two minutes")
            except subprocess.CalledProcessError as error:
                pytest.skip(f"npm could not install TypeScript: {error.stderr.partition(chr(10))[0]}")
    return folder
