"""Refs, as users type them, and the prompt at a version that one names, ready to be rendered.

A ref is `support/triage`, or that with `@production`, `@v7` or `@main~2` after it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from promptctl.errors import GitError, UsageError, printable
from promptctl.files.names import DEFAULT_PLACES, LABEL, PROMPT_SUFFIXES, PROMPTS, id_problem
from promptctl.files.tree import Tree
from promptctl.files.wording import shown
from promptctl.prompts.prompt import Prompt, Rendered

if TYPE_CHECKING:
    from promptctl.prompts.rendering import Hide, Renderer

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


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one prompt, as it is shown and recorded.

    `commit` is None outside Git and in a repository with no commit. `is_dirty` says that the work tree's digest
    differs from the commit's (or that the commit has no such prompt). `number` is the ordinal on the default
    branch's first-parent line, None if there is none or it cannot be known. `display` is what people read:
    `v7 (3f2a9c1)`, `v7+2 (1b2c3d4)`, `v7+dirty`, `v?`, or `unversioned` outside Git.
    """

    digest: str
    commit: str | None = None
    is_dirty: bool = False
    number: int | None = None
    label: str | None = None
    display: str = "unversioned"
    note: str | None = None

    def as_dict(self) -> dict[str, str | int | bool | None]:
        """Return it JSON-able, with stable keys; the note is left out."""
        return {
            "version": self.number,
            "version_display": self.display,
            "commit": self.commit,
            "dirty": self.is_dirty,
            "digest": self.digest,
            "label": self.label,
        }


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt rendered with its inputs: exactly what `run` would send. `as_dict()` is what `render --json` prints."""

    prompt: Prompt
    version: Version
    rendered: Rendered
    model: str | None

    @property
    def messages(self) -> tuple[dict[str, Any], ...]:
        """The messages as they are sent, in the chat-completions protocol's shape."""
        return self.rendered.messages

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {
            "prompt": self.prompt.id,
            **self.version.as_dict(),
            "model": self.model,
            "parameters": dict(self.prompt.parameters),
            "messages": list(self.messages),
            "tools": [dict(tool) for tool in self.prompt.tools],
            "response_format": self.prompt.declared_response_format,
        }


@dataclass(frozen=True, eq=False)
class PromptAtVersion:
    """A prompt as it was at one version, or as it is in the work tree. Rendering it again and again is cheap.

    `tree` is what the prompt with its whole closure was read from.
    """

    ref: Ref
    prompt: Prompt
    version: Version
    tree: Tree
    default_model: str | None = None

    @property
    def model(self) -> str | None:
        """The model that would run: the prompt's own, or the workspace's default; None if neither names one."""
        return self.prompt.model or self.default_model

    @cached_property
    def _renderer(self) -> Renderer:
        from promptctl.prompts.rendering import Renderer

        return Renderer(self.prompt)

    def make_ready(self) -> None:
        """Compile the templates now, and not at the first render. Raises `RenderError`."""
        _ = self._renderer

    def read_inputs(
        self, texts: Mapping[str, str | bytes], document: str | bytes | None = None, name: str = ""
    ) -> dict[str, Any]:
        """Return inputs out of text: each of `texts` by its declared type, over those of a YAML or JSON document.

        Bytes are those of a file: of an image, a sound or a PDF they give its data URL. `name` is what messages call
        the document. Raises `InputError` for an input that is not declared or not of its type, and `InvalidFiles` or
        `UsageError` for a document that is no mapping.
        """
        from promptctl.prompts.inputs import read_inputs, read_mapping

        given = {} if document is None else read_mapping(document, name)
        return {**given, **read_inputs(self.prompt, texts)}

    def render(self, inputs: Mapping[str, Any] | None = None, *, hide: Hide | None = None) -> RenderedPrompt:
        """Return the messages for these inputs, and with `hide` as they are stored; see `Renderer.render`.

        Raises `InputError` for inputs that are missing, not declared or not of their schema, and `RenderError`
        if the template fails.
        """
        from promptctl.prompts.inputs import as_inputs

        rendered = self._renderer.render(as_inputs(inputs), hide=hide)
        return RenderedPrompt(self.prompt, self.version, rendered, self.model)


def note(error: GitError) -> str:
    """Return the reason why a number is not known, and the command that would bring it, in one line."""
    return f"{error.message}; {error.hint}" if error.hint else error.message


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
        if "*" in prompt:
            hint = "globs are not taken here: name each prompt by its id"
        raise UsageError(f"`{printable(prompt)}` cannot be a prompt: {problem}", hint=hint)
