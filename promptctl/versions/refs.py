"""Refs, as users type them: `support/triage`, `support/triage@production`, `@v7`, `@main~2` after an id."""

from __future__ import annotations

import re
from dataclasses import dataclass

from promptctl.errors import UsageError, printable
from promptctl.files.names import DEFAULT_PLACES, LABEL, PROMPT_SUFFIXES, PROMPTS, id_problem
from promptctl.files.wording import shown

_NUMBER = re.compile(r"v([1-9][0-9]{0,8})")
_NUMBER_SHOWN = re.compile(r"v([0-9]+\+.*|\?.*|0)")
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Ref:
    """A prompt's id and, after `@`, the version meant; `at` is None for the work tree."""

    prompt: str
    at: str | None = None

    def __str__(self) -> str:
        return self.prompt if self.at is None else f"{self.prompt}@{self.at}"

    @property
    def number(self) -> int | None:
        """The version number asked for (`@v7`); None if it is a label or a revision."""
        match = _NUMBER.fullmatch(self.at or "")
        return int(match[1]) if match else None

    @property
    def label(self) -> str | None:
        """The label that `at` can be; None if it can be none (`main~2`, `refs/heads/x`, `3f2a9c1`)."""
        return self.at if self.at is not None and is_label(self.at) else None


def is_label(text: str) -> bool:
    """Return True if this can be a label's name: `[a-z][a-z0-9-]*`, neither a version number nor all hexadecimal."""
    return bool(LABEL.match(text)) and not _NUMBER.fullmatch(text) and not _HEX.fullmatch(text)


def parse_ref(text: str) -> Ref:
    """Read a ref as it was typed. Raises `UsageError`, which says what to type instead.

    >>> parse_ref("support/triage@production")
    Ref(prompt='support/triage', at='production')
    >>> parse_ref("support/triage@main@{1}").at
    'main@{1}'
    """
    if not isinstance(text, str):
        raise UsageError(f"a ref is a text such as `support/triage@production`, not {shown(text)}")
    prompt, sign, at = text.partition("@")
    if not prompt:
        raise UsageError("the ref names no prompt", hint="write <prompt> or <prompt>@<label, version or revision>")
    check_id(prompt, sign + at)
    if not sign:
        return Ref(prompt)
    if not at or at != at.strip() or not at.isprintable():
        wrong = f"`{printable(at)}` cannot name a version" if at.strip() else f"no version follows @ in `{prompt}@`"
        hint = f"write {prompt} for the work tree, or {prompt}@ with a label, a version (v7) or a revision"
        raise UsageError(wrong, hint=hint)
    if _NUMBER_SHOWN.fullmatch(at):
        raise UsageError(
            f"`{at}` is shown for what has no number of its own, and names nothing",
            hint=f"name the commit: {prompt}@<commit>",
        )
    return Ref(prompt, at)


def check_id(prompt: str, rest: str = "") -> None:
    """Raise `UsageError` if this cannot be a prompt's id. `rest` is what follows it in a ref: `@v7`."""
    name, at, _ = prompt.partition("@")
    if at and id_problem(name) is None:
        raise UsageError(
            f"`{printable(prompt)}` names a version, and the whole prompt is meant", hint=f"name it `{name}`"
        )
    stem = DEFAULT_PLACES.stem(prompt.removeprefix("./"))
    problem = id_problem(prompt)
    if stem is not None or (problem is not None and prompt.endswith(PROMPT_SUFFIXES)):
        hint = f"its id is {stem}{rest}" if stem else "promptctl list --json shows each prompt's id and path"
        raise UsageError(f"`{printable(prompt)}` is a file; a prompt is named by its id", hint=hint)
    if problem is not None:
        from promptctl.files.free_names import plain_id

        near = plain_id(prompt)
        hint = f"a prompt's id is its path below {PROMPTS}/" + (f", such as {near}" if near else "")
        raise UsageError(f"`{printable(prompt)}` cannot be a prompt: {problem}", hint=hint)
