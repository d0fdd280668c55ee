"""Langfuse: the objects that its API gives for versions of prompts, and the bodies with which one creates them.

What `GET /api/public/v2/prompts/NAME` returns holds more than its reference says: `createdAt`, `createdBy`, `id`,
`projectId`, `updatedAt`, `isActive`. References to other prompts (`@@@langfusePrompt:name=…|label=…@@@`) are in it only
with `resolve=false`. Facts: the repository langfuse/langfuse, its API's definition and its prompt service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from promptctl.errors import InvalidFiles, Problem
from promptctl.exchange.drafts import ForeignContents, PromptDraft, RegistryVersion, Source, collapsed
from promptctl.exchange.registries.items import (
    LATEST,
    ModelConfig,
    RegistryItem,
    VersionNotes,
    drafts_of,
    first_object,
    items_of,
    listed,
    numbered,
    read_model_config,
)
from promptctl.exchange.registries.langfuse_bodies import LangfuseReferences, LangfuseVersions, Named
from promptctl.exchange.registries.messages import MessageReader, with_messages

TYPES = ("text", "chat")
_WRAPPERS = ("data", "prompts")
REST = "metadata.langfuse.config"
# What the server keeps for itself; nothing of it says anything about the prompt.
_SERVERS_OWN = ("id", "projectId", "updatedAt", "isActive", "resolutionGraph")
_SNAKE = {"commit_message": "commitMessage", "created_at": "createdAt", "created_by": "createdBy",
          "updated_at": "updatedAt", "project_id": "projectId", "is_active": "isActive",
          "resolution_graph": "resolutionGraph"}  # fmt: skip
_SIGNS = ("type", "labels", "config", "tags", "version", "commitMessage", "commit_message")


def is_one(source: Source) -> bool:
    """Return True for an object of a prompt's version, a list of them, or the API's list of names."""
    found = first_object(source, b'"name"', b'"prompt"')
    if found is not None:
        listed = next((found[key] for key in _WRAPPERS if isinstance(found.get(key), list)), [found])
        found = next(iter(listed), None)
        return isinstance(found, dict) and _is_version(found)
    listed = first_object(source, b'"lastConfig"', b'"versions"')
    return listed is not None and ("data" in listed or "lastConfig" in listed)


def _is_version(data: Mapping[str, Any]) -> bool:
    is_typed = data.get("type", "text") in TYPES and any(sign in data for sign in _SIGNS)
    return is_typed and isinstance(data.get("name"), str) and isinstance(data.get("prompt"), str | list)


def read(source: Source) -> ForeignContents:
    """Return every version of every prompt in the file, and the parts that they include.

    Raises `InvalidFiles` with every reason: roles that no message here has, references to prompts that are not in the
    file, and references that lead in a circle.
    """
    items = items_of(source, *_WRAPPERS)
    if problems := _not_versions(items):
        raise InvalidFiles(problems)
    versions = list(_versions(items))
    own = LangfuseVersions([each.named for each in versions])
    references = LangfuseReferences(own, _of_all_files(source) or own)
    drafts, notes = drafts_of(versions, lambda each: each.draft(references))
    return ForeignContents(drafts, files=references.files(), notes=collapsed([*notes, *references.notes]))


def _of_all_files(source: Source) -> LangfuseVersions | None:
    """Return the versions of all files that are imported together; None for a file that is read alone."""
    if source.together is None or len(source.together.files) < 2:
        return None
    known = source.together.known  # one reading for all of them
    if "langfuse" not in known:
        known["langfuse"] = LangfuseVersions([each for read in source.together.files for each in _named_in(read())])
    found: LangfuseVersions = known["langfuse"]
    return found


def _named_in(source: Source) -> Iterator[Named]:
    with suppress(InvalidFiles):  # which is told where that file is read
        items = items_of(source, *_WRAPPERS) if is_one(source) else []
        if not _not_versions(items):
            yield from (each.named for each in _versions(items))


def _not_versions(items: Sequence[RegistryItem]) -> Sequence[Problem]:
    for item in items:
        if not _is_version(item.data):
            is_list = "lastConfig" in item.data
            message = "this is the list of prompts, without their texts" if is_list else "this is no prompt's version"
            hint = "save each version too: GET /api/public/v2/prompts/NAME?version=1"
            return [Problem(message, item.place(), hint, "not-imported")]
    return []


def _versions(items: Sequence[RegistryItem]) -> Iterator[_LangfuseVersion]:
    for item, number in numbered(items, lambda data: (data.get("prompt"), data.get("config"))):
        yield _LangfuseVersion(item, number)


class _LangfuseVersion(VersionNotes):
    """One version, as Langfuse has it."""

    def __init__(self, item: RegistryItem, number: int) -> None:
        super().__init__(item)
        self.number = number
        self._data = {_SNAKE.get(key, key): value for key, value in item.data.items()}
        self.name: str = self._data["name"]
        self.prompt: str | list[Any] = self._data["prompt"]
        self.labels = [each for each in listed(self._data.get("labels")) if isinstance(each, str)]
        self.tags = [each for each in listed(self._data.get("tags")) if isinstance(each, str)]
        self.named: Named = (self.name, number, self.labels, self.prompt, item)

    def draft(self, references: LangfuseReferences) -> PromptDraft | None:
        """Return the version as a file of ours, None for a partial, and put down what became of its parts."""
        if self.tags:
            self.note("kept", "tags", "are `tags`")
        config = self._config()
        reader = MessageReader(self.item, references.reader(self.item), has_sections=True)
        messages, engine = self._messages(reader)
        inputs: dict[str, Any] = {name: {} for name in references.inputs_of(self.item)} | reader.inputs
        inputs |= {each["placeholder"]: {"type": "array"} for each in messages if "placeholder" in each}
        own: dict[str, Any] = {"type": "chat"} if self._is_chat_of_one(messages) else {}
        own |= {"config": config.rest} if config.rest else {}
        data = self.data(
            self.name,
            config,
            tags=list(dict.fromkeys(filter(None, self.tags))),
            inputs=inputs,
            template=engine,
            messages=messages,
            metadata={"langfuse": own} if own else {},
        )
        registry = self._registry()
        self._rest()
        if references.is_only_a_part(self.name, self.tags):
            self.notes = [self.item.note("changed", self.name, "is a partial: other prompts include it")]
            return None
        return PromptDraft(self.name, data, self.item.place(), registry)

    def _config(self) -> ModelConfig:
        config = self._data.get("config") or {}
        if isinstance(config, dict):
            return read_model_config(config, self.item, "config", REST)
        self.note("changed", "config", f"is written as `{REST}`: it is no object of settings")
        return ModelConfig(rest=config)

    def _messages(self, reader: MessageReader) -> tuple[list[dict[str, Any]], str | None]:
        if isinstance(self.prompt, str):
            [text], engine = reader.texts([self.prompt])
            self.note("changed", "prompt", "is written as one message of the user, as a text prompt has no roles")
            messages: list[dict[str, Any]] = [{"role": "user", "content": text}]
        else:
            raw = [self._message(each, at, reader) for at, each in enumerate(self.prompt)]
            if not raw:
                raise self.item.refuse("the prompt has no message", "prompt", "leave this version out of the file")
            texts, engine = reader.texts([each["content"] for each in raw if "content" in each])
            messages = with_messages(raw, texts)
            self.note("kept", "prompt", f"has {len(messages)} messages")
        self.notes += reader.notes
        self.notes += reader.notes_of_names("prompt")
        return messages, engine

    def _message(self, message: Any, at: int, reader: MessageReader) -> dict[str, Any]:
        if not isinstance(message, dict):
            raise self.item.refuse(f"message {at + 1} is no object", "prompt")
        if message.get("type") == "placeholder" and isinstance(message.get("name"), str):
            return {"placeholder": reader.names.input(message["name"])}
        content = message.get("content")
        if not isinstance(content, str):
            hint = "Langfuse itself takes only text; leave this version out of the file"
            raise self.item.refuse(f"message {at + 1} has no text as its content", "content", hint)
        for key in message.keys() - {"type", "role", "content", "name"}:
            reader.notes.append(self.item.note("dropped", f"prompt[{at}].{key}", "Langfuse does nothing with it"))
        return {"role": reader.role(message.get("role"), at, "prompt"), "content": content}

    def _is_chat_of_one(self, messages: Sequence[Mapping[str, Any]]) -> bool:
        return isinstance(self.prompt, list) and [each.get("role") for each in messages] == ["user"]

    def _registry(self) -> RegistryVersion:
        if LATEST in self.labels:
            self.note("dropped", "labels", "`latest` is the newest version by itself")
        data = self._data
        date = time_of(data.get("createdAt"))
        return self.registry(self.number, date, data.get("createdBy"), data.get("commitMessage"), "labels", self.labels)

    def _rest(self) -> None:
        """Say what became of keys that are no part of the prompt."""
        if self._data.get("resolutionGraph"):
            message = "the texts of other prompts stand in this one, as the server put them there"
            self.note("changed", "resolutionGraph", f"{message}; save it with resolve=false to keep the references")
        kept = ("createdAt", "createdBy", "commitMessage")
        for key, value in self._data.items():
            if key in kept and value:
                self.note("kept", key, "is part of the commit")
            elif key in _SERVERS_OWN and value is not None and key != "resolutionGraph":
                self.note("dropped", key, "is the server's own")
            elif key not in (*kept, *_SERVERS_OWN, "name", "version", "type", "prompt", "labels", "tags", "config"):
                self.note("dropped", key, "nothing is known of it")


def time_of(value: Any) -> datetime | None:
    """Return a time with its zone, UTC if it says none; None if it is no time that a commit can have."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return found if found.astimezone(UTC).timestamp() > 0 else None
    except (ValueError, OverflowError):
        return None
