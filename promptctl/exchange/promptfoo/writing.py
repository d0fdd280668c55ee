"""Prompts and their datasets as configs that `promptfoo eval` runs, with every part that those cannot say."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.exchange.promptfoo.providers import provider_of
from promptctl.exchange.promptfoo.written_tests import WrittenTests
from promptctl.exchange.written import PromptToWrite, PromptWriter, Written, written_by
from promptctl.files.yaml_writing import yaml_text
from promptctl.prompts.prompt import Message
from promptctl.schemas.json_schema import types_of
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.nunjucks_writing import nunjucks_of_jinja
from promptctl.template_languages.ours import simple_pieces, template_line, with_partials
from promptctl.template_languages.pieces import TextPiece, VariablePiece

_SAID = ("name", "description", "model", "parameters", "messages", "inputs", "template", "output", "response_format",
         "tools")  # fmt: skip
_NO_KEY = "is nothing that promptfoo's configs have"
_NO_SCHEMA = "is lost: promptfoo's variables have no types"
# Parameters that promptfoo's own providers know; OpenAI's take any other under `passthrough`.
_CONFIG = frozenset(
    ("temperature", "max_tokens", "max_completion_tokens", "top_p", "frequency_penalty", "presence_penalty", "stop",
     "seed", "tool_choice", "reasoning_effort", "parallel_tool_calls", "service_tier", "verbosity")
)  # fmt: skip
_OPENAI = ("openai:", "azure:", "openrouter:", "groq:", "deepseek:", "xai:", "togetherai:", "github:", "litellm:")
_SCALARS = frozenset(("string", "number", "integer", "boolean", "null"))


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return a folder for each prompt: its config, and its messages in a file beside it."""
    return written_by(map(_ConfigWriter, prompts))


class _ConfigWriter(PromptWriter):
    def __init__(self, given: PromptToWrite) -> None:
        super().__init__(given)
        inputs = self.prompt.inputs.values()
        self._lists = {each.name for each in inputs if not set(types_of(each.schema) or ()) <= _SCALARS}

    def files(self) -> dict[str, bytes]:
        """Return the messages, and the config that names their file."""
        chat = json.dumps(list(self.messages()), ensure_ascii=False, indent=2) + "\n"
        return {
            posixpath.join(self.prompt.id, "prompt.json"): chat.encode(),
            posixpath.join(self.prompt.id, "promptfooconfig.yaml"): yaml_text(self.config()).encode(),
        }

    def config(self) -> dict[str, Any]:
        """Return the config, once the messages were written."""
        given, prompt = self.given.data, self.prompt
        data: dict[str, Any] = {}
        if prompt.description or given.get("name"):
            data["description"] = prompt.description or given["name"]
        if given.get("name"):
            why = "is lost beside" if prompt.description else "is written as"
            self.lose(f"{why} the description: a config has one text for both", "name")
        data["prompts"] = [{"id": "file://prompt.json", "label": prompt.id}]
        data["providers"] = [self._provider()]
        self.lose_unsaid(_SAID, _NO_KEY)
        self.lose_inputs(("default", "required"), _NO_SCHEMA)
        tests = WrittenTests(self.given)
        data |= tests.data()
        self.losses += tests.losses
        return data

    def _provider(self) -> Any:
        prompt = self.prompt
        model = self.prompt.model or self.given.at.default_model
        if model is None:
            self.lose("is not named, and a config needs a provider: it says `echo`", part="model")
        provider = "echo" if model is None else provider_of(model)
        if provider is None:
            provider = f"litellm:{model}"
            self.lose(f"is asked through a proxy of LiteLLM there: `{provider}`", "model")
        config: dict[str, Any] = {}
        extra: dict[str, Any] = dict(prompt.parameters.get("extra_body", {}))
        for name, value in prompt.parameters.items():
            if name in _CONFIG:
                config[name] = value
            elif name != "extra_body" and provider.startswith(_OPENAI):
                extra[name] = value
            elif name != "extra_body" or not provider.startswith(_OPENAI):
                self.lose("is no parameter of that provider there", "parameters", name)
        config |= {"passthrough": extra} if extra and provider.startswith(_OPENAI) else {}
        config |= self._response(provider)
        if prompt.tools:
            config["tools"] = list(prompt.tools)
        return {"id": provider, "config": config} if config else provider

    def _response(self, provider: str) -> dict[str, Any]:
        output, prompt = self.prompt.output, self.prompt
        declared = prompt.declared_response_format
        if declared is None:
            return {}
        if not provider.startswith(_OPENAI):
            key = "output" if output.schema is not None else "response_format"
            self.lose("is not asked for: only providers of OpenAI's protocol take it there", key)
            return {}
        if output.retries:
            self.lose("is lost: nothing asks again there", "output", "retries")
        return {"response_format": declared}

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield the messages with Nunjucks in their texts."""
        for index, message in enumerate(self.prompt.messages):
            if not isinstance(message, Message):
                self.lose("is a place for messages: in promptfoo a chat's messages are fixed", "messages", index)
                continue
            written: dict[str, Any] = {"role": message.role}
            if isinstance(message.content, str) and (message.content or "tool_calls" not in message.extra):
                written["content"] = self._text(message.content, index, ("messages", index, "content"))
            elif message.content:
                written["content"] = [self._part(part, index, at) for at, part in enumerate(message.content)]
            yield {**written, **message.extra}

    def _part(self, part: Mapping[str, Any], index: int, at: int) -> Any:
        if "when" in part:
            self.lose("is lost: a part is always sent", "messages", index, "content", at, "when")
        return {key: self._nested(value, key, index, at) for key, value in part.items() if key != "when"}

    def _nested(self, value: Any, key: str, index: int, at: int) -> Any:
        if isinstance(value, Mapping):
            return {name: self._nested(each, name, index, at) for name, each in value.items()}
        is_template = isinstance(value, str) and key != "type"
        return self._text(value, index, ("messages", index, "content", at)) if is_template else value

    def _text(self, template: str, index: int, at: tuple[str | int, ...]) -> str:
        prompt = self.prompt
        lose = self.lose_in(*at, part=f"messages.{index}.content")
        if prompt.engine != "jinja2":
            named = {name: (name,) for name in prompt.inputs if name.isidentifier()}
            pieces = simple_pieces(template, named) if prompt.engine == "simple" else (TextPiece(template),)
            for each in pieces:
                if isinstance(each, VariablePiece) and not prompt.inputs[str(each.path[0])].is_required:
                    why = f"`{{{{{each.path[0]}}}}}` stays if nothing is given for it; in promptfoo it is empty then"
                    lose(why, each.line)
            return jinja_text(pieces)
        whole = with_partials(prompt, template, lose, "promptfoo includes nothing")
        written, findings = nunjucks_of_jinja(whole, self._lists)
        for finding in findings:
            lose(finding.message, template_line(template, prompt, finding.line))
        return written
