"""Limits of one render, and the account that is kept of it.

Templates come from strangers' forks. What a template does is charged in bytes, roughly those it takes in memory, so
that the same template stops at the same place on every machine; the clock is only the second line. No single
operation may be long: a large value is charged before it is made.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from promptctl.errors import RenderLimitExceeded

MIB = 1 << 20

# Memory of CPython's objects in bytes, rounded up: an empty text, a number, a slot of a list, an entry of a mapping.
TEXT = 56
NUMBER = 32
SLOT = 8
ENTRY = 104

# More digits than any prompt needs, and few enough that arithmetic on them takes no time.
MAX_INTEGER_BITS = 4096


@dataclass(frozen=True, slots=True)
class RenderLimits:
    """Limits of one render, besides what its inputs already take.

    `time_s` is this thread's own time on the processor, so that a busy machine fails no sound template.
    `output_chars` counts the text of all messages; `total_bytes` everything the template makes on the way;
    `value_bytes` any single text or list; `depth` calls of macros, recursive loops and includes within each other.
    """

    time_s: float = 2.0
    output_chars: int = 4 * MIB
    total_bytes: int = 64 * MIB
    value_bytes: int = 8 * MIB
    depth: int = 40


class Budget:
    """Account of one render. Every method raises `RenderLimitExceeded` when a limit is passed.

    `input_chars` widens the limits: a caller with large inputs has paid for them already. `unit` is the most bytes
    that a character of this render may take: 1 if all of its text is ASCII, else 4.
    """

    # The clock is read each time so many bytes were charged.
    STRIDE = 8192

    def __init__(self, limits: RenderLimits, *, input_chars: int = 0, is_ascii: bool = False) -> None:
        self.limits = limits
        self.unit = 1 if is_ascii else 4
        self.max_output = limits.output_chars + 2 * input_chars
        self.max_value = limits.value_bytes + self.unit * input_chars
        self.max_total = limits.total_bytes + 3 * self.unit * input_chars
        self.deadline = time.thread_time() + limits.time_s
        self.spent = 0
        self.depth = 0
        self.left_chars = self.max_output
        self.next_check = self.STRIDE

    def charge(self, amount: int) -> None:
        """Charge this many bytes."""
        self.spent += amount
        if self.spent >= self.next_check:
            self.check()

    def check(self) -> None:
        """Compare with the limits now; called every `STRIDE` bytes."""
        if self.spent > self.max_total:
            raise RenderLimitExceeded(f"the template makes more than {_mib(self.max_total)} of text and lists")
        self.tick()
        self.next_check = self.spent + self.STRIDE

    def tick(self) -> None:
        """Read the clock; called after each operation whose time does not show in what it makes."""
        if time.thread_time() > self.deadline:
            raise RenderLimitExceeded(f"the template takes longer than {self.limits.time_s:g} s")

    def reserve(self, amount: int, what: str) -> None:
        """Charge for one value that is about to be made."""
        if amount > self.max_value:
            raise RenderLimitExceeded(f"{what} makes a value larger than {_mib(self.max_value)}")
        self.charge(amount)

    def reserve_text(self, chars: int, what: str) -> None:
        """Charge for a text of this many characters that is about to be made."""
        self.reserve(TEXT + chars * self.unit, what)

    def join(self, pieces: Iterable[str], what: str, separator: str = "") -> str:
        """Return the pieces as one text; stop taking them as soon as it is too large."""
        texts: list[str] = []
        chars = 0
        for piece in pieces:
            texts.append(piece)
            chars += len(piece) + len(separator)
            self.spent += TEXT
            if self.spent >= self.next_check:
                self.check()
            if chars * self.unit > self.max_value:
                break
        self.reserve_text(chars, what)
        return separator.join(texts)

    def enter(self, what: str) -> None:
        """Go one level deeper; `leave` when done."""
        self.depth += 1
        self.charge(512)
        if self.depth > self.limits.depth:
            raise RenderLimitExceeded(f"{what} is nested more than {self.limits.depth} levels deep")

    def leave(self) -> None:
        """Go one level up again."""
        self.depth -= 1

    def weigh(self, value: Any) -> None:
        """Charge for a value just made, with all it holds, as often as it holds it.

        A list that holds one list twice, and so on, takes little memory and yet all time to print or to compare.
        So whatever a template makes is walked once, here, and is small from then on.
        """
        total = 0
        stack = [value]
        while stack and total <= self.max_value:
            item = stack.pop()
            if isinstance(item, str):
                total += TEXT + len(item) * self.unit
            elif isinstance(item, (list, tuple)):
                total += TEXT + SLOT * len(item)
                stack.extend(item)
            elif isinstance(item, dict):
                total += TEXT + ENTRY * len(item)
                stack.extend(item)
                stack.extend(item.values())
            elif isinstance(item, range):
                total += TEXT + (SLOT + NUMBER) * len(item)
            else:  # a number as it would be printed
                total += NUMBER + (item.bit_length() // 3 if isinstance(item, int) else 0)
        self.reserve(total, "the template")

    def emit(self, pieces: Iterable[str]) -> str:
        """Return pieces of the messages' text as one text; stop taking them as soon as there is too much of it."""
        texts: list[str] = []
        left = self.left_chars
        for piece in pieces:
            texts.append(piece)
            left -= len(piece)
            if left < 0:
                raise RenderLimitExceeded(f"the messages grow larger than {self.max_output:,} characters")
        self.left_chars = left
        return "".join(texts)


def _mib(amount: int) -> str:
    return f"{amount / MIB:.0f} MiB" if amount >= MIB else f"{amount:,} bytes"
