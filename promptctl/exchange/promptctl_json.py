"""A prompt of ours as one JSON document, with the text of every file that it includes or names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.exchange.drafts import FileDraft, ForeignContents, ImportNote, PromptDraft, Source
from promptctl.exchange.written import PromptToWrite, Written

_FORMAT = "promptctl/prompt/1"
_KEYS = ("format", "id", "version", "commit", "digest", "prompt", "files")


def is_one(source: Source) -> bool:
    """Return True for a document that says so."""
    return _FORMAT.encode() in source.data[:200] and source.data.lstrip()[:1] == b"{"


def read(source: Source) -> ForeignContents:
    """Return the prompt with its files. Raises `InvalidFiles` for JSON that is not of this shape."""
    found = source.json("export it again")
    data: Any = found if isinstance(found, dict) else {}
    prompt, files = data.get("prompt"), data.get("files", {})
    is_sound = isinstance(prompt, dict) and isinstance(files, dict) and all(isinstance(x, str) for x in files.values())
    if not is_sound or not isinstance(data.get("id"), str):
        raise source.refuse("`id`, `prompt` or `files` is missing or of a wrong type", 1, "export it again")
    place = source.place(1)
    notes = [ImportNote("kept", key, "as it is", place) for key in ("prompt", "files") if data.get(key)]
    gone = "is of the repository that it comes from"
    notes += [ImportNote("dropped", key, gone, place) for key in ("version", "commit", "digest") if data.get(key)]
    notes += [ImportNote("dropped", key, "is no key of this format", place) for key in data if key not in _KEYS]
    drafts = tuple(FileDraft(path, text, place) for path, text in files.items())
    draft = PromptDraft(data["id"], prompt, place)
    return ForeignContents((draft,), files=drafts, notes=tuple(notes), are_files_given=True)


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return each prompt as `<id>.json`. Nothing is lost, except for what is in its datasets."""
    return Written({f"{each.prompt.id}.json": _document(each) for each in prompts})


def _document(each: PromptToWrite) -> bytes:
    prompt, version = each.prompt, each.at.version
    data: dict[str, Any] = {
        "format": _FORMAT,
        "id": prompt.id,
        "version": version.display,
        "commit": version.commit,
        "digest": version.digest,
        "prompt": each.data,
        "files": {
            path.removeprefix(f"{prompt.base}/"): _text(each, path) for path in prompt.closure if path != prompt.path
        },
    }
    return (json.dumps(data, ensure_ascii=False, indent=2) + "\n").encode()


def _text(each: PromptToWrite, path: str) -> str:
    try:
        return each.at.tree.read(path).decode()
    except UnicodeDecodeError:
        raise InvalidFiles(
            [Problem(f"{path} is not UTF-8 text", Place(path), "save it as UTF-8", "not-utf-8")]
        ) from None
