"""Prompts as requests of OpenAI's chat protocol: a batch file of the rendered cases, or one body as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.datasets.dataset import Dataset
from promptctl.exchange.written import (
    DatasetToWrite,
    PromptToWrite,
    PromptWriter,
    Written,
    lost_dataset_keys,
    written_by,
)
from promptctl.files.free_names import FreeNames
from promptctl.prompts.prompt import Message
from promptctl.prompts.rendering import Renderer

_URL = "/v1/chat/completions"
_SAID = ("model", "parameters", "messages", "inputs", "template", "output", "response_format", "tools")
_NO_KEY = "is no part of a request"
_RENDERED = "is filled in: a request has no variables"


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return for each prompt a batch file with a request for each case; without a dataset, one body as JSON."""
    return written_by(map(_Requests, prompts))


class _Requests(PromptWriter):
    def files(self) -> dict[str, bytes]:
        """Return the prompt's one file."""
        self.lose_unsaid(_SAID, _NO_KEY)
        prompt, common = self.prompt, self._body()
        if self.given.datasets:
            self.lose_inputs(("default", "required"), _RENDERED)
            lines = [json.dumps(line, ensure_ascii=False) for line in self._lines(common)]
            return {f"{prompt.id}.jsonl": "".join(f"{line}\n" for line in lines).encode()}
        self.lose_inputs((), _RENDERED)
        needed = [name for name, each in prompt.inputs.items() if each.is_required]
        if needed:
            messages = list(self._templates())
            for name in needed:
                self.lose("has no value: the template stands in the request as it is written here", "inputs", name)
        else:
            messages = list(Renderer(prompt).render({}).messages)
        body = {**common, "messages": messages}
        return {f"{prompt.id}.json": (json.dumps(body, ensure_ascii=False, indent=2) + "\n").encode()}

    def _body(self) -> dict[str, Any]:
        prompt = self.prompt
        model = prompt.model or self.given.at.default_model
        if model is None:
            self.lose("is not named, and a request needs one", "model")
        elif not model.startswith("openai/"):
            self.lose(f"is `{model}`, which OpenAI does not serve: the request goes to a server that does", "model")
        body: dict[str, Any] = {"model": model.removeprefix("openai/")} if model else {}
        extra = prompt.parameters.get("extra_body")
        body |= {name: value for name, value in prompt.parameters.items() if name != "extra_body"}
        body |= dict(extra) if isinstance(extra, Mapping) else {}
        if prompt.output.retries:
            self.lose("is lost: nothing asks again", "output", "retries")
        if (form := prompt.declared_response_format) is not None:
            body["response_format"] = form
        return {**body, **({"tools": list(prompt.tools)} if prompt.tools else {})}

    def _lines(self, common: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        renderer, ids = Renderer(self.prompt), FreeNames()
        for dataset in self.given.datasets:
            self.losses += lost_dataset_keys(dataset, ("id", "inputs", "matrix", "files", "defaults"), _NO_KEY)
            for case in self._cases(dataset):
                id_ = ids.take(case.id)
                body = {**common, "messages": list(renderer.render(case.inputs).messages)}
                yield {"custom_id": id_, "method": "POST", "url": _URL, "body": body}

    def _cases(self, dataset: DatasetToWrite) -> Iterator[Any]:
        tree, prompt = self.given.at.tree, self.prompt
        if dataset.path == prompt.path:  # a file of GitHub's with tests of its own
            own = Dataset.of_prompt(prompt, tree, limits=self.given.limits)
            yield from own.cases(prompt) if own is not None else ()
            return
        yield from Dataset.open(tree, dataset.path, limits=self.given.limits).cases(prompt)

    def _templates(self) -> Iterator[dict[str, Any]]:
        for index, message in enumerate(self.prompt.messages):
            if isinstance(message, Message):
                content = message.content if isinstance(message.content, str) else list(message.content)
                yield {"role": message.role, "content": content, **message.extra}
            else:
                self.lose("is a place for messages, of which there are none", "messages", index)
