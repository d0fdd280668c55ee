"""A bug of this program, as a file that its user can send: the traceback, without secrets."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from promptctl import __version__
from promptctl.files.names import SETTINGS
from promptctl.files.tree import read_file
from promptctl.log.redaction import Redactor, secrets_of

_KEY_VARIABLE = re.compile(rb"""api_key_env["']?\s*:\s*["']?([A-Za-z_]\w*)""")


def save_traceback(error: Exception, environ: Mapping[str, str], folders: Iterable[str] = ()) -> str:
    """Write the traceback to a new file of the temporary folder; return its path. Raises `OSError` if it cannot.

    What settings in or above one of the folders name in `api_key_env` is a secret. Whether these were the settings is
    not known here, so any other variable may hold one too, unless it is a mere word.
    """
    secrets = secrets_of(environ, set(_key_variables(folders)), whatever_the_name=True)
    text = Redactor(secrets).redact("".join(traceback.format_exception(error)))
    descriptor, path = tempfile.mkstemp(prefix="promptctl-bug-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"promptctl {__version__}, Python {sys.version}\n\n{text}")
    return path


def _key_variables(folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        with suppress(OSError):
            start = Path(folder).absolute()
            for place in (start, *start.parents):
                if (place / SETTINGS).is_file():
                    yield from (name.decode() for name in _KEY_VARIABLE.findall(read_file(place / SETTINGS)))
                    break
