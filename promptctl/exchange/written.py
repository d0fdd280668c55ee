"""Prompts on their way to a foreign format: what is exported, what comes out, and what is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptctl.errors import Place
from promptctl.files.document import Document, Key
from promptctl.formats.settings_file import DEFAULT_LIMITS, DatasetLimits
from promptctl.prompts.prompt import Prompt
from promptctl.template_languages.ours import Lose
from promptctl.versions.prompt_at_version import PromptAtVersion

# Empty values, which say nothing.
_NOTHING: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True, slots=True)
class ExportLoss:
    """A part of a prompt or a dataset that a foreign format cannot say: its name, why, and its place in our file."""

    part: str
    message: str
    place: Place | None = None

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}`{self.part}` {self.message}"

    def as_dict(self) -> dict[str, str | int | None]:
        """Return a JSON object with stable keys."""
        place = self.place or Place("")
        return {"part": self.part, "message": self.message, "path": place.path or None, "line": place.line}


@dataclass(frozen=True, slots=True)
class DatasetToWrite:
    """A dataset that tests an exported prompt: the keys of its file, with the cases of a file beside it put in."""

    path: str
    data: Mapping[str, Any]
    document: Document


@dataclass(frozen=True, slots=True)
class PromptToWrite:
    """A prompt at a version, the keys of its native file (`document` knows their places), and its datasets."""

    at: PromptAtVersion
    data: Mapping[str, Any]
    document: Document
    datasets: tuple[DatasetToWrite, ...] = ()
    limits: DatasetLimits = DEFAULT_LIMITS

    @property
    def prompt(self) -> Prompt:
        """The prompt, with its closure."""
        return self.at.prompt


@dataclass(frozen=True, slots=True)
class Written:
    """Files of a foreign format, path to bytes, and everything of the prompts that they do not say."""

    files: Mapping[str, bytes]
    losses: tuple[ExportLoss, ...] = ()


class PromptWriter:
    """Writes one prompt in a foreign format, or a `dataset` of it; `losses` are the parts that the format does not say.

    The keys of a loss are those of the dataset's file, if there is one, or of the prompt's.
    """

    def __init__(self, given: PromptToWrite, dataset: DatasetToWrite | None = None) -> None:
        self.given = given
        self.prompt = given.prompt
        self.document = given.document if dataset is None else dataset.document
        self.losses: list[ExportLoss] = []

    def files(self) -> Mapping[str, bytes]:
        """Return the prompt's files, path to bytes."""
        raise NotImplementedError

    def lose(self, why: str, *keys: Key, part: str | None = None, line: int | None = None) -> None:
        """Put down that the value at `keys`, or a `line` of its text, is lost; `part` is its name if not its keys."""
        place = self.document.key_place(*keys) if line is None else self.document.line_place(line, *keys)
        self.losses.append(ExportLoss(part or ".".join(map(str, keys)), why, place))

    def lose_in(self, *keys: Key, part: str | None = None) -> Lose:
        """Return what puts down a loss on a line of the text at `keys`; `part` is its name if not its keys."""
        return lambda why, line: self.lose(why, *keys, part=part, line=line)

    def lose_unsaid(self, said: Collection[str], why: str) -> None:
        """Put down each key of the prompt's file that is not said."""
        self.losses += _unsaid(self.given.data, self.given.document, said, why)

    def lose_inputs(self, said: Collection[str], why: str) -> None:
        """Put down each keyword of an input's schema that is not said: `inputs.ticket.type`."""
        for name, schema in self.given.data.get("inputs", {}).items():
            if isinstance(schema, Mapping):
                self.losses += _unsaid(schema, self.given.document, said, why, "inputs", name)
                if "default" not in said and "default" in schema and schema["default"] in _NOTHING:
                    self.lose(why, "inputs", name, "default")  # so it may be left out


def written_by(writers: Iterable[PromptWriter]) -> Written:
    """Return the files of all prompts, and what they do not say."""
    files: dict[str, bytes] = {}
    losses: list[ExportLoss] = []
    for writer in writers:
        files |= writer.files()
        losses += writer.losses
    return Written(files, tuple(losses))


def _unsaid(
    data: Mapping[str, Any], document: Document, said: Collection[str], why: str, *at: str | int
) -> Iterator[ExportLoss]:
    """Yield a loss for each key of a mapping that is not said. `at` leads to the mapping in its document."""
    for key, value in data.items():
        if key not in said and value not in _NOTHING:
            part = ".".join(map(str, (*at, key)))
            yield ExportLoss(part, why, document.key_place(*at, key))


def lost_dataset_keys(dataset: DatasetToWrite, said: Collection[str], why: str) -> Iterator[ExportLoss]:
    """Yield a loss for each key of a dataset's header, its defaults and its cases that is not said, each key once."""
    header = {key: value for key, value in dataset.data.items() if key not in ("cases", "defaults")}
    yield from _unsaid(header, dataset.document, ("prompts",), why)
    defaults: Mapping[str, Any] = dataset.data.get("defaults", {})
    yield from _unsaid(defaults, dataset.document, said, why, "defaults")
    cases: Sequence[Mapping[str, Any]] = dataset.data.get("cases", ())
    seen: set[str] = set()
    for index, case in enumerate(cases):
        for loss in _unsaid(case, dataset.document, {*said, *seen}, why, "cases", index):
            key = loss.part.rpartition(".")[2]
            seen.add(key)
            more = sum(1 for each in cases if each.get(key) not in _NOTHING) - 1
            words = f" (and in {more} more case{'s' * (more > 1)})" if more else ""
            yield ExportLoss(f"cases.{key}", why + words, loss.place)
