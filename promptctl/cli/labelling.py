"""Asks a person at the terminal to label replies, one after another."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from promptctl import HumanLabel, LabelItem, ReplyLabelling
from promptctl.cli.output import say, styled, tell, visible
from promptctl.cli.page_layout import say_heading, say_text
from promptctl.reports.labelling import TASKS, Answer, answers_to
from promptctl.reports.wording import as_text

_COMMANDS = (Answer("s", "skip"), Answer("c", "comment"), Answer("u", "undo"), Answer("q", "quit"))
# Numbers of two digits are typed with Enter.
_MOST_KEYS = 9


def ask(labelling: ReplyLabelling, items: Sequence[LabelItem]) -> None:
    """Put the items to the person; each answer is written at once, so that leaving loses nothing."""
    at = 0
    before: dict[int, HumanLabel | None] = {}
    while True:
        if at == len(items):
            if _key("that was the last: u undo · q quit", is_line=False) != "u":
                return
            given: tuple[str, str | None] | None = ("u", None)
        else:
            _show(items[at], f"{at + 1} of {len(items)}")
            given = _answer(answers_to(items[at].question))
        if given is None:
            return
        answer, comment = given
        if answer == "u":
            if not at:
                tell("nothing to undo")
                continue
            at -= 1
            if at in before:
                labelling.put_back(items[at], before.pop(at))
            continue
        if answer != "s":
            before[at] = labelling.labels.get(items[at].key)
            labelling.put(items[at], answer, comment)
        at += 1


def _show(item: LabelItem, number: str) -> None:
    question = item.question
    heading, asked = TASKS[question.type]
    say()
    say(styled(f"── {number} ──", sys.stdout, bold=True))
    for name, value in item.inputs.items():
        say_heading(visible(name))
        say_text(as_text(value), indent="  ")
    say_heading("Reply")
    say_text(question.reply, indent="  ")
    if question.text:
        say_heading(heading)
        say_text(question.text, indent="  ")
    say()
    say(styled(asked, sys.stdout, bold=True))
    for answer in answers_to(question):
        say(f"  {styled(answer.key, sys.stdout, fg='cyan')}  {visible(answer.words)}")
    sys.stdout.flush()


def _answer(answers: Sequence[Answer]) -> tuple[str, str | None] | None:
    """Return the answer's name, or `s` or `u`, and a comment; None if the person leaves."""
    comment: str | None = None
    keys = {answer.key: answer.name for answer in answers}
    while True:
        key = _key(" · ".join(f"{each.key} {each.name}" for each in _COMMANDS), is_line=len(keys) > _MOST_KEYS)
        if key in keys:
            tell(keys[key])
            return keys[key], comment
        if key in ("s", "u"):
            return key, None
        if key in ("", "q"):
            return None
        if key == "c":
            comment = _line("comment: ") or None
        else:
            tell(f"`{key}` is no key here; answer {', '.join(keys)}")


def _key(hint: str, *, is_line: bool) -> str:
    """Return the key that the person presses, or types with Enter where a terminal cannot read keys; empty at the end."""
    sys.stderr.write(styled(f"[{hint}] ", sys.stderr, dim=True))
    sys.stderr.flush()
    if is_line or not sys.stdin.isatty():
        return _line("")
    key = _pressed(sys.stdin.fileno())
    sys.stderr.write("\n")
    return key


def _pressed(terminal: int) -> str:
    """Return the key that is pressed at a terminal; `?` for one that is no character, empty for the end of the input."""
    import termios
    import tty

    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)  # what was pressed meanwhile still counts
        text = os.read(terminal, 1024).decode("utf-8", "replace")
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    # An arrow, or what somebody pastes, comes as several characters: none of them is an answer.
    return "" if text in ("", "\x04") else text if len(text) == 1 and text.isprintable() else "?"


def _line(prompt: str) -> str:
    """Return a line that the person types; empty at the end of the input."""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    while line := sys.stdin.readline():
        if text := line.strip():
            return text
        if prompt:
            break
    return ""
