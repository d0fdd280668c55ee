"""MLflow: versions of prompts as its Python API (`dict(version)`) and its REST API of registered models give them.

A version's text is the tag `mlflow.prompt.text` there. Text with `{% … %}` is rendered by Jinja; in all other text only
`{{ name }}` is replaced. Facts: the package mlflow 3.17, `entities/model_registry/prompt_version.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from promptctl.exchange.drafts import ForeignContents, PromptDraft, RegistryVersion, Source, collapsed
from promptctl.exchange.model_settings import is_schema, output_of
from promptctl.exchange.registries.items import (
    ModelConfig,
    RegistryItem,
    VersionNotes,
    drafts_of,
    first_object,
    inner_json,
    listed,
    numbered,
    read_model_config,
)
from promptctl.exchange.registries.messages import MessageReader, jinja_inputs, with_messages
from promptctl.exchange.registries.mlflow_objects import (
    CONFIG,
    FORM,
    ID_TAG,
    RESERVED,
    TAGS_TAG,
    TEXT,
    TYPE,
    inside,
    is_version,
    tags_of,
    versions_in,
)
from promptctl.files.names import id_problem
from promptctl.files.yaml_reader import MAX_BYTES
from promptctl.templates import BadTemplate

_DERIVED = ("uri", "variables", "is_text_prompt", "description", "last_updated_timestamp", "current_stage", "source",
            "run_id", "run_link", "status", "status_message", "user_id", "deployment_job_state")  # fmt: skip
_OWN_TAGS = ("mlflow.", "_mlflow_")  # runs and experiments of a version, what refers to it
_MODELS = ("model_name", "model")
_REST = "metadata.mlflow.model_config"


def is_one(source: Source) -> bool:
    """Return True for a version as the Python API or the REST API gives it, and for registered models of prompts."""
    found = first_object(source, b'"template"', b'"name"') or first_object(source, b"mlflow.prompt.")
    return found is not None and any(map(is_version, inside(found)))


def read(source: Source) -> ForeignContents:
    """Return every version of every prompt in the file. Raises `InvalidFiles` with every reason."""
    found, aliases = versions_in(source)
    versions = [_MlflowVersion(item, number, aliases) for item, number in numbered(found, dict)]
    drafts, notes = drafts_of(versions, _MlflowVersion.draft)
    return ForeignContents(drafts, notes=collapsed(notes))


class _MlflowVersion(VersionNotes):
    """One version, as MLflow has it."""

    def __init__(self, item: RegistryItem, number: int, aliases: Mapping[tuple[str, int], Sequence[str]]) -> None:
        super().__init__(item)
        self._data, self._tags = item.data, tags_of(item.data)
        self.name: str = item.data["name"]
        self.number = number
        own = [each.get("alias") if isinstance(each, dict) else each for each in listed(item.data.get("aliases"))]
        self._aliases = list(dict.fromkeys([*(each for each in own if isinstance(each, str)),
                                            *aliases.get((self.name, self.number), ())]))  # fmt: skip

    def draft(self) -> PromptDraft:
        """Return the version as a file of ours, and put down what became of its parts."""
        wish = self._tags.get(ID_TAG)
        wish = wish if isinstance(wish, str) and id_problem(wish) is None else self.name
        tags, metadata = self._own_tags()
        config = self._config()
        inputs, engine, messages = self._messages()
        self._form(config)
        if config.rest:
            metadata["mlflow"] = {"model_config": config.rest}
        data = self.data(wish, config, tags=tags, inputs=inputs, template=engine, messages=messages, metadata=metadata)
        return PromptDraft(wish, data, self.item.place(), self._registry())

    def _own_tags(self) -> tuple[list[str], dict[str, Any]]:
        tags: list[str] = []
        metadata: dict[str, Any] = {}
        for key, value in self._tags.items():
            if key == TAGS_TAG and (listed := inner_json(value)) is not None:
                tags = [each for each in listed if isinstance(each, str) and each] if isinstance(listed, list) else []
                self.note("kept", f"tags.{key}", "are `tags`")
            elif key.startswith(_OWN_TAGS) and key not in RESERVED:
                self.note("dropped", f"tags.{key}", "is MLflow's own")
            elif key not in (*RESERVED, ID_TAG):
                metadata[key] = value
                self.note("changed", f"tags.{key}", f"is written as `metadata.{key}`")
        return list(dict.fromkeys(tags)), metadata

    def _config(self) -> ModelConfig:
        config = self._data.get("model_config") or inner_json(self._tags.get(CONFIG))
        if not isinstance(config, dict):
            return ModelConfig()
        config = {key: value for key, value in config.items() if value is not None}
        extra = config.pop("extra_params", None)
        config = {**config, **extra} if isinstance(extra, dict) else config
        provider, model = config.pop("provider", None), config.get("model_name", config.get("model"))
        if isinstance(model, str) and model.strip():
            is_whole = not isinstance(provider, str) or not provider or model.startswith(f"{provider}/")
            full = model if is_whole else f"{provider}/{model}"
            config = {**{key: value for key, value in config.items() if key not in _MODELS}, "model": full}
            if full != model:
                self.note("changed", "model_config.provider", f"is the first word of the model: `{full}`")
        elif provider:
            config["provider"] = provider
        return read_model_config(config, self.item, "model_config", _REST)

    def _messages(self) -> tuple[dict[str, dict[str, Any]], str | None, list[dict[str, Any]]]:
        template = self._data.get("template", self._tags.get(TEXT))
        if isinstance(template, str) and self._tags.get(TYPE) == "chat":
            template = inner_json(template)
        if isinstance(template, str):
            self.note("changed", "template", "is written as one message of the user, as a text has no roles")
            raw: list[dict[str, Any]] = [{"role": "user", "content": template}]
        elif isinstance(template, list) and template:
            raw = [self._message(each, at) for at, each in enumerate(template)]
            self.note("kept", "template", f"has {len(raw)} messages")
        else:
            raise self.item.refuse("the version has no text and no messages", "template")
        reader = MessageReader(self.item)
        for at, each in enumerate(raw):
            each["role"] = reader.role(each["role"], at, "template")
        texts = [each["content"] for each in raw]
        if sum(map(len, texts)) <= MAX_BYTES and any("{%" in text and "%}" in text for text in texts):
            texts, inputs = self._jinja(texts)
            self.notes += reader.notes
            return inputs, None, with_messages(raw, texts)
        written, engine = reader.texts(texts)
        self.notes += [*reader.notes, *reader.notes_of_names("template")]
        return reader.inputs, engine, with_messages(raw, written)

    def _message(self, message: Any, at: int) -> dict[str, Any]:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list) and all(isinstance(part, dict) and "text" in part for part in content):
            content = "\n\n".join(str(part["text"]) for part in content)
            self.note("changed", f"template[{at}].content", "is one text")
        if not isinstance(content, str):
            hint = "MLflow fills in only text; leave this version out of the file"
            raise self.item.refuse(f"message {at + 1} has no text as its content", "template", hint)
        for key in message.keys() - {"role", "content"}:
            self.note("dropped", f"template[{at}].{key}", "MLflow does not pass it on")
        return {"role": message.get("role"), "content": content}

    def _jinja(self, texts: Sequence[str]) -> tuple[list[str], dict[str, dict[str, Any]]]:
        """Return texts of Jinja as templates of ours, and the inputs that they read."""
        try:
            inputs = jinja_inputs(texts)
        except BadTemplate as error:
            raise self.item.refuse(f"the text is no template here: {error.message}", "template", error.hint) from None
        if any(text.endswith("\n") for text in texts):
            self.note(
                "changed", "template", "MLflow leaves out the last line end of a Jinja text, and so it is left out"
            )
        self.note("kept", "template", "is Jinja, as here; MLflow prints nothing for a variable without a value, "
                   "and here that is an error, unless the template asks whether it has one")  # fmt: skip
        return [text.removesuffix("\n") for text in texts], inputs

    def _form(self, config: ModelConfig) -> None:
        form = self._data.get("response_format") or inner_json(self._tags.get(FORM))
        if form is None:
            return
        if is_schema(form):
            config.data["output"] = output_of(form)
            config.data.pop("response_format", None)
            self.note("kept", "response_format", "is `output.schema`")
            return
        found = read_model_config({"response_format": form}, self.item, "", _REST)
        config.data |= found.data
        config.rest |= found.rest
        config.notes += found.notes

    def _registry(self) -> RegistryVersion:
        message = self._data.get("commit_message") or self._data.get("description")
        for key in ("creation_timestamp", "commit_message", "user_id"):
            if self._data.get(key):
                self.note("kept", key, "is part of the commit")
        known = ("name", "version", "template", "tags", "aliases", "response_format", "model_config",
                 "creation_timestamp", "commit_message")  # fmt: skip
        for key, value in self._data.items():
            if key not in known and key not in _DERIVED and value not in (None, "", [], {}):
                self.note("dropped", key, "nothing is known of it")
        date = _time(self._data.get("creation_timestamp"))
        return self.registry(self.number, date, self._data.get("user_id"), message, "aliases", self._aliases)


def _time(value: Any) -> datetime | None:
    """Return a time given in milliseconds since 1970, as a number or as digits; None if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
