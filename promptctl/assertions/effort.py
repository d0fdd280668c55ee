"""Account of what grading one reply to a case may take, and of what its result keeps of the values compared."""

from __future__ import annotations

import time
from typing import Any, Self

from promptctl.assertions.outcome import Ungraded
from promptctl.files.wording import alike_until, as_text
from promptctl.formats.settings_file import DEFAULT_LIMITS

# Nodes that JSONPaths find on their way: a reply of 8 MiB has fewer, and each costs a microsecond.
MAX_FOUND = 500_000
# What a result keeps of each value, in bytes, and of each when all of its values together take more than `_KEPT`.
EXCERPT = 4096
_KEPT, _LEAST = 16 * EXCERPT, 256
# Room for the words that say how much is left out, and for what was equal before.
_WORDS, _BEFORE = 96, 512
_STRIDE = 64
_TOO_DEEP = "(nested too deeply to be shown)"
_HARD_CASES, _EACH_S = 30, 0.005
_RAISE = "raise `limits: {grading_s: …}` in promptctl.yaml if it may"
# At worst RE2's time is the product of the text's length and the expression's.
_RE2_STEPS_PER_S = 150_000_000
_LARGE_PATTERN = 1_000


class Total:
    """The time that the replies of one evaluation have together: that of some hard cases, and a little for each."""

    def __init__(self, limit_s: float = DEFAULT_LIMITS.grading_s) -> None:
        self.left_s = _HARD_CASES * limit_s
        self.said = f"{self.left_s:g} s of the processor and {_EACH_S * 1000:g} ms for each"

    def take(self, limit_s: float) -> float:
        """Return the seconds that one reply more has, and count the little that each has."""
        self.left_s += _EACH_S
        return min(limit_s, max(_EACH_S, self.left_s))


class Effort:
    """Account of one reply's grading, that all assertions of the case share.

    Work is done within `with effort:`, and its time is this thread's own on the processor: neither a busy machine nor
    a slow judge fails a sound case. `tick`, `step` and `afford` raise `Ungraded` when a limit is passed.
    """

    def __init__(self, limit_s: float = DEFAULT_LIMITS.grading_s, total: Total | None = None) -> None:
        self._limit_s = limit_s
        self._total = total or Total(limit_s)
        self._given_s = self._left_s = self._total.take(limit_s)
        self._deadline = 0.0
        self._depth = self._found = 0
        self._kept = 0

    def __enter__(self) -> Self:
        if not self._depth:
            self._deadline = time.thread_time() + self._left_s
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            left_s = self._deadline - time.thread_time()
            self._total.left_s -= self._left_s - left_s
            self._left_s = left_s

    @property
    def left_s(self) -> float:
        """The seconds that are left."""
        return self._deadline - time.thread_time() if self._depth else self._left_s

    def tick(self) -> None:
        """Read the clock."""
        if self.left_s <= 0:
            raise self._refused("takes")

    def step(self) -> None:
        """Count one node that a path finds, or one item that it looks at."""
        self._found += 1
        if self._found > MAX_FOUND:
            raise Ungraded(f"the paths of the case's assertions find more than {MAX_FOUND:,} values")
        if not self._found % _STRIDE:
            self.tick()

    def afford(self, seconds: float) -> None:
        """Refuse an operation that nothing can interrupt, and that may take so long."""
        if seconds > self.left_s:
            raise self._refused("may take")

    def afford_search(self, expression: Any, text: str) -> None:
        """Refuse a search with a compiled expression of RE2 that may take too long."""
        try:
            self.afford(len(text) * expression.programsize / _RE2_STEPS_PER_S)
        except Ungraded as error:
            if expression.programsize < _LARGE_PATTERN:
                raise
            raise Ungraded(f"{error}, or write `+` or `*` in its pattern for a count such as `{{1,500}}`") from None

    def _refused(self, takes: str) -> Ungraded:
        if self._given_s < self._limit_s:
            return Ungraded(f"grading the evaluation's replies {takes} longer than {self._total.said}; {_RAISE}")
        return Ungraded(f"grading the case {takes} longer than {self._limit_s:g} s of the processor; {_RAISE}")

    def excerpts(self, expected: Any, got: Any) -> tuple[Any, Any]:
        """Return what is kept of two compared values: small ones whole, of others the text around a difference."""
        texts = [_text(value) if isinstance(value, str | list | tuple | dict) else None for value in (expected, got)]
        expected, got = (
            text if text is _TOO_DEEP else value for value, text in zip((expected, got), texts, strict=True)
        )
        given = [text for text in texts if text is not None]
        most = self._most(sum(len(text) for text in given))
        if all(len(text) * 4 <= most or _size(text) <= most for text in given):
            return expected, got
        apart = alike_until(*given) if len(given) == 2 else 0
        start = apart - _BEFORE if apart > most // 2 else 0
        wanted, came = (
            value if text is None or _size(text) <= most else _excerpt(text, start, most)
            for value, text in zip((expected, got), texts, strict=True)
        )
        return wanted, came

    def sentence(self, text: str) -> str:
        """Return what is kept of a reason."""
        most = self._most(len(text))
        return text if len(text) * 4 <= most or _size(text) <= most else _excerpt(text, 0, most)

    def _most(self, wanted: int) -> int:
        most = EXCERPT if self._kept < _KEPT else _LEAST
        self._kept += min(wanted, 2 * most)
        return most


def _text(value: Any) -> str:
    try:
        return as_text(value)
    except RecursionError:
        return _TOO_DEEP
    except (TypeError, ValueError):  # the value of a user's own code, or one of a shape that JSON has no word for
        return str(value)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _excerpt(text: str, start: int, most: int) -> str:
    """Return the text from a character on, cut to so many bytes, with words for how much is left out.

    >>> _excerpt("x" * 200, 0, 100)
    'xxxx… (196 characters left out)'
    """
    start = min(start, max(0, len(text) - 1))
    kept = text[start : start + most].encode("utf-8", "replace")[: most - _WORDS].decode("utf-8", "ignore")
    before = f"({start:,} characters left out) …" if start else ""
    left = len(text) - start - len(kept)
    return f"{before}{kept}" + (f"… ({left:,} characters left out)" if left else "")
