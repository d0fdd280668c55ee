"""Node, the packages that tests of TypeScript need, and what to skip with where there are none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "packages/render"


def node(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run Node; the test is skipped if there is none."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("there is no `node` to run JavaScript with")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )


def typescript() -> Path:
    """The folder with TypeScript's compiler, installed by npm once; the test is skipped if it cannot be had."""
    program = PACKAGE / "node_modules/typescript"
    if program.is_dir():
        return program
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no `npm` to install TypeScript with")
    done = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=PACKAGE, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"npm could not install TypeScript: {done.stderr.strip().splitlines()[-1:]}")
    return program
