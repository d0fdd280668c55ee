"""Prompts as requests of OpenAI's chat protocol: a batch file of the rendered cases, or one body as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.datasets.dataset import Dataset
from promptctl.exchange.lost_parts import lost_dataset_keys, lost_inputs, lost_keys
from promptctl.exchange.notes import ExportLoss
from promptctl.exchange.written import DatasetToWrite, PromptToWrite, Written
from promptctl.files.free_names import FreeNames
from promptctl.prompts.prompt import Message
from promptctl.prompts.rendering import Renderer

_URL = "/v1/chat/completions"
_SAID = ("model", "parameters", "messages", "inputs", "template", "output", "response_format", "tools")
_NO_KEY = "is no part of a request"
_RENDERED = "is filled in: a request has no variables"


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return for each prompt a batch file with a request for each case; without a dataset, one body as JSON."""
    files: dict[str, bytes] = {}
    losses: list[ExportLoss] = []
    for prompt in prompts:
        requests = _Requests(prompt)
        path, data = requests.file()
        files[path] = data
        losses += requests.losses
    return Written(files, tuple(losses))


class _Requests:
    def __init__(self, prompt: PromptToWrite) -> None:
        self._of = prompt
        self.losses: list[ExportLoss] = list(lost_keys(prompt.data, prompt.document, _SAID, _NO_KEY))

    def _lose(self, part: str, why: str, *keys: str | int) -> None:
        self.losses.append(ExportLoss(part, why, self._of.document.key_place(*keys)))

    def file(self) -> tuple[str, bytes]:
        """Return the path of the prompt's file, and what is in it."""
        prompt, common = self._of.prompt, self._body()
        if self._of.datasets:
            self.losses += lost_inputs(self._of, ("default", "required"), _RENDERED)
            lines = [json.dumps(line, ensure_ascii=False) for line in self._lines(common)]
            return f"{prompt.id}.jsonl", "".join(f"{line}\n" for line in lines).encode()
        self.losses += lost_inputs(self._of, (), _RENDERED)
        needed = [name for name, each in prompt.inputs.items() if each.is_required]
        if needed:
            messages = list(self._templates())
            for name in needed:
                words = "has no value: the template stands in the request as it is written here"
                self._lose(f"inputs.{name}", words, "inputs", name)
        else:
            messages = list(Renderer(prompt).render({}).messages)
        body = {**common, "messages": messages}
        return f"{prompt.id}.json", (json.dumps(body, ensure_ascii=False, indent=2) + "\n").encode()

    def _body(self) -> dict[str, Any]:
        prompt = self._of.prompt
        model = prompt.model or self._of.at.default_model
        if model is None:
            self._lose("model", "is not named, and a request needs one", "model")
        elif not model.startswith("openai/"):
            words = f"is `{model}`, which OpenAI does not serve: the request goes to a server that does"
            self._lose("model", words, "model")
        body: dict[str, Any] = {"model": model.removeprefix("openai/")} if model else {}
        extra = prompt.parameters.get("extra_body")
        body |= {name: value for name, value in prompt.parameters.items() if name != "extra_body"}
        body |= dict(extra) if isinstance(extra, Mapping) else {}
        if prompt.output.retries:
            self._lose("output.retries", "is lost: nothing asks again", "output", "retries")
        if (form := prompt.declared_response_format) is not None:
            body["response_format"] = form
        return {**body, **({"tools": list(prompt.tools)} if prompt.tools else {})}

    def _lines(self, common: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        renderer, ids = Renderer(self._of.prompt), FreeNames()
        for dataset in self._of.datasets:
            self.losses += lost_dataset_keys(dataset, ("id", "inputs", "matrix", "files", "defaults"), _NO_KEY)
            for case in self._cases(dataset):
                id_ = ids.take(case.id)
                body = {**common, "messages": list(renderer.render(case.inputs).messages)}
                yield {"custom_id": id_, "method": "POST", "url": _URL, "body": body}

    def _cases(self, dataset: DatasetToWrite) -> Iterator[Any]:
        tree, prompt = self._of.at.tree, self._of.prompt
        if dataset.path == prompt.path:  # a file of GitHub's with tests of its own
            own = Dataset.of_prompt(prompt, tree)
            yield from own.cases(prompt) if own is not None else ()
            return
        yield from Dataset.open(tree, dataset.path).cases(prompt)

    def _templates(self) -> Iterator[dict[str, Any]]:
        for index, message in enumerate(self._of.prompt.messages):
            if isinstance(message, Message):
                content = message.content if isinstance(message.content, str) else list(message.content)
                yield {"role": message.role, "content": content, **message.extra}
            else:
                words = "is a place for messages, of which there are none"
                self._lose(f"messages.{index}", words, "messages", index)
