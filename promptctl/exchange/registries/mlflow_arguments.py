"""Arguments of `mlflow.genai.register_prompt`, of which each creates a version of a prompt in MLflow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from promptctl.exchange.registries.messages import jinja_inputs
from promptctl.exchange.registries.mlflow_objects import ID_TAG, TAGS_TAG
from promptctl.exchange.registries.writing import (
    PromptForRegistry,
    Write,
    file_name,
    json_bytes,
    metadata_without,
    model_config_of,
)
from promptctl.exchange.written import ExportLoss, PromptToWrite, Written
from promptctl.template_languages.double_braces import Clause

_NAMES = {"stop": "stop_sequences"}


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return a file for each prompt."""
    files: dict[str, bytes] = {}
    losses: list[ExportLoss] = []
    for given in prompts:
        prompt = PromptForRegistry(given)
        arguments = _arguments(prompt)
        files[file_name(arguments["name"], given, files)] = json_bytes(arguments)
        losses += prompt.losses
    return Written(files, tuple(losses))


def _arguments(prompt: PromptForRegistry) -> dict[str, Any]:
    given = prompt.given
    data, name = given.data, given.prompt.id.replace("/", ".")
    messages = list(prompt.messages(_writer(prompt)))
    texts = [each.get("content", "") for each in messages]
    asked = jinja_inputs(texts) if _is_jinja(texts) else {}
    for at, each in enumerate(messages):
        if "placeholder" in each:
            prompt.lose("is a placeholder for messages: MLflow has none", "messages", at, part=f"messages[{at}]")
    messages = [each for each in messages if "placeholder" not in each]
    is_text = [each["role"] for each in messages] == ["user"]
    prompt.lose_what_no_registry_keeps([name for name, each in asked.items() if each])
    tags = _tags(prompt)
    if name != given.prompt.id:
        tags[ID_TAG] = given.prompt.id
    arguments: dict[str, Any] = {"name": name, "template": messages[0]["content"] if is_text else messages}
    if given.prompt.output.schema is not None:
        arguments["response_format"] = given.prompt.output.schema
        for key in {"strict", "name"} & data["output"].keys():
            prompt.lose("has no place there: MLflow keeps the schema alone", "output", key)
    elif "response_format" in data:
        arguments["response_format"] = dict(data["response_format"])
    config = _config(prompt)
    if config:
        arguments["model_config"] = config
    arguments["tags"] = tags
    if given.at.version.label:
        arguments["aliases"] = [given.at.version.label]
    return arguments


def _writer(prompt: PromptForRegistry) -> Write:
    """Return what writes a text: of `{{name}}` alone if that says everything, or else of Jinja if MLflow sees that."""
    texts, trial = _texts(prompt), list[Clause]()
    plain = [prompt.double_braces(text, trial) for text in texts]
    if trial or _is_jinja(plain):

        def jinja(text: str, _: list[Clause]) -> str:
            written = prompt.jinja(text)
            return f"{written}\n" if written.endswith("\n") else written  # MLflow leaves out the last line end

        if _is_jinja(map(prompt.jinja, texts)):
            return jinja
    return prompt.double_braces


def _is_jinja(texts: Iterable[str]) -> bool:
    return any("{%" in text and "%}" in text for text in texts)


def _texts(prompt: PromptForRegistry) -> list[str]:
    contents = [each.get("content") for each in prompt.given.data["messages"]]
    parts = [part for each in contents for part in (each if isinstance(each, list) else [{"text": each}])]
    return [prompt.whole(part["text"], []) for part in parts if isinstance(part.get("text"), str)]


def _tags(prompt: PromptForRegistry) -> dict[str, str]:
    data, tags = prompt.given.data, dict[str, str]()
    if data.get("tags"):
        tags[TAGS_TAG] = json.dumps(data["tags"], ensure_ascii=False)
    for key, value in metadata_without(data, "mlflow").items():
        if isinstance(value, str):
            tags[key] = value
        else:
            prompt.lose("is no text, and MLflow's tags are", "metadata", key)
    return tags


def _config(prompt: PromptForRegistry) -> dict[str, Any]:
    given = prompt.given
    config = {_NAMES.get(key, key): value for key, value in model_config_of(given).items()}
    model = config.pop("model", None)
    if isinstance(model, str):
        provider, _, name = model.rpartition("/") if model.count("/") == 1 else ("", "", model)
        config = {**({"provider": provider} if provider else {}), "model_name": name, **config}
    if isinstance(config.get("stop_sequences"), str):
        config["stop_sequences"] = [config["stop_sequences"]]
    rest = given.data.get("metadata", {}).get("mlflow", {})
    return config | (rest.get("model_config", {}) if isinstance(rest, dict) else {})
