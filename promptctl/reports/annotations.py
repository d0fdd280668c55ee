"""Findings as annotations of GitHub: commands to the runner that show them at the lines of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from shlex import split
from typing import Any

from promptctl.errors import OK, WORKSPACE, Problem
from promptctl.files.wording import clip, name_some

_OWN = ("messages", "inputs", "model", "engine", "parameters", "metadata")
_MOST = 10  # GitHub shows no more of each kind for a step
_LONGEST = 4_000


def annotation_lines(review: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the annotations of a review, given as JSON; `prefix` leads from the repository to its paths."""
    lines = review.get("lines", {})
    found = ((kind, path, line or lines.get(path), words) for kind, path, line, words in _findings(review))
    return _lines(found, prefix)


def problem_annotations(problems: Iterable[Problem], prefix: str = "") -> Iterator[str]:
    """Yield the annotations of problems; `prefix` leads from the repository to their paths."""
    return _lines(map(_of_problem, problems), prefix)


_Finding = tuple[str, str | None, int | None, str]


def _lines(findings: Iterable[_Finding], prefix: str) -> Iterator[str]:
    by_kind: dict[str, list[str]] = {"error": [], "warning": []}
    for kind, path, line, message in findings:
        place = "" if path is None else f" file={_escaped(prefix + path, is_property=True)},line={line or 1}"
        by_kind[kind].append(f"::{kind}{place}::{_escaped(clip(message, _LONGEST))}")
    for found in by_kind.values():
        yield from list(dict.fromkeys(found))[:_MOST]


def _of_problem(problem: Problem) -> _Finding:
    place, hint = problem.place, f"\n{problem.hint}" if problem.hint else ""
    path, line = (None, None) if place is None else (place.path, place.line)
    return problem.severity, path, line, f"{problem.code}: {problem.message}{hint}"


def _findings(review: Mapping[str, Any]) -> Iterator[_Finding]:
    """Yield the kind, the place and the words of each finding."""
    paths = {prompt["prompt"]: _changed_file(prompt) for prompt in review["prompts"]}
    changed = {each["dataset"] for each in review["datasets"]}
    problems = [
        *(problem for prompt in review["prompts"] for problem in prompt["head_problems"]),
        *(problem for part in ("datasets", "evaluations") for each in review[part] for problem in each["problems"]),
    ]
    for problem in problems:
        hint = f"\n{problem['hint']}" if problem["hint"] else ""
        yield "error", problem["path"], problem["line"], problem["message"] + hint
    for each in review["evaluations"]:
        if each["exit_code"] not in (OK, WORKSPACE) and each["decision"]:  # the problems of files are above
            kind = "error" if each["exit_code"] == 1 else "warning"
            tested = (found["head"]["dataset"] for found in each["comparisons"])
            path = paths.get(each["prompt"]) or next((path for path in tested if path in changed), None)
            yield kind, path, None, _decision(each)
    shared = {each["path"] for each in review["files"]}
    against = [each for each in review.get("together", ()) if each["verdict"] in ("worse", "incomplete")]
    for each in sorted(against, key=lambda each: 1.0 if each["p"] is None else each["p"])[:1]:
        path = next((cause for cause in each["causes"] if cause in shared), None)
        yield "error" if each["verdict"] == "worse" else "warning", path, None, each["reason"]
    kind = "error" if "--fail-on-breaking" in split(review["reproduce"]) else "warning"
    for prompt in review["prompts"]:
        for whose in ("callers", "consumers"):
            for broken in prompt[f"breaks_{whose}"]:
                words = " ".join(filter(None, (broken["part"], broken["name"], broken["reason"])))
                yield kind, prompt["path"], None, f"breaks {whose}: {words}"


def _changed_file(prompt: Mapping[str, Any]) -> str:
    """Return the path of the file that changed: the prompt's own, or what it pulls in if that alone differs."""
    path: str = prompt["path"]
    is_own = prompt["diff"] is None or any(prompt["diff"][part] for part in _OWN)
    return path if is_own or not prompt["through"] else str(prompt["through"][0])


def _decision(evaluated: Mapping[str, Any]) -> str:
    """Return the decision on a prompt, each verdict in it as the sentence that names the cases that fail now."""
    decision: str = evaluated["decision"]
    for found in evaluated["comparisons"]:
        failing = [pair["case"] for pair in found["regressed"] if pair["certainty"] != "noise"]
        is_named = not failing or any(case in found["headline"] for case in failing)
        more = "" if is_named else f" Failing now: {name_some(failing)}."
        decision = decision.replace(found["reason"], found["headline"] + more)
    return decision


def _escaped(text: str, *, is_property: bool = False) -> str:
    """Return a stranger's text as part of a command, which it can neither end nor follow with another."""
    for character in "%\r\n" + (":," if is_property else ""):
        text = text.replace(character, f"%{ord(character):02X}")
    return text.replace("##[", "##\u200b[")
