"""promptfoo's `prompts`: texts, chats and files of them, each as messages with templates of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptctl.errors import InvalidFiles
from promptctl.exchange.drafts import Source
from promptctl.exchange.openai.conversations import MESSAGE_KEYS, ROLES
from promptctl.exchange.promptfoo.named_files import NEVER_READ, is_code, matching
from promptctl.exchange.promptfoo.spots import Spot
from promptctl.files.foreign_yaml import read_foreign_yaml
from promptctl.files.free_names import FreeNames
from promptctl.files.plain import texts_in, with_texts
from promptctl.files.strict_json import strict_json
from promptctl.template_languages.nunjucks import jinja_of_nunjucks
from promptctl.templates import BadTemplate
from promptctl.templates.uses import variables

_TEXTS = (".txt", ".md", ".j2", ".njk", ".markdown")
_DATA = (".json", ".jsonl", ".yaml", ".yml", ".csv")
_ELSEWHERE = {
    "langfuse://": "is a prompt of Langfuse: import its export",
    "portkey://": "is a prompt of Portkey, which is not read from here",
    "helicone://": "is a prompt of Helicone, which is not read from here",
    **NEVER_READ,
}
_BY_HAND = "write what it makes as a prompt file, its variables under `inputs:`"
_SEPARATOR = re.compile(r"^---\r?$", re.MULTILINE)
_ASKS = r"\b{0}\s*(?:\|\s*(?:d|default)\b|is\s+(?:not\s+)?(?:un)?defined)"


@dataclass
class PromptfooPrompt:
    """A prompt: its name, its text or list of messages, and the names that others call it by.

    Once it is read, also its messages, and the variables that they use.
    """

    wish: str
    spot: Spot
    labels: frozenset[str] = frozenset()
    config: Spot | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)
    names: tuple[str, ...] = ()
    has_markup: bool = False

    def asks_for(self, name: str) -> bool:
        """Return True if a template asks whether the variable is there at all."""
        asked = re.compile(_ASKS.format(re.escape(name)))
        return any(asked.search(text) for text in texts_of(self.messages))


def read_prompts(config: Spot, base: str) -> list[PromptfooPrompt]:
    """Return the prompts, with a note for each; one that cannot be said here is dropped by name."""
    prompts = config.get("prompts")
    if prompts is None:
        config.note("changed", "prompts", "is `{{prompt}}`, as there is none")
        given = [PromptfooPrompt(base, replace(config, value="{{prompt}}"))]
    else:
        given = list(_given(prompts, base))
    found: list[PromptfooPrompt] = []
    wishes = FreeNames()
    for prompt in given:
        try:
            _read(prompt)
        except BadTemplate as error:
            hint = error.hint or _BY_HAND
            prompt.spot.note("dropped", f"prompts: {prompt.wish}", error.message, hint, error.line or 1)
            continue
        prompt.wish = wishes.take(prompt.wish)
        found.append(prompt)
        words = "is a prompt of one message" if len(prompt.messages) == 1 else f"is a chat of {len(prompt.messages)}"
        prompt.spot.note("kept", f"prompts: {prompt.wish}", words)
    return found


def _given(prompts: Spot, base: str) -> Iterator[PromptfooPrompt]:
    entries: list[tuple[Spot, str | None, Spot | None]] = []
    if isinstance(prompts.value, dict) and not {"id", "raw", "label"} & prompts.value.keys():
        entries += [(replace(prompts.at(path), value=path), str(label), None) for path, label in prompts.value.items()]
    else:
        for spot in prompts.items():
            if isinstance(spot.value, dict):
                key = "raw" if spot.get("raw") else "id"
                if not isinstance(spot.value.get(key), str):
                    spot.note("dropped", "prompts", "has neither `id` nor `raw`")
                    continue
                label = spot.value.get("label")
                entries.append((spot.at(key), str(label) if label else None, spot.get("config")))
                _tell_other_keys(spot)
            else:
                entries.append((spot, None, None))
    number = 0
    for spot, label, config in entries:
        for prompt in _of_entry(spot, label):
            number += 1
            name = prompt.wish or (base if len(entries) == 1 else f"{base}-{number}")
            yield replace(prompt, wish=name, config=config)


def _tell_other_keys(spot: Spot) -> None:
    for key in spot.value:
        if key not in ("id", "raw", "label", "config") and spot.value[key] not in (None, {}, []):
            spot.at(key).note("dropped", f"prompts: {key}", "has no counterpart here")


def _of_entry(spot: Spot, label: str | None) -> Iterator[PromptfooPrompt]:
    text = spot.value
    if not isinstance(text, str):
        spot.note("dropped", "prompts", "is no text and no file")
        return
    elsewhere = next((why for start, why in _ELSEWHERE.items() if text.startswith(start)), None)
    path = text.removeprefix("file://")
    if elsewhere is not None:
        spot.note("dropped", f"prompts: {text}", elsewhere, _BY_HAND)
    elif not _is_path(text):
        yield PromptfooPrompt(label or "", spot, frozenset(filter(None, (label, text))))
    elif is_code(path):
        spot.note("dropped", f"prompts: {text}", "is code of that project, which is not run here", _BY_HAND)
    else:
        for source in matching(spot.source, path, spot.place.line):
            for prompt in _of_file(spot, source, label):
                names = filter(None, (label, text, source.path, prompt.wish))
                yield replace(prompt, labels=frozenset(names))


def _in_order(names: Iterable[str], text: str) -> list[str]:
    """Return names in the order in which a text first has them."""
    return sorted(names, key=lambda name: (found.start() if (found := re.search(rf"\b{name}\b", text)) else 0, name))


def _is_path(text: str) -> bool:
    """Return True for what promptfoo takes for a path: with its sign, or a line that ends as names of files do."""
    if text.startswith("file://"):
        return True
    is_line = "\n" not in text and "{{" not in text and text.rstrip() == text
    return is_line and (
        text.endswith((*_TEXTS, *_DATA)) or is_code(text) or ("*" in text and "/" in text and " " not in text)
    )


def _of_file(spot: Spot, source: Source, label: str | None) -> Iterator[PromptfooPrompt]:
    name = label or source.stem
    if source.path.endswith(".csv"):
        yield from _of_table(spot, source, label)
    elif source.path.endswith(".jsonl"):
        for number, line in enumerate(source.text.split("\n"), 1):
            if line.strip():
                yield PromptfooPrompt(name, Spot(line.strip(), source, spot.notes, line=number))
    elif source.path.endswith((".json", ".yaml", ".yml")):
        try:
            yield PromptfooPrompt(name, Spot.of(source, spot.notes))
        except InvalidFiles:
            # JSON with template code around its values: it is told as such when it is read as a text.
            yield PromptfooPrompt(name, Spot(source.text, source, spot.notes, line=1))
    else:
        is_split = source.path.endswith(".txt")
        at, parts = 1, _SEPARATOR.split(source.text) if is_split else [source.text]
        for part in parts:
            if part.strip():
                blank = len(part) - len(part.lstrip())
                first = at + part.count("\n", 0, blank)
                yield PromptfooPrompt(name, Spot(part.strip(), source, spot.notes, line=first))
            at += part.count("\n")


def _of_table(spot: Spot, source: Source, label: str | None) -> Iterator[PromptfooPrompt]:
    rows = list(source.csv_records())
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    has_header = "prompt" in header
    column, named = header.index("prompt") if has_header else 0, header.index("label") if "label" in header else None
    for line, row in rows[has_header:]:
        if column < len(row):
            own = row[named].strip() if named is not None and named < len(row) else ""
            name = own or label or source.stem
            yield PromptfooPrompt(name, Spot(row[column].strip(), source, spot.notes, line=line))


def _read(prompt: PromptfooPrompt) -> None:
    """Read a prompt's text. Raises `BadTemplate` for what cannot be said here."""
    spot = prompt.spot
    value = spot.value if isinstance(spot.value, list | dict) else chat(str(spot.value))
    translator = ChatTranslator(f"prompts: {prompt.wish}", spot)
    if value is None:
        prompt.messages = [{"role": "user", "content": translator.text(str(spot.value))}]
    else:
        prompt.messages = [translator.message(item) for item in listed(value)]
    names: dict[str, None] = {}
    for text in texts_of(prompt.messages):
        names |= dict.fromkeys(_in_order(variables(text), text))
        prompt.has_markup = prompt.has_markup or "{{" in text or "{%" in text or "{#" in text
    if "_conversation" in names:
        raise BadTemplate("`_conversation` is what promptfoo keeps of earlier tests", 1)
    prompt.names = tuple(names)


