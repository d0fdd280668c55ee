"""The formats of other tools: how each is told from the others, and the module that reads and writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from promptctl.errors import UsageError
from promptctl.exchange.written import PromptToWrite, Written
from promptctl.files.names import did_you_mean

if TYPE_CHECKING:
    from promptctl.exchange.drafts import ForeignContents, Source


class FormatReader(Protocol):
    """A module that reads a format."""

    def is_one(self, source: Source) -> bool:
        """Return True if the file's content is of this format; cheap, and never an error."""

    def read(self, source: Source) -> ForeignContents:
        """Return what the file holds. Raises `InvalidFiles` for a file that is refused, with every reason."""


@dataclass(frozen=True, slots=True)
class ForeignFormat:
    """A format by the name that `--from` and `--to` take, with the modules that read and write it.

    One that can say tests `takes_datasets`; one of whose files each holds a version `has_versions`; one that `is_code`
    is a programming language.
    """

    name: str
    title: str
    reads: str = ""
    writes: str = ""
    takes_datasets: bool = False
    has_versions: bool = False
    is_code: bool = False

    def reader(self) -> FormatReader:
        """Return the module that reads it."""
        return cast("FormatReader", import_module(f"promptctl.exchange.{self.reads}"))

    def write(self, prompts: Sequence[PromptToWrite]) -> Written:
        """Return prompts in this format, with all that is lost."""
        room = "code_export" if self.is_code else "exchange"
        module = import_module(f"promptctl.{room}.{self.writes}")
        if self.is_code:
            return Written(module.modules([each.at for each in prompts]))
        found: Written = module.write(prompts)
        return found


# In the order in which a file is told from the others: the one with the surest signs first.
FORMATS: tuple[ForeignFormat, ...] = (
    ForeignFormat("json", "promptctl as one JSON document", "promptctl_json", "promptctl_json"),
    ForeignFormat("langfuse", "Langfuse", "langfuse", "registries.langfuse_bodies", has_versions=True),
    ForeignFormat("mlflow", "MLflow", "mlflow", "registries.mlflow_arguments", has_versions=True),
    ForeignFormat("semantic-kernel", "Semantic Kernel", "semantic_kernel"),
    ForeignFormat("langchain", "LangChain", "langchain"),
    ForeignFormat("promptfoo", "promptfoo", "promptfoo.reading", "promptfoo.writing", takes_datasets=True),
    ForeignFormat("openai-evals", "OpenAI evals", "openai.evals"),
    ForeignFormat("openai-chat", "OpenAI conversations", "openai.chat"),
    ForeignFormat("openai", "OpenAI requests", writes="openai.requests", takes_datasets=True),
    ForeignFormat("prompty", "Prompty", "prompty.reading", "prompty.writing"),
    ForeignFormat("dotprompt", "Dotprompt", "dotprompt.reading", "dotprompt.writing"),
    ForeignFormat("llm", "templates of llm", "llm_templates"),
    ForeignFormat("github", "GitHub Models", "github.reading", "github.writing", takes_datasets=True),
    ForeignFormat("prompthub", "deepset's Prompt Hub", "prompthub"),
    ForeignFormat("markdown", "Markdown with a header", "markdown"),
    ForeignFormat("ts", "TypeScript", writes="typescript", is_code=True),
    ForeignFormat("py", "Python", writes="python", is_code=True),
)


def format_of(source: Source) -> ForeignFormat | None:
    """Return the format of a file, told from its content; None if it is of no format that is known."""
    return next((each for each in FORMATS if each.reads and each.reader().is_one(source)), None)


def named(name: str, *, is_written: bool = False) -> ForeignFormat:
    """Return the format of this name. Raises `UsageError` if there is none that is read, or written."""
    known = {each.name: each for each in FORMATS if (each.writes if is_written else each.reads)}
    if name not in known:
        hint = did_you_mean(name, [*known]) or f"there are: {', '.join(known)}"
        raise UsageError(f"there is no format `{name}` to {'export to' if is_written else 'import from'}", hint=hint)
    return known[name]
