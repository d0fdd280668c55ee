"""`python -m tests.compiled`: compile what the suite imports, as pytest does, one half in each of two processes.

Else each process of the suite would compile all of it for itself, and tabulate Unicode for Hypothesis.
"""

from __future__ import annotations

import compileall
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from _pytest.assertion import rewrite
from _pytest.config import _prepareconfig

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]


def _compile(files: Sequence[Path]) -> None:
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    config = _prepareconfig(["--noconftest", "-o", "addopts="])
    for file in files:
        if not file.name.startswith(("test_", "conftest")):
            compileall.compile_file(file, quiet=2)
            continue
        kept = rewrite.get_cache_dir(file) / (file.stem + rewrite.PYC_TAIL)
        if rewrite._read_pyc(file, kept) is None:
            kept.parent.mkdir(exist_ok=True)
            digest, code = rewrite._rewrite_test(file, config)
            rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, digest, kept)


def _tabulate() -> None:
    if not (ROOT / ".hypothesis/unicode_data").exists():
        from hypothesis.internal import charmap

        charmap.charmap()
        charmap.intervals_from_codec("utf-8")


if __name__ == "__main__":
    files = [file for folder in ("promptctl", "tests") for file in sorted((ROOT / folder).rglob("*.py"))]
    with ProcessPoolExecutor(2) as pool:
        pool.submit(_tabulate)
        list(pool.map(_compile, [files[::2], files[1::2]]))
