"""Losses that many formats have in common: keys of a prompt and a dataset that they have no word for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from promptctl.exchange.notes import ExportLoss
from promptctl.exchange.written import DatasetToWrite, PromptToWrite
from promptctl.files.document import Document

# Empty values, which say nothing.
_NOTHING: tuple[Any, ...] = (None, "", [], {})


def lost_keys(
    data: Mapping[str, Any], document: Document, said: Collection[str], why: str, *at: str | int
) -> Iterator[ExportLoss]:
    """Yield a loss for each key of a mapping that is not said. `at` leads to the mapping in its document."""
    for key, value in data.items():
        if key not in said and value not in _NOTHING:
            part = ".".join(map(str, (*at, key)))
            yield ExportLoss(part, why, document.key_place(*at, key))


def lost_inputs(prompt: PromptToWrite, said: Collection[str], why: str) -> Iterator[ExportLoss]:
    """Yield a loss for each keyword of an input's schema that is not said: `inputs.ticket.type`."""
    for name, schema in prompt.data.get("inputs", {}).items():
        if isinstance(schema, Mapping):
            yield from lost_keys(schema, prompt.document, said, why, "inputs", name)
            if "default" not in said and "default" in schema and schema["default"] in _NOTHING:  # so it may be left out
                place = prompt.document.key_place("inputs", name, "default")
                yield ExportLoss(f"inputs.{name}.default", why, place)


def lost_dataset_keys(dataset: DatasetToWrite, said: Collection[str], why: str) -> Iterator[ExportLoss]:
    """Yield a loss for each key of a dataset's header, its defaults and its cases that is not said, each key once."""
    header = {key: value for key, value in dataset.data.items() if key not in ("cases", "defaults")}
    yield from lost_keys(header, dataset.document, ("prompts",), why)
    defaults: Mapping[str, Any] = dataset.data.get("defaults", {})
    yield from lost_keys(defaults, dataset.document, said, why, "defaults")
    cases: Sequence[Mapping[str, Any]] = dataset.data.get("cases", ())
    seen: set[str] = set()
    for index, case in enumerate(cases):
        for loss in lost_keys(case, dataset.document, {*said, *seen}, why, "cases", index):
            key = loss.part.rpartition(".")[2]
            seen.add(key)
            more = sum(1 for each in cases if each.get(key) not in _NOTHING) - 1
            words = f" (and in {more} more case{'s' * (more > 1)})" if more else ""
            yield ExportLoss(f"cases.{key}", why + words, loss.place)
