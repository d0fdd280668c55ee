"""Rules about inputs: unused ones, and where their values stand in the messages."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from promptctl.files.wording import count
from promptctl.linting.message_texts import VALUE
from promptctl.linting.prompt import LintedPrompt, is_always_given, is_free_text
from promptctl.linting.rules import Findings, finding
from promptctl.prompts.prompt_checks import unused_inputs
from promptctl.templates.events import Condition, Use

# Names of inputs that hold a text which somebody else wrote, whole or as a part between `_`.
_WRITTEN_BY_OTHERS = frozenset(
    ("abstract", "article", "attachment", "body", "chunk", "code", "comment", "commit", "content", "context",
     "conversation", "corpus", "cv", "diff", "doc", "document", "email", "essay", "excerpt", "feedback", "file",
     "html", "input", "issue", "letter", "log", "mail", "markdown", "message", "note", "page", "paper", "paragraph",
     "passage", "post", "query", "question", "readme", "resume", "review", "snippet", "text", "thread", "ticket",
     "transcript", "tweet")
)  # fmt: skip
# Endings of names that say what such a text is about, or how it is to be written.
_NO_TEXT = frozenset(
    ("count", "date", "format", "guide", "guideline", "id", "instruction", "kind", "label", "language",
     "length", "level", "limit", "link", "name", "number", "path", "policy", "rule", "schema", "size", "status",
     "style", "tag", "template", "time", "title", "tone", "type", "uri", "url", "version")
)  # fmt: skip
# Names of what is the same in very many calls, which so share a prefix.
_SETTINGS = frozenset(
    ("app", "assistant", "audience", "brand", "company", "country", "currency", "format", "framework",
     "guideline", "instruction", "lang", "language", "level", "limit", "locale", "max", "min", "mode", "model",
     "organization", "persona", "platform", "policy", "product", "project", "region", "repo", "repository",
     "role", "rule", "schema", "style", "team", "tenant", "timezone", "tone", "version")
)  # fmt: skip
_PAIRS = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u201e": "\u201c", "\u00ab": "\u00bb", "(": ")", "[": "]",
          "<": ">", "{": "}", "|": "|", "\u2018": "\u2019"}  # fmt: skip
_TAG = re.compile(
    rf"<(/?)([A-Za-z][\w:.-]{{0,60}}{VALUE}?)(?:\s[^<>\n]{{0,200}})?(?<!/)>|\[(/?)([A-Z][A-Z0-9_ ]{{0,40}})\]"
)
_FENCE = re.compile(r"^[ \t]*(```|~~~)|(\"\"\"|''')", re.MULTILINE)
_RULE_LINE = re.compile(
    r"^[ \t]*(?:[-=*#_+~<>|]{3,}[^\n]{0,80}|[^\n]{0,20}\b(?:BEGIN|START|END)\b[^\n]{0,40})$", re.MULTILINE
)
_LABEL_LINE = re.compile(r"^\W{0,8}[^\n.!?]{0,80}:[\s\ufffc]*$")
# What these filters make of a value is a number, or a text whose quotes and line ends are escaped.
_ESCAPING = frozenset(("tojson", "escape", "e", "urlencode", "length", "count", "int", "float", "round", "wordcount"))
# What stands before a value within a line that is a text and not a word of the sentence: `Summarize {{ text }} …`.
_BEFORE_A_TEXT = re.compile(
    r"(?i)(?:(?<!\")[:\-=]|\b(?:analy[sz]e|answer|assess|check|classify|condense|correct|describe|edit|evaluate|explain|"
    r"extract|grade|improve|judge|label|parse|paraphrase|proofread|rate|read|rephrase|review|rewrite|score|shorten|"
    r"simplify|summari[sz]e|translate|triage)(?:\s+(?:the|this|following|text|of|from|from the)){0,3})\s*$"
)
_SENTENCE_WORDS = 5
# A shorter sentence that is an instruction all the same: `Answer yes or no.`
_SHORT_INSTRUCTION = re.compile(
    r"(?i)(?:^|[.!?:;])\W{0,8}(?:(?:now|please|then|always|only|just)\s+)?(?:answer|be|choose|classify|decide|explain|give|"
    r"keep|label|list|output|pick|rate|reply|respond|return|say|score|summari[sz]e|translate|use|write)"
    r"(?:\s+[^\s.!?]+){2,}[.!]"
)
_MOST_OF_A_LINE = 400
_WORD = re.compile(r"[^\W\d_]+")

# What a template may do with a value that is not there, as far as the act alone says it.
_TAKES_NOTHING = frozenset(("defined", "default", "is", "null", "value", "messages", "when"))

# Without another number in the list of models, a provider caches from so many tokens on; a token is taken for five
# characters, so that no text is taken for longer than it is.
_CACHED_FROM = 1024
_CHARACTERS = 5


def unused(prompt: LintedPrompt) -> Findings:
    """Find P101."""
    for problem in unused_inputs(prompt.declared):
        yield finding("P101", problem.message, problem.place, problem.hint or "")


def needed(prompt: LintedPrompt) -> Findings:
    """Find P106: one finding for each input, at the first use that fails without it."""
    inputs = prompt.declared.inputs if prompt.declared.is_jinja else {}
    optional = {name for name, each in inputs.items() if not is_always_given(each)}
    for each in prompt.events:
        event = each.event
        if not isinstance(event, Use) or (name := event.path[0]) not in optional:
            continue
        if (len(event.path) > 1 or event.act not in _TAKES_NOTHING) and all(_holds_without(name, event.holds)):
            optional.remove(name)
            message = f"`{name}` is optional, and a call without it fails here"
            hint = f'give it a `default`, or write `{{% if {name} is defined %}}` or `{{{{ {name} | default("…") }}}}`'
            yield finding("P106", message, each.place, hint, also=prompt.declared_at(name))


def _holds_without(name: str, conditions: Iterable[Condition]) -> Iterator[bool]:
    """Yield of each condition True if it surely holds where the input is not given."""
    for each in conditions:
        if each.kind == "not":
            asked = each.parts[0]
            is_never = asked.kind == "equal" and (asked.text == "is" or asked.values == (None,))
            yield asked.path == (name,) and not asked.is_of_either and (asked.kind == "defined" or is_never)
        elif each.kind in ("and", "or"):
            yield (all if each.kind == "and" else any)(_holds_without(name, each.parts))
        else:
            yield each.kind == "constant" and bool(each.values[0])


def undelimited(prompt: LintedPrompt) -> Findings:
    """Find P103: one finding for each message, at the first of its values."""
    inputs = prompt.declared.inputs
    for text in prompt.instructions:
        flat, found = text.flat, []
        marks = _Delimiters(flat) if VALUE in flat else None
        last, at = _last_sentence(flat) if marks is not None else -1, 0
        for piece in text.pieces:
            if piece.is_value and marks is not None and _ESCAPING.isdisjoint(piece.filters) and len(piece.inputs) == 1:
                name = piece.inputs[0]
                declared = None if prompt.is_github else inputs.get(name)
                is_text = _is_written_by_others(name) and is_free_text(declared)
                if is_text and _is_risky(text.role, flat, at, last) and not marks.is_around(at):
                    found.append((name, piece))
            at += 1 if piece.is_value else len(piece.text)
        if found:
            name, piece = found[0]
            more = len({each for each, _ in found}) - 1
            also = f" (and {count(more, 'more input')} of this message)" if more else ""
            where = "in the system's message" if text.role != "user" else "before more instructions"
            message = f"`{name}` stands {where} with nothing around it: its text reads as instructions too{also}"
            hint = f"put it between marks, such as <{name}> and </{name}>, and say that what is in them is material"
            yield finding("P103", message, piece.place, hint, also=prompt.declared_at(name))


def _is_written_by_others(name: str) -> bool:
    words = _words_of(name)
    return not _WRITTEN_BY_OTHERS.isdisjoint(words) and words[-1] not in _NO_TEXT


def _words_of(name: str) -> list[str]:
    """Return the words of a name in the singular: `userTexts` is `user` and `text`."""
    parts = re.split(r"[_.\-]|(?<=[a-z])(?=[A-Z])", name)
    return [part.lower().removesuffix("s") for part in parts if part] or [name]


def _is_risky(role: str, flat: str, at: int, last: int) -> bool:
    """Return True if the value's text could be read as a part of the instructions.

    In a message of the user's it is so if a sentence comes after it; `last` is where the last one's line begins. A
    message that is nothing but the value is one text anyway.
    """
    if flat.strip() == VALUE:
        return False
    before = flat[max(flat.rfind("\n", max(0, at - _MOST_OF_A_LINE), at) + 1, at - _MOST_OF_A_LINE, 0) : at]
    if before.strip(f"{VALUE} \t") and not _BEFORE_A_TEXT.search(before[-60:]):
        return False
    if role != "user" or at < last:
        return True
    line = flat[at + 1 : at + 1 + _MOST_OF_A_LINE].partition("\n")[0]
    return _is_sentence(line)


def _is_sentence(line: str) -> bool:
    return len(_WORD.findall(line)) >= _SENTENCE_WORDS or _SHORT_INSTRUCTION.search(line) is not None


def _last_sentence(flat: str) -> int:
    """Return where the last line begins that holds a sentence; -1 if none does."""
    end = len(flat)
    while end > 0:
        start = flat.rfind("\n", 0, end) + 1
        line = flat[start : min(end, start + _MOST_OF_A_LINE)]
        if _is_sentence(line) and not _LABEL_LINE.match(line):
            return start
        end = start - 1
    return -1


class _Delimiters:
    """The stretches of a text between marks of any usual kind: tags, fences, quotes, lines of signs."""

    def __init__(self, flat: str) -> None:
        self._flat = flat
        self._steps = sorted([*_between_tags(flat), *_between_fences(flat)])
        lines = [found.start() for found in _RULE_LINE.finditer(flat)]
        self._lines = (lines[0], lines[-1]) if lines else None
        self._positions, self._depths, depth = [], [], 0
        for at, step in self._steps:
            depth += step
            self._positions.append(at)
            self._depths.append(depth)

    def is_around(self, at: int) -> bool:
        """Return True if the character there is between marks."""
        index = bisect_right(self._positions, at) - 1
        if index >= 0 and self._depths[index] > 0:
            return True
        if self._lines is not None and self._lines[0] < at < self._lines[1]:
            return True
        before, after = self._flat[at - 1 : at], self._flat[at + 1 : at + 2]
        return bool(before) and _PAIRS.get(before) == after


def _between_tags(flat: str) -> Iterator[tuple[int, int]]:
    opened: dict[str, list[int]] = {}
    for found in _TAG.finditer(flat):
        is_end, name = bool(found[1] or found[3]), found[2] or found[4]
        if not is_end:
            opened.setdefault(name, []).append(found.end())
        elif starts := opened.get(name):
            yield starts.pop(), 1
            yield found.start(), -1


def _between_fences(flat: str) -> Iterator[tuple[int, int]]:
    opened: dict[str, int] = {}
    for found in _FENCE.finditer(flat):
        mark = found[1] or found[2]
        if mark in opened:
            yield opened.pop(mark), 1
            yield found.start(), -1
        else:
            opened[mark] = found.end()


def uncached(prompt: LintedPrompt) -> Findings:
    """Find P104: the first value that differs from call to call, if it is early and much constant text comes after."""
    entry, facts = prompt.facts.entry, prompt.facts
    if entry and not entry.get("supports_prompt_caching"):
        return
    least = facts.count("prompt_cache_min_tokens") or _CACHED_FROM
    before = after = 0
    first = None
    for text in prompt.texts:
        for piece in text.pieces:
            if not piece.is_value:
                after += len(piece.text) if piece.is_always_sent else 0
            elif first is None and (name := _changing(prompt, piece.inputs)) is not None:
                first, before, after = (name, piece), after, 0
                if before >= least * _CHARACTERS:
                    return
    if first is not None and after >= least * _CHARACTERS:
        name, piece = first
        message = (
            f"`{name}` stands before {after:,} characters that never change: "
            "providers cache what comes before the first change, and no more"
        )
        hint = "move it below what never changes, to the end of the last message if that can be"
        yield finding("P104", message, piece.place, hint, also=prompt.declared_at(name))


def _changing(prompt: LintedPrompt, names: tuple[str, ...]) -> str | None:
    """Return the first input of these that differs from call to call: one without a default, of very many values."""
    for name in names:
        declared = prompt.declared.inputs.get(name)
        if declared is None or not _SETTINGS.isdisjoint(_words_of(name)):
            continue
        if prompt.is_github or (
            declared.is_required
            and {"enum", "const"}.isdisjoint(declared.schema)
            and declared.schema.get("type") != "boolean"
        ):
            return name
    return None
