"""The objects of MLflow's APIs in which versions of prompts are, and the tags that MLflow keeps for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptctl.exchange.drafts import Source
from promptctl.exchange.registries.items import RegistryItem, items_of, listed

TEXT, IS_PROMPT = "mlflow.prompt.text", "mlflow.prompt.is_prompt"
TYPE, FORM, CONFIG = "_mlflow_prompt_type", "_mlflow_prompt_response_format", "_mlflow_prompt_model_config"
ID_TAG, TAGS_TAG = "promptctl.id", "promptctl.tags"
RESERVED = (TEXT, IS_PROMPT, TYPE, FORM, CONFIG)
_SIGNS = ("commit_message", "model_config", "aliases")
# Keys of a registered model without its versions.
_OF_MODELS = {"name", "aliases", "tags", "creation_timestamp", "last_updated_timestamp", "description"}
_WRAPPERS = ("model_versions", "prompt_versions", "registered_models", "prompts")
_SINGLE = ("model_version", "prompt_version", "registered_model")


def inside(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the versions that an answer of the API holds, or the object itself."""
    for key in _SINGLE:
        if isinstance(data.get(key), dict):
            yield from inside(data[key])
            return
    for key in (*_WRAPPERS, "latest_versions"):
        if isinstance(data.get(key), list):
            for each in data[key]:
                if isinstance(each, dict):
                    yield from inside(each)
            return
    yield data


def is_version(data: Mapping[str, Any]) -> bool:
    """Return True for an object that has the text of a prompt."""
    if not isinstance(data.get("name"), str):
        return False
    if isinstance(data.get("template"), str | list):
        return isinstance(data.get("tags"), dict) or any(key in data for key in _SIGNS)
    return TEXT in tags_of(data)


def tags_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's tags: the Python API has a mapping of them, the REST API a list of pairs."""
    tags = data.get("tags") or {}
    if isinstance(tags, dict):
        return tags
    pairs = [each for each in listed(tags) if isinstance(each, dict) and isinstance(each.get("key"), str)]
    return {each["key"]: each.get("value", "") for each in pairs}


def versions_in(source: Source) -> tuple[list[RegistryItem], dict[tuple[str, int], list[str]]]:
    """Return the objects of versions, and the aliases that registered models in the file give to them."""
    found: list[RegistryItem] = []
    aliases: dict[tuple[str, int], list[str]] = {}
    for item in items_of(source, *_WRAPPERS):
        model = next((item.data[key] for key in _SINGLE if isinstance(item.data.get(key), dict)), item.data)
        for each in listed(model.get("aliases")):
            if isinstance(each, dict) and isinstance(each.get("alias"), str) and str(each.get("version")).isdecimal():
                aliases.setdefault((str(model.get("name")), int(each["version"])), []).append(each["alias"])
        versions = [each for each in inside(item.data) if each.keys() - _OF_MODELS]
        for each in versions:
            if not is_version(each):
                hint = "save the versions too: mlflow.MlflowClient().search_prompt_versions(NAME)"
                raise item.refuse("this is no version of a prompt: it has no text", None, hint)
            found.append(RegistryItem(each, item.source, item.start, item.end))
    if not found:
        raise source.refuse("there is no version of a prompt in this file", 1, "save the versions themselves")
    return found, aliases