_IN_JINJA = "write it in Jinja, as templates are here, and import again"


def listed(value: Any) -> list[Any]:
    """Return the messages of data, which may hold them under `messages`. Raises `BadTemplate` if there are none."""
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if not isinstance(value, list) or not value:
        raise BadTemplate("it is data, but no list of messages", 1)
    return value


def chat(text: str) -> Any:
    """Return the messages that a text holds as JSON or YAML, as promptfoo finds them; None for a plain text."""
    stripped = text.lstrip()
    if re.match(r"\[\s*\{|\{\s*\"", stripped) and not stripped.startswith(("{{", "{%")):
        try:
            return strict_json(stripped)
        except json.JSONDecodeError:
            message = "it is JSON with template code outside of its texts"
            raise BadTemplate(message, 1, hint="write it as messages, and give a list as `placeholder:`") from None
        except ValueError as error:
            raise BadTemplate(f"it is JSON that cannot be read: {error}", 1) from None
    if stripped.startswith("- role:"):
        try:
            return read_foreign_yaml(stripped.encode(), "prompt").data
        except InvalidFiles as error:
            raise BadTemplate(f"it is a list of messages that is no YAML: {error.message}", 1) from None
    return None


class ChatTranslator:
    """Makes messages of ours; what is changed in their templates is noted."""

    def __init__(self, part: str, spot: Spot) -> None:
        self._part, self._spot = part, spot

    def message(self, item: Any) -> dict[str, Any]:
        """Return a message. Raises `BadTemplate`."""
        if not isinstance(item, Mapping) or item.get("role") not in ROLES:
            role = item.get("role") if isinstance(item, Mapping) else None
            raise BadTemplate(
                f"a message has the role `{role}`, which is none here" if role else "a message is none", 1
            )
        message = {"role": item["role"]}
        content = item.get("content")
        if isinstance(content, str):
            message["content"] = self.text(content)
        elif isinstance(content, list):
            message["content"] = with_texts(content, self.text, ("type",))
        elif not item.get("tool_calls"):
            raise BadTemplate("a message has no content that is a text, or a list of parts", 1)
        for key in item:
            if key in ("name", "tool_calls", "tool_call_id"):
                message[key] = item[key]
            elif key not in MESSAGE_KEYS:
                self._spot.note("dropped", f"{self._part}: {key}", "is no key of a message")
        return message

    def text(self, text: str) -> str:
        """Return a template for Jinja. Raises `BadTemplate` at the first thing that is JavaScript's."""
        found = jinja_of_nunjucks(text)
        if found.problems:
            first = found.problems[0]
            raise BadTemplate(first.message, first.line, hint=_IN_JINJA)
        for change in found.changes:
            self._spot.note("changed", self._part, change.message, line=change.line)
        return found.text


def texts_of(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield each template in messages: contents, and the texts of their parts."""
    for message in messages:
        for part in [message["content"]] if isinstance(message.get("content"), str) else message.get("content", ()):
            yield from texts_in({**part, "type": None} if isinstance(part, Mapping) else part)
