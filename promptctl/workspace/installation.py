"""Python, SQLite, LiteLLM and the log, as `doctor` looks at them."""

from __future__ import annotations

import platform
import site
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from promptctl.context import Context
from promptctl.files.names import LOG_FILE, STATE_VARIABLE
from promptctl.log.store import LogState

Status = Literal["ok", "warning", "problem"]
Seen = tuple[Status, str] | tuple[Status, str, str | None]
"""One thing that a check saw: how it is, in words, and what to do about it."""

# https://osv.dev/vulnerability/PYSEC-2026-2: they sent the machine's keys to a stranger.
_STOLEN_LITELLM = ("1.82.7", "1.82.8")
_STOLEN_PTH = "litellm_init.pth"
_PTH_OF_ENVIRONMENTS = ("_virtualenv.pth", "distutils-precedence.pth")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok`, a `warning`, or a `problem`, with what to do about it."""

    check: str
    status: Status
    message: str
    hint: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return it JSON-able, with stable keys."""
        return {"check": self.check, "status": self.status, "message": self.message, "hint": self.hint}


def program() -> Iterator[Seen]:
    """Say which promptctl and Python this is."""
    from promptctl import __version__

    python = f"Python {platform.python_version()}, {platform.system()}"
    yield "ok", f"promptctl {__version__}, {python}"


def sqlite(log: LogState) -> Iterator[Seen]:
    """Look at the SQLite that keeps the log."""
    if log.has_fault:
        fault = "has a rare fault that can damage a log while several processes write to it"
        hint = "use a Python with a newer SQLite; until then make copies: promptctl log backup FILE"
        yield "warning", f"{log.database} {fault}; it is mended in 3.51.3, 3.50.7 and 3.44.6", hint
    else:
        yield "ok", log.database
    if not log.has_words:
        yield "warning", "it has no FTS5, so log search reads every kept content"


def litellm() -> Iterator[Seen]:
    """Look for releases that steal keys, and for code that runs at each start of Python unasked."""
    from importlib.metadata import PackageNotFoundError, distributions, version

    try:
        installed = version("litellm")
    except PackageNotFoundError:
        yield "problem", "LiteLLM is not installed", "pip install --force-reinstall promptctl-git"
        return
    rescue = "uninstall it, and replace every key that this machine has held"
    if installed in _STOLEN_LITELLM:
        yield "problem", f"LiteLLM {installed} steals keys", rescue
    else:
        yield "ok", f"LiteLLM {installed}"
    records = [each.read_text("RECORD") or "" for each in distributions()]
    for file in _startup_files():
        if file.name == _STOLEN_PTH:
            yield "problem", f"{file} runs at each start of Python to steal keys", rescue
        elif file.name not in _PTH_OF_ENVIRONMENTS and not any(f"{file.name}," in text for text in records):
            message = f"{file} runs code at each start of Python, and no installed package has it"
            yield "warning", message, "see what it is"


def _startup_files() -> Iterator[Path]:
    """Yield the `.pth` files of this Python that run code."""
    import sysconfig

    places = dict.fromkeys([*map(sysconfig.get_path, ("purelib", "platlib")), *site.getsitepackages()])
    for file in (file for place in places for file in sorted(Path(place).glob("*.pth"))):
        with suppress(OSError):
            lines = file.read_text("utf-8", "replace").splitlines()
            if file.name == _STOLEN_PTH or any(line.startswith(("import ", "import\t")) for line in lines):
                yield file


def state_folder(context: Context) -> Path:
    """Return the folder of a workspace's log as it is now; nothing is made or moved."""
    near, own = context.near_state_folder, context.own_state_folder
    if named := context.environ.get(STATE_VARIABLE, "").strip():
        return context.root / Path(named).expanduser()
    is_unmoved = own != near and (near / LOG_FILE).is_file() and not (near / LOG_FILE).is_symlink()
    return near if is_unmoved else own
