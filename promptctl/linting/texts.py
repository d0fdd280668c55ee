"""Rules about what is written: secrets, addresses of people, instructions given twice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from promptctl.errors import HIDDEN, Place, code_point
from promptctl.files.wording import count, name_some
from promptctl.linting.message_texts import MessageText
from promptctl.linting.prompt import LintedPrompt
from promptctl.linting.rules import Findings, LintFinding, finding
from promptctl.log.redaction import key_shapes

# A key that stands for one: no provider gives out keys with these words, or of so few signs.
_NO_KEY = re.compile(r"(?i)example|your|x{4}|placeholder|redacted|dummy|\*{3}|\.{3}|changeme|<|\{|\$")
_NO_PASSWORD = re.compile(
    r"(?i)^(?:pass(?:word|wd)?|pwd?|secret|token|key|user(?:name)?|admin|root|postgres|test|guest|my.*)$"
)
_FEWEST_SIGNS = 6
_MOST_ADDRESSES = 500

_EMAIL = re.compile(
    r"(?<![\w.+/:@-])([A-Za-z0-9][\w.+-]{0,63})@((?:[A-Za-z0-9-]{1,63}\.){1,5}([A-Za-z]{2,12}))(?![\w@/:(-]|\.\w)"
)
# Addresses of nobody: in names kept for examples, or that everybody takes for some.
_NO_DOMAIN = re.compile(
    r"(?i)(?:^|\.)(?:example|test|invalid|localhost|local|internal)(?:\.\w+)*$|"
    r"^(?:(?:your|my|some|the)[\w-]*|acme[\w-]*|company|domain|email|mail|contoso|fabrikam|foo|bar|baz|test|abc|xyz|site|website|corp|org|host)\.\w+$"
)
# Addresses of a place of work and not of a person; and names that stand for any person.
_NO_PERSON = frozenset(
    ("abuse", "accounts", "admin", "alerts", "all", "billing", "bot", "careers", "care", "claims", "compliance",
     "contact", "customer", "customercare", "customerservice", "data", "dpo", "editor", "enquiries", "events",
     "feedback", "finance", "git", "hello", "help", "helpdesk", "hi", "hr", "info", "inquiries", "invoices",
     "it", "jobs", "legal", "mail", "marketing", "media", "news", "newsletter", "noreply", "no-reply",
     "notifications", "office", "orders", "partners", "payments", "postmaster", "press", "privacy",
     "recruiting", "reports", "returns", "root", "sales", "security", "service", "services", "shop", "support",
     "talent", "team", "tech", "webmaster", "welcome", "user", "username", "name", "email", "someone",
     "somebody", "me", "you", "your", "foo", "bar", "test", "example", "john", "jane", "john.doe", "jane.doe",
     "johndoe", "janedoe", "j.doe", "jdoe", "john.smith", "jane.smith", "firstname.lastname", "first.last",
     "alice", "bob", "address", "abc", "xyz", "person", "customer.name")
)  # fmt: skip

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?!\s|$)[^.!?\n]*)*[.!?]?")
_INSTRUCTING = re.compile(
    r"(?i)\b(?:must|never|always|do not|don't|only|should|ensure|make sure|avoid)\b|"
    r"^[\s\-*\u2022>#|\d.)]*(?:use|write|answer|reply|respond|return|keep|include|be|give|follow|remember|stay|say|choose|"
    r"cite|mention|speak|treat|check|output|list|explain|begin|start|end)\b"
)
_LABEL = re.compile(
    r"^\s*(?:[-*\u2022>#|]|\d+[.)])*\s*\W{0,2}(?:user|assistant|system|human|ai|q|a|student|problem|solution|question|answer|input|output|example|response|reply|query)\b[^:\n]{0,30}:",
    re.I,
)
_SHOWN = (("<example", "</example"), ("```", "```"))
_FEWEST_WORDS, _FEWEST_CHARACTERS = 5, 25
_MOST_BEFORE, _MOST_OF_A_LINE = 100, 2_000
_IS_FIRST = re.compile(r"[\s\-*\u2022>#|\d.)]*")


def secrets(text: str, path: str) -> Iterator[LintFinding]:
    """Find P401 in a file's text. The secret itself is not shown."""
    line, counted = 1, 0
    for at, found in key_shapes(text):
        address, is_password, _ = found.partition("://")
        secret = found.rpartition(":")[2].rstrip("@") if is_password and not address else found
        if _NO_KEY.search(secret) or len(set(secret)) < _FEWEST_SIGNS or _NO_PASSWORD.match(secret):
            continue
        line += text.count("\n", counted, at)
        place, counted = Place(path, line), at
        what = "a password in an address" if is_password else f"what looks like a key (`{secret[:4]}…`)"
        message = f"{what} stands in the file, and so in the history of Git"
        hint = "take it out and revoke it: whoever can read the repository can use it; a value can be an input"
        yield finding("P401", message, place, hint)


