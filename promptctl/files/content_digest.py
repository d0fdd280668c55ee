"""One name for equal content."""

from __future__ import annotations

import hashlib
import json
from typing import Any

# Made once: `json.dumps` makes an encoder at each call.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def canonical_json(content: Any) -> str:
    """One JSON text for equal content, whatever the order of keys."""
    return _encode(content)


def content_digest(content: Any) -> str:
    """32 hexadecimal digits, the same for equal content whatever the order of keys."""
    return hashlib.blake2b(_encode(content).encode(), digest_size=16).hexdigest()
