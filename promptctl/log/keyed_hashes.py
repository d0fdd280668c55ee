"""Keyed hashes of sensitive values and of names that hold one, and the key that a workspace has for them."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Any

from promptctl.files.names import SENSITIVE_KEY
from promptctl.files.plain import canonical_json
from promptctl.files.tree import FileStamp, file_stamp
from promptctl.log.encoding import to_json
from promptctl.prompts.prompt import HASHED, SENSITIVE

_KEY_BYTES = 32


def hash_of(folder: Path, value: Any) -> str:
    """Return what stands for a value in a log whose key is in this folder."""
    found = keyed_hash(folder, _as_bytes(value))
    return f"{SENSITIVE}]" if found is None else HASHED + found


def hashes_of(folder: Path, names: Iterable[str | None]) -> dict[str, str]:
    """Return what stands for each name of a user or a session in rows of calls whose sensitive inputs hold it.

    Nothing if the folder has no key: then no row has a hash.
    """
    key = _read_key(folder)
    if key is None:
        return {}
    return {name: HASHED + _hmac(key, _as_bytes(name)) for name in names if name and not name.startswith(HASHED)}


def keyed_digests(folder: Path, digests: Iterable[str]) -> dict[str, str]:
    """Return what stands for each digest in rows of calls whose sensitive inputs hold what it is of.

    Nothing if the folder has no key: then no row has such.
    """
    key = _read_key(folder)
    return {} if key is None else {digest: _hmac(key, digest.encode())[: len(digest)] for digest in digests}


def keyed_hash(folder: Path, data: bytes) -> str | None:
    """Return the HMAC-SHA-256 of data with the key in this folder; None if the key cannot be read or made."""
    key = _read_key(folder)
    if key is None:
        with suppress(OSError):
            _make_key(folder / SENSITIVE_KEY)
        key = _read_key(folder)
    return None if key is None else _hmac(key, data)


def _as_bytes(value: Any) -> bytes:
    try:
        text = canonical_json(value)
    except (TypeError, ValueError, RecursionError):
        text = to_json(value)
    return text.encode("utf-8", "surrogatepass")


def _hmac(key: bytes, data: bytes) -> str:
    return hmac.new(key, data, hashlib.sha256).hexdigest()


def _read_key(folder: Path) -> bytes | None:
    path = f"{folder}/{SENSITIVE_KEY}"
    stamp = file_stamp(path)
    with suppress(OSError, ValueError):
        return None if stamp is None else _key_in(path, stamp)
    return None


@lru_cache(maxsize=16)  # a budget for each user asks for it at every call
def _key_in(path: str, _stamp: FileStamp) -> bytes:
    """Return the key in a file, which is read anew once it was replaced. An error is not kept, as it may pass."""
    if len(key := Path(path).read_bytes()) != _KEY_BYTES:
        raise ValueError(f"{path} has no key")
    return key


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
