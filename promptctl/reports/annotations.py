"""Findings as annotations of GitHub: commands to the runner that show them at the lines of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from promptctl.errors import Problem

_MOST = 10  # GitHub shows no more of each kind for a step


def annotation_lines(review: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the annotations of a review, given as JSON; `prefix` leads from the repository to its paths."""
    return _lines(_findings(review), prefix)


def problem_annotations(problems: Iterable[Problem], prefix: str = "") -> Iterator[str]:
    """Yield the annotations of problems; `prefix` leads from the repository to their paths."""
    return _lines(map(_of_problem, problems), prefix)


_Finding = tuple[str, str | None, int | None, str]


def _lines(findings: Iterable[_Finding], prefix: str) -> Iterator[str]:
    by_kind: dict[str, list[str]] = {"error": [], "warning": []}
    for kind, path, line, message in findings:
        place = "" if path is None else f" file={_escaped(prefix + path, is_property=True)},line={line or 1}"
        by_kind[kind].append(f"::{kind}{place}::{_escaped(message)}")
    for found in by_kind.values():
        yield from list(dict.fromkeys(found))[:_MOST]


def _of_problem(problem: Problem) -> _Finding:
    place, hint = problem.place, f"\n{problem.hint}" if problem.hint else ""
    path, line = (None, None) if place is None else (place.path, place.line)
    return problem.severity, path, line, f"{problem.code}: {problem.message}{hint}"


def _findings(review: Mapping[str, Any]) -> Iterator[_Finding]:
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
