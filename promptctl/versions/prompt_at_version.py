"""A version of a prompt, the prompt at it, ready to be rendered, and the result of rendering it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from promptctl.files.tree import Tree
from promptctl.prompts.prompt import Prompt, Rendered
from promptctl.versions.refs import Ref

if TYPE_CHECKING:
    from promptctl.errors import GitError
    from promptctl.prompts.rendering import Hide, Renderer


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
