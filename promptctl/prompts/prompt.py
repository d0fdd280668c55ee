"""The prompt: the record that one `*.prompt.yaml` file and its closure are read into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from promptctl.errors import Place, Problem
from promptctl.files.names import PROMPTS

Status = Literal["active", "deprecated", "inactive"]
Engine = Literal["jinja2", "simple", "none"]
Dialect = Literal["native", "github"]


SENSITIVE = "[sensitive"
HASHED = "hmac-sha256:"
SENSITIVE_MARKS = (SENSITIVE, HASHED)
"""The beginnings of what stands in the place of a sensitive value."""


class Missing(Enum):
    """The mark of no value; `None` is a value."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Input:
    """One declared variable. `schema` is its JSON Schema (2020-12) without our own keys.

    With a default it is not `is_required`. A value that `is_sensitive` is kept out of everything that is stored.
    """

    name: str
    schema: Mapping[str, Any]
    default: Any = MISSING
    is_required: bool = True
    is_sensitive: bool = False
    place: Place | None = field(default=None, compare=False)

    @property
    def description(self) -> str:
        """The schema's description, or an empty string."""
        return str(self.schema.get("description", ""))


@dataclass(frozen=True, slots=True)
class Message:
    """One message before rendering.

    `content` is a template's text, or OpenAI content parts (`{type: text, text: …}`, `{type: image_url, …}`) whose
    strings are templates. `place` is where the content's text begins in the file, so that a template's error can
    be given as a line of the file: `place_of` does that. `part_places` say the same for each part; `lines` gives the
    file's line of each line of the text if they do not simply follow one another (folded or quoted text). `extra`
    holds further protocol keys (`name`, `tool_call_id`, `tool_calls`).
    """

    role: str
    content: str | tuple[Mapping[str, Any], ...]
    place: Place | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    part_places: tuple[Place, ...] = ()
    lines: tuple[int, ...] = ()

    def place_of(self, line: int, part: int | None = None) -> Place | None:
        """Return the place in the file of a line of the content, or of one of its parts; lines count from 1."""
        start = self.place if part is None else self.part_places[part]
        if start is None or start.line is None:
            return start
        if part is None and self.lines:
            return Place(start.path, self.lines[min(line, len(self.lines)) - 1])
        return start if line == 1 else Place(start.path, start.line + line - 1)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Stands for the list of messages given as the input of that name; never rendered as a template."""

    input: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """Requirements of the reply. `schema` is a JSON Schema with every `$ref` to a file already bundled in."""

    schema: Mapping[str, Any] | None = None
    schema_path: str | None = None
    name: str = "output"
    is_strict: bool = False
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt with its whole closure, all read from one tree.

    `partials` maps each included path, relative to the folder `base`, to its text. `closure` lists every file that was
    read, relative to the workspace. `digest` names the version exactly (see `promptctl.prompts.closure.digest`).
    `model` is None if the file names none: the workspace's default then runs, and is not part of the digest.
    `problems` holds warnings only; errors have been raised.
    """

    id: str
    path: str
    digest: str
    name: str
    messages: tuple[Message | Placeholder, ...]
    description: str = ""
    status: Status = "active"
    successor: str | None = None
    formerly: tuple[str, ...] = ()
    copied_from: str | None = None
    tags: tuple[str, ...] = ()
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    engine: Engine = "jinja2"
    output: Output = field(default_factory=Output)
    response_format: Mapping[str, Any] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    partials: Mapping[str, str] = field(default_factory=dict)
    closure: tuple[str, ...] = ()
    dialect: Dialect = "native"
    inline_dataset: Mapping[str, Any] | None = None
    problems: tuple[Problem, ...] = ()
    text: str = ""
    base: str = PROMPTS

    @property
    def needed_options(self) -> tuple[str, ...]:
        """The words after `promptctl run REF` that give its required inputs, each with `…` to be filled in."""
        return tuple(word for name, each in self.inputs.items() if each.is_required for word in ("-i", f"{name}=…"))

    @property
    def retirement(self) -> str:
        """Words on its status, with the prompt to use in its place; empty for an active one.

        >>> Prompt("a", "", "", "A", (), status="deprecated", successor="b").retirement
        'a is deprecated: use b'
        """
        if self.status == "active":
            return ""
        return f"{self.id} is {self.status}" + (f": use {self.successor}" if self.successor else "")

    @property
    def declared_response_format(self) -> dict[str, Any] | None:
        """The chat-completions protocol's `response_format` that the prompt declares, or None.

        A model that is known not to take it is asked for the same in the messages.
        """
        if self.output.schema is not None:
            json_schema = {
                "name": self.output.name,
                "schema": dict(self.output.schema),
                "strict": self.output.is_strict,
            }
            return {"type": "json_schema", "json_schema": json_schema}
        return dict(self.response_format) if self.response_format is not None else None

    @property
    def sensitive(self) -> tuple[str, ...]:
        """The names of the inputs whose values are kept out of everything that is stored."""
        return tuple([each.name for each in self.inputs.values() if each.is_sensitive])

    @property
    def own_tests(self) -> Sequence[Mapping[str, Any]]:
        """The test rows in a file of GitHub's that can be graded: without evaluators, those that expect something."""
        inline = self.inline_dataset
        if inline is None:
            return ()
        from promptctl.formats.github_dialect import UNUSABLE_TEST

        rows: Sequence[Mapping[str, Any]] = inline.get("testData", ())
        if inline.get("evaluators") or any(each.code == UNUSABLE_TEST for each in self.problems):
            return rows
        return [row for row in rows if row.get("expected") not in (None, "")]


@dataclass(frozen=True, slots=True)
class Rendered:
    """The messages as they are sent, and the inputs with declared defaults filled in.

    `stored` are the messages without what is sensitive, None if they are stored as they are sent.
    """

    messages: tuple[dict[str, Any], ...]
    inputs: Mapping[str, Any]
    stored: tuple[dict[str, Any], ...] | None = None
