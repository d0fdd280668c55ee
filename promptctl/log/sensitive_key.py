"""The key of a workspace, with which sensitive values are hashed: who does not have it cannot try guesses."""

from __future__ import annotations

import hashlib
import hmac
import os
from contextlib import suppress
from pathlib import Path
from secrets import token_bytes, token_hex

from promptctl.files.names import SENSITIVE_KEY

_KEY_BYTES = 32


def keyed_hash(folder: Path, data: bytes) -> str | None:
    """Return the HMAC-SHA-256 of data with the key in this folder; None if the key cannot be read or made."""
    key = _key_in(folder)
    return None if key is None else hmac.new(key, data, hashlib.sha256).hexdigest()


def _key_in(folder: Path) -> bytes | None:
    """Return the key of the hashes, made by whoever needs it first; None if it cannot be read or made."""
    path = folder / SENSITIVE_KEY
    with suppress(OSError):
        if not path.exists():
            _make_key(path)
        if len(key := path.read_bytes()) == _KEY_BYTES:
            return key
    return None


def _make_key(path: Path) -> None:
    """Make the key, whole or not at all; if another process is quicker, its key holds."""
    draft = path.with_name(f"{path.name}.{token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(token_bytes(_KEY_BYTES))
            opened.flush()
            os.fsync(opened.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
