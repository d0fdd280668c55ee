"""Prompts that stand in a program's source, and places that cannot become prompt files. No language is known here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.errors import Place
from promptctl.files.plain import record_data

CLASS_ROLES = {"SystemMessage": "system", "HumanMessage": "user", "AIMessage": "assistant"}
"""The role of each class of LangChain's messages, in any language."""
PAIR_ROLES = {"system": "system", "human": "user", "user": "user", "ai": "assistant", "assistant": "assistant"}
"""The role that the first of a pair names in LangChain's templates."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A piece of source: lines from 1, columns in characters from 0, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Replacement:
    """An expression of the source that something made of the rendered prompt takes the place of.

    The new expression is `before`, the rendered prompt, and `after`: `list(`, `.messages)`.
    """

    span: Span
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Changes of one file that put a prompt file in the place of one prompt.

    With `anchor`, the prompt is rendered once, by a new statement before the one at that span. Without it, the one
    replacement renders the prompt itself. The statements of `removed` are no longer needed.
    """

    replacements: tuple[Replacement, ...]
    anchor: Span | None = None
    removed: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPrompt:
    """A prompt that stands in a program's source.

    `what` names the call as the source does: `client.chat.completions.create`. `names` are wishes for its id, the best
    first. `data` are the keys of a native prompt file; `values` map each input that the call gives to the expression of
    the program's language that it is given as. With the values of `sample`, the file must render to the `expected`
    messages, which are what the code would send; None if that is not known. `rewrite` is None if the call is shown and
    people change the code; `why` then says why. `notes` are what to know about it, each a clause or a sentence.
    `has_instructions` is True if the call takes the first message beside the list of the others.
    """

    place: Place
    what: str
    names: tuple[str, ...]
    data: Mapping[str, Any]
    values: Mapping[str, str]
    sample: Mapping[str, Any] = field(default_factory=dict)
    expected: Sequence[Mapping[str, Any]] | None = None
    rewrite: Rewrite | None = None
    why: str = ""
    notes: tuple[str, ...] = ()
    language: str = "python"
    has_instructions: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {
            "path": self.place.path,
            "line": self.place.line,
            "call": self.what,
            "language": self.language,
            "inputs": dict(self.values),
            "rewritten": self.rewrite is not None,
            "why": self.why or None,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Unadoptable:
    """A place of the source where a prompt is asked for, or made, and that stays as it is.

    `what` names the call, `why` says why it stays, as a sentence without its end; `hint` what to do about it.
    """

    place: Place
    what: str
    why: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.what}: {self.why}"

    def as_dict(self) -> dict[str, str | int | None]:
        """Return a JSON object with stable keys."""
        return record_data(self, without=("place", "what"), path=self.place.path, line=self.place.line, call=self.what)


@dataclass(frozen=True, slots=True)
class SourceFinds:
    """Everything that one source file holds. `problem` says why it could not be read; then there is nothing else."""

    path: str
    prompts: tuple[FoundPrompt, ...] = ()
    left: tuple[Unadoptable, ...] = ()
    problem: str | None = None
