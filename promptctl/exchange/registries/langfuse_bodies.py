"""Bodies of `POST /api/public/v2/prompts`, of which each creates a version of a prompt in Langfuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promptctl.errors import Place
from promptctl.exchange.registries.items import LATEST
from promptctl.exchange.registries.langfuse_references import CLOSE, OPEN, PARTIAL_TAG
from promptctl.exchange.registries.writing import (
    PromptForRegistry,
    file_name,
    json_bytes,
    metadata_without,
    model_config_of,
)
from promptctl.exchange.written import ExportLoss, PromptToWrite, Written
from promptctl.files.names import PARTIAL_SUFFIX, resolve_path
from promptctl.template_languages.double_braces import Clause, InputNames, double_brace_pieces

_PARTIAL_LABEL = "production"


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return a file for each prompt, and one for each partial, numbered in the order in which they are created."""
    files: dict[str, bytes] = {}
    numbers: dict[str, int] = {}
    losses: list[ExportLoss] = []
    for given in prompts:
        body = _Body(given)
        data = body.data()
        for name, text in body.partials.items():
            number = numbers.setdefault(name, len(numbers) + 1)
            files[f"partials/{number:03}-{name.replace('/', '-')}.json"] = json_bytes(
                {"name": name, "type": "text", "prompt": text, "labels": [_PARTIAL_LABEL], "tags": [PARTIAL_TAG]}
            )
        files[file_name(given.prompt.id, given, files)] = json_bytes(data)
        losses += body.prompt.losses
    return Written(files, tuple(losses))


class _Body:
    def __init__(self, given: PromptToWrite) -> None:
        self.prompt = PromptForRegistry(given, self._reference)
        self.partials: dict[str, str] = {}
        self._file = given.prompt.path

    def data(self) -> dict[str, Any]:
        prompt, given = self.prompt, self.prompt.given
        own = given.data.get("metadata", {}).get("langfuse", {})
        messages = [
            {"type": "placeholder", "name": each["placeholder"]} if "placeholder" in each else each
            for each in prompt.messages(self._text)
        ]
        is_text = [each.get("role") for each in messages] == ["user"] and own.get("type") != "chat"
        prompt.lose_what_no_registry_keeps()
        for key in metadata_without(given.data, "langfuse"):
            prompt.lose("has no place there", "metadata", key)
        label = given.at.version.label
        body: dict[str, Any] = {"name": given.prompt.id, "type": "text" if is_text else "chat"}
        body["prompt"] = messages[0]["content"] if is_text else messages
        config = self._config(own.get("config"))
        if config:
            body["config"] = config
        body["labels"] = [label] if label and label != LATEST else []
        if given.data.get("tags"):
            body["tags"] = list(given.data["tags"])
        return body

    def _config(self, rest: Any) -> Any:
        given = self.prompt.given
        config = model_config_of(given)
        form = given.prompt.declared_response_format
        if form is not None:
            schema = form.get("json_schema", {})
            config["response_format"] = {**form, **({"json_schema": _without_false(schema)} if schema else {})}
        return config | rest if isinstance(rest, dict) else config or rest

    def _text(self, text: str, said: list[Clause]) -> str:
        written = self.prompt.double_braces(text, said)
        names = InputNames(has_triples=True)
        list(double_brace_pieces(written, names))
        for sign, what in ((OPEN, "a reference to a prompt"), *((each, "a section") for each in names.sections)):
            before, found, _ = text.partition(sign)
            if found:
                said.append((f"is text that Langfuse takes for {what}: `{sign}`", before.count("\n") + 1))
        return written

    def _reference(self, path: str) -> str:
        prompt = self.prompt.given.prompt
        path = resolve_path(path, self._file, prompt.base)
        key, outer = path.removeprefix(f"{prompt.base}/"), self._file
        name = key.removesuffix(PARTIAL_SUFFIX)
        if name not in self.partials:
            self._file = path
            said: list[Clause] = []
            text = self._text(prompt.partials[key], said)
            self.partials[name], self._file = text, outer  # after those that it includes itself
            self.prompt.losses += [ExportLoss(path, clause, Place(path, line)) for clause, line in said]
        return f"{OPEN}name={name}|label={_PARTIAL_LABEL}{CLOSE}"


def _without_false(form: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in form.items() if value is not False}
