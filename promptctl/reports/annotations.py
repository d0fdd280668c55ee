"""A review as annotations of GitHub: commands to the runner that show its findings at the lines of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MOST = 10  # GitHub shows no more of each kind for a step


def annotation_lines(review: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the annotations of a review, given as JSON; `prefix` leads from the repository to its paths."""
    by_kind: dict[str, list[str]] = {"error": [], "warning": []}
    for kind, path, line, message in _findings(review):
        place = "" if path is None else f" file={_escaped(prefix + path, is_property=True)},line={line or 1}"
        by_kind[kind].append(f"::{kind}{place}::{_escaped(message)}")
    for found in by_kind.values():
        yield from list(dict.fromkeys(found))[:_MOST]


def _findings(review: Mapping[str, Any]) -> Iterator[tuple[str, str | None, int | None, str]]:
    """Yield the kind, the place and the words of each finding."""
    paths = {prompt["prompt"]: prompt["path"] for prompt in review["prompts"]}
    problems = [
        *(problem for prompt in review["prompts"] for problem in prompt["head_problems"]),
        *(problem for part in ("datasets", "evaluations") for each in review[part] for problem in each["problems"]),
    ]
    for problem in problems:
        hint = f"\n{problem['hint']}" if problem["hint"] else ""
        yield "error", problem["path"], problem["line"], problem["message"] + hint
    for each in review["evaluations"]:
        if each["exit_code"] and each["decision"]:
            kind = "error" if each["exit_code"] == 1 else "warning"
            yield kind, paths.get(each["prompt"]), None, each["decision"]
    for prompt in review["prompts"]:
        for whose in ("callers", "consumers"):
            for broken in prompt[f"breaks_{whose}"]:
                words = " ".join(filter(None, (broken["part"], broken["name"], broken["reason"])))
                yield "warning", prompt["path"], None, f"breaks {whose}: {words}"


def _escaped(text: str, *, is_property: bool = False) -> str:
    """Return a stranger's text as part of a command, which it can neither end nor follow with another."""
    for character in "%\r\n" + (":," if is_property else ""):
        text = text.replace(character, f"%{ord(character):02X}")
    return text.replace("##[", "##\u200b[")
