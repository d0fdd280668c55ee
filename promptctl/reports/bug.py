"""A bug of this program, as a file that its user can send: the traceback, without secrets."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Mapping

from promptctl import __version__
from promptctl.log.redaction import Redactor
from promptctl.log.secrets import secrets_of


def save_traceback(error: Exception, environ: Mapping[str, str]) -> str:
    """Write the traceback to a new file of the temporary folder; return its path. Raises `OSError` if it cannot.

    Here it is not known which variable `api_key_env` named, so any may hold a secret.
    """
    text = Redactor(secrets_of(environ, whatever_the_name=True)).redact("".join(traceback.format_exception(error)))
    descriptor, path = tempfile.mkstemp(prefix="promptctl-bug-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"promptctl {__version__}, Python {sys.version}\n\n{text}")
    return path
