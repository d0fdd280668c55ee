"""Files as inputs: a text as it is, and an image, sound or document as a data URL, the form that messages carry."""

from __future__ import annotations

import base64
import re

from promptctl.files.tree import LFS_POINTER, is_lfs_pointer

# A data URL is a third longer, and providers take no image that is much larger.
MAX_MEDIA_BYTES = 8 << 20
MAX_IN_PROMPT = 256 << 10

_PDF = b"%PDF-"
# Every PDF says near its end where its table of objects begins.
_PDF_END = b"startxref"
_CONTROL = re.compile(r"[^\t\n\v\f\r\x1b -~\x80-\U0010ffff]")
# How the bytes of a file begin. The name decides nothing: a file is what it holds.
_TYPES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (_PDF, "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


class NotReadable(ValueError):
    """A file that can be no input; the message ends a sentence about it."""


def as_input(data: bytes) -> str:
    """Return the value of an input that a file gives. Raises `NotReadable`.

    >>> as_input(b"GIF89a" + bytes(3))
    'data:image/gif;base64,R0lGODlhAAAA'
    """
    if is_lfs_pointer(data):
        raise NotReadable(f"{LFS_POINTER}: run git lfs pull")
    kind = _media_type(data)
    if kind is not None:
        if len(data) > MAX_MEDIA_BYTES:
            raise NotReadable(f"has {len(data):,} bytes; at most {MAX_MEDIA_BYTES:,} are sent of an image or sound")
        return f"data:{kind};base64,{base64.b64encode(data).decode()}"
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        known = "an image (PNG, JPEG, GIF, WebP), a PDF or a sound (WAV, MP3, Ogg, FLAC)"
        raise NotReadable(f"is neither UTF-8 text (byte {error.start}) nor {known}") from None


def image_in_prompt(data: bytes) -> str:
    """Return an image as the data URL that a prompt file may hold. Raises `NotReadable` for a larger one, or none."""
    url = as_input(data)
    if not url.startswith("data:image/") or len(data) > MAX_IN_PROMPT:
        raise NotReadable(f"is no image, or one of more than {MAX_IN_PROMPT >> 10} KiB, which no prompt can hold")
    return url


def without_data_url(value: str) -> str:
    """Return the base64 text of a data URL; any other text as it is."""
    head, separator, content = value.partition(";base64,")
    return content if separator and head.startswith("data:") else value


def _media_type(data: bytes) -> str | None:
    if data.startswith(b"RIFF"):
        kind = _RIFF.get(data[8:12])
    else:
        kind = next((kind for sign, kind in _TYPES if data.startswith(sign)), None)
    if kind is None or (data.startswith(_PDF) and _PDF_END in data):
        return kind
    return None if _is_text(data) else kind


def _is_text(data: bytes) -> bool:
    """Return True for UTF-8 without control characters: a text may begin with `GIF89a`."""
    try:
        return _CONTROL.search(data.decode()) is None
    except UnicodeDecodeError:
        return False
