"""The model of a Prompty file and its options, as a native prompt has them, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptctl.exchange.drafts import Fate
from promptctl.exchange.model_settings import ForeignSettings, parameter_of
from promptctl.exchange.prompty.header import SECRETS, PromptyHeader
from promptctl.files.document import Key

# Prompty's provider to LiteLLM's, and Prompty 1's types of a configuration.
PROVIDERS = {"azure": "azure", "foundry": "azure"}
_TYPES = {"azure_openai": "azure", "azure": "azure", "azure_serverless": "azure_ai", "serverless": "azure_ai"}
_APIS = {
    "responses": "is asked by the chat-completions protocol here, not by OpenAI's responses",
    "agent": "is one call here: promptctl runs no tools",
    "completion": "is one message of a user here: its body has no roles",
    "completions": "is one message of a user here: its body has no roles",
}
_SECRET = re.compile(r"key|token|secret|password|auth|credential|header|cookie", re.IGNORECASE)
# What names the model in a connection of version 1.
_DEPLOYMENTS = ("azure_deployment", "name", "model")
_CONNECTION_HINT = (
    "say it once for all prompts, under `models:` in promptctl.yaml: `api_base`, and `api_key_env` for the variable "
    "with the key"
)


class ModelReader:
    """Reads `model` of a header: its id, API, options, and of a connection no more than the names of its parts."""

    def __init__(self, header: PromptyHeader) -> None:
        self._header = header
        self._settings = ForeignSettings()
        self.found = self._settings.data
        self.api = "chat"
        self.tools: Any = None

    def read(self) -> dict[str, Any]:
        """Return `model`, `parameters` and `response_format`, as far as the file says them. Raises `InvalidFiles`."""
        model = self._header.data.get("model")
        if isinstance(model, str):
            self.found["model"] = model
            self._header.note("kept", ("model",), f"is `model: {model}`")
            return self.found
        if model is None:
            return self.found
        if not isinstance(model, dict):
            raise self._header.refuse(("model",), "is no mapping and no name")
        for key in ("options", "parameters"):
            if key in model:
                self._options(model[key], ("model", key))
        self._id(model)
        for key in [each for each in model if each in SECRETS]:
            self._connection(model[key], ("model", key))
        for key in [each for each in model if each not in {"id", "provider", "options", "parameters", *SECRETS}]:
            self._other(key, model[key])
        return self.found

    def _id(self, model: Mapping[str, Any]) -> None:
        provider, id_ = model.get("provider"), model.get("id")
        if isinstance(id_, str) and id_:
            prefix = f"{PROVIDERS.get(provider, provider)}/" if isinstance(provider, str) and provider else ""
            self.found["model"] = prefix + id_
            keys: tuple[Key, ...] = ("model", "id")
        else:
            found: tuple[str, Any] = next(
                ((key, each) for key, each in model.items() if key in SECRETS and isinstance(each, dict)), ("", {})
            )
            keys = ("model", found[0], next((key for key in _DEPLOYMENTS if key in found[1]), "name"))
            name, kind = found[1].get(keys[2]), found[1].get("type", "azure_openai")
            if isinstance(name, str) and name and not name.startswith("${"):
                self.found["model"] = f"{_TYPES.get(kind, kind)}/{name}"
        if "model" in self.found:
            fate: Fate = "kept" if self.found["model"] == id_ else "changed"
            self._header.note(fate, keys, f"is written as `model: {self.found['model']}`")
        if isinstance(provider, str) and isinstance(id_, str):
            self._header.note("changed", ("model", "provider"), "is the beginning of the model's id")
        elif provider is not None:
            self._header.drop(("model", "provider"), "there is no id of a model that it could stand before")

    def _connection(self, connection: Any, keys: tuple[Key, ...]) -> None:
        """Note each part of a connection as dropped by its name; values, which may be keys, are never shown."""
        message, hint = "where and with which key a model is asked is no part of a prompt", _CONNECTION_HINT
        if not isinstance(connection, dict):
            self._header.drop(keys, message, hint)
            return
        is_named = "model" in self.found and "id" not in self._header.data["model"]
        for key, value in connection.items():
            if is_named and key in ("type", *_DEPLOYMENTS):
                continue
            is_variable = isinstance(value, str) and value.startswith("${env:")
            variable = f"; Prompty reads it from the variable {value[6:-1].partition(':')[0]}" if is_variable else ""
            if key in _DEPLOYMENTS and is_variable and "model" not in self.found:
                said = f"names the model{variable}: without one the workspace's default runs"
                self._header.drop((*keys, key), said, "write `model: azure/…` into the imported prompt")
                continue
            self._header.drop((*keys, key), message + variable, hint or None)
            hint = ""

    def _other(self, key: str, value: Any) -> None:
        keys = ("model", key)
        if key in ("api", "apiType"):
            if value in ("embedding", "image"):
                raise self._header.refuse(keys, f"is `{value}`: only prompts that make a reply of a chat are imported")
            self.api = str(value)
            if value != "chat":
                self._header.note("changed", keys, _APIS.get(self.api, "is not known: it is asked as a chat"))
            else:
                self._header.note("kept", keys, "is how promptctl asks models")
        elif key == "response":
            self._header.drop(keys, "what a program does with the reply is no part of a prompt")
        else:
            self._header.drop(keys, "is no key of a model in Prompty")

    def _options(self, options: Any, keys: tuple[Key, ...]) -> None:
        if not isinstance(options, dict):
            self._header.drop(keys, "is no mapping")
            return
        for key, value in options.items():
            if key == "additionalProperties" and isinstance(value, dict):
                self._options(value, (*keys, key))
            else:
                self._option(key, value, (*keys, key))

    def _option(self, key: str, value: Any, keys: tuple[Key, ...]) -> None:
        if key in ("tools", "functions") and isinstance(value, list):
            self.tools = value
        elif key in ("deployment_name", "model") and isinstance(value, str):  # as Prompt flow has it
            self.found["model"] = value
            self._header.note("changed", keys, f"is written as `model: {value}`")
        elif key in ("stream", "stream_options", "n", "messages"):
            self._header.drop(keys, "how a program asks is no part of a prompt")
        elif value is None:
            self._header.drop(keys, "has no value")
        elif key == "response_format" or parameter_of(key):
            place, why = self._settings.take(key, value)
            if place is None:
                self._header.drop(keys, why)
                return
            is_same = place.rpartition(".")[2] == key and "additionalProperties" not in keys
            self._header.note("kept" if is_same else "changed", keys, f"is written as `{place}`")
        elif _SECRET.search(key):
            self._header.drop(keys, "is named like a key, which no prompt file may hold")
        else:
            self.found.setdefault("parameters", {}).setdefault("extra_body", {})[key] = value
            self._header.note("changed", keys, f"is written as `parameters.extra_body.{key}`, and sent as it is")