def emails(prompt: LintedPrompt) -> Findings:
    """Find P402, each address once."""
    told: set[str] = set()
    for text in prompt.texts:
        for piece in text.pieces:
            for found in _addresses(piece.text) if "@" in piece.text else ():
                person, domain = found[1].lower(), found[2].lower()
                if found[0] in told or not _is_personal(person, domain):
                    continue
                told.add(found[0])
                place = text.place_in(piece, found.start() + 1)
                message = f"`{found[1][:1]}…@{found[2]}` looks like the address of a person"
                hint = "leave it out, or use one of example.com; an address that replies must name can be an input"
                yield finding("P402", message, place, hint)


def _addresses(text: str) -> Iterator[re.Match[str]]:
    """Yield the addresses of a text, around its first `@` signs."""
    at = -1
    for _ in range(_MOST_ADDRESSES):
        at = text.find("@", at + 1)
        if at < 0:
            return
        start = max(0, at - 64)
        while start < at and not (found := _EMAIL.match(text, start, at + 100)):
            start += 1
        if start < at and found is not None:
            yield found


def _is_personal(person: str, domain: str) -> bool:
    base = re.split(r"[+]", person)[0]
    return not (
        base in _NO_PERSON
        or re.split(r"[.\-_]", base)[0] in _NO_PERSON - {"john", "jane", "alice", "bob"}
        or _NO_DOMAIN.search(domain)
    )


def repeated(prompt: LintedPrompt) -> Findings:
    """Find P403: in one message. What the last message says once more is said so on purpose."""
    for text in prompt.instructions:
        yield from _repeated_in(text)


def hidden(prompt: LintedPrompt) -> Findings:
    """Find P404, once for each stretch of constant text."""
    for text in prompt.texts:
        for piece in text.pieces:
            if piece.is_value or not (found := [*HIDDEN.finditer(piece.text)]):
                continue
            codes = name_some([*dict.fromkeys(code_point(each[0]) for each in found)])
            message = f"{count(len(found), 'character')} that nobody sees, and the model reads: {codes}"
            hint = "take them out; what they say is in no diff that people read"
            yield finding("P404", message, text.place_in(piece, found[0].start()), hint)


def _repeated_in(text: MessageText) -> Iterator[LintFinding]:
    flat = text.flat
    shown = _shown(flat)
    seen: dict[str, int] = {}
    for found in _SENTENCE.finditer(flat):
        words = _normal(found[0])
        if words is None or any(start <= found.start() < end for start, end in shown):
            continue
        at = found.start() + len(found[0]) - len(found[0].lstrip())
        if _LABEL.match(_beginning(flat, at) + found[0][:_MOST_BEFORE]):
            continue
        before = seen.setdefault(words, at)
        # At the end of an item a sentence is about that item, however often it is said.
        is_apart = all(_IS_FIRST.fullmatch(_beginning(flat, each)) for each in (before, at))
        if before == at or not (is_apart or "\n" not in flat[before:at][:_MOST_OF_A_LINE]):
            continue
        if not set(text.piece(before).holds) <= set(text.piece(at).holds):
            continue
        first, place = text.place(before), text.place(at)
        of = f" of {first.path}" if first.path != place.path else ""
        message = f"this says again what line {first.line}{of} says"
        yield finding("P403", message, place, "say it once: each call pays for it", also=(first,))
        return


def _beginning(flat: str, at: int) -> str:
    """Return what stands on a line before a character of it, as far as that matters."""
    return flat[max(flat.rfind("\n", max(0, at - _MOST_BEFORE), at) + 1, at - _MOST_BEFORE, 0) : at]


def _shown(flat: str) -> list[tuple[int, int]]:
    """Return the first stretches that show something: examples and fenced blocks."""
    found: list[tuple[int, int]] = []
    lower = flat.lower()
    for mark, end_mark in _SHOWN:
        end = 0
        while len(found) < 50 and (start := lower.find(mark, end)) >= 0:
            end = lower.find(end_mark, start + len(mark))
            if end < 0:
                break
            end += len(end_mark)
            found.append((start, end))
    return found


def _normal(sentence: str) -> str | None:
    """Return an instruction in a form that is equal for equal ones; None for what is none, or holds a value."""
    if "\ufffc" in sentence or len(sentence) < _FEWEST_CHARACTERS:
        return None
    words = re.findall(r"[^\W_]+", sentence.lower())
    if len(words) < _FEWEST_WORDS or sentence.lstrip()[:1] in '{["<|' or not _INSTRUCTING.search(sentence):
        return None
    return " ".join(words[1:] if words[0].isdigit() else words)
