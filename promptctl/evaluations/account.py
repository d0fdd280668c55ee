"""The one account of a session's money."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Line:
    """Cost of the cases of one plan so far, as if each was asked."""

    cost_nano_usd: int = 0
    known: int = 0
    open: int = 0  # under way: each is taken to cost the average

    @property
    def average(self) -> float | None:
        return self.cost_nano_usd / self.known if self.known else None


class Account:
    """Admits cases while their cost, as far as it can be foreseen, stays within the bound; all of them without one.

    A case is expected to cost the average of its plan so far, or of all plans if its own has no result yet. One whose
    cost nobody can tell is taken to have cost what the dearest did. One for which nothing was asked, as its replies
    were reused or it failed before, says nothing about the next.
    """

    def __init__(self, max_nano_usd: int | None = None) -> None:
        self.spent_nano_usd = 0
        self._max = max_nano_usd
        self._all = _Line()
        self._lines: dict[str, _Line] = {}
        self._foreseen = 0.0  # for open cases of plans with an average of their own
        self._unforeseen = 0  # open cases of the others
        self._dearest = 0
        self._untold = 0
        self._has_untold = False

    @property
    def is_blind(self) -> bool:
        """True while there is a bound and no case has told what one costs."""
        return self._max is not None and not self._all.known

    @property
    def is_boundless(self) -> bool:
        """True if there is a bound that cannot be kept: nobody can tell what a case has cost, even by another's."""
        return self._has_untold and not self._dearest

    def admits(self, plan: str) -> bool:
        """Return True and count one more case of a plan as under way, or False if it could pass the bound."""
        if self._max is None:
            return True
        line = self._lines.setdefault(plan, _Line())
        average = self._all.average or 0.0
        expected = average if line.average is None else line.average
        committed = self.spent_nano_usd + self._untold + self._foreseen + average * self._unforeseen
        if self.spent_nano_usd >= self._max or committed + expected > self._max:
            return False
        self._change(line, opened=1)
        return True

    def settle(self, plan: str, cost_nano_usd: int | None, saved_nano_usd: int = 0, *, is_asked: bool = True) -> None:
        """Count what an admitted case has cost; None if nobody can tell.

        `saved_nano_usd` is what it would have cost more without reused replies. It is not `is_asked` if nothing was.
        """
        self.spent_nano_usd += cost_nano_usd or 0
        if self._max is None:
            return
        if cost_nano_usd is None:
            self._has_untold = True
            self._untold += self._dearest
        told = cost_nano_usd + saved_nano_usd if is_asked and cost_nano_usd is not None else None
        if told is not None:
            self._dearest = max(self._dearest, told)
            self._all.cost_nano_usd += told
            self._all.known += 1
        self._change(self._lines[plan], opened=-1, cost_nano_usd=told)

    def _change(self, line: _Line, *, opened: int, cost_nano_usd: int | None = None) -> None:
        self._weigh(line, -1)
        line.open += opened
        if cost_nano_usd is not None:
            line.cost_nano_usd += cost_nano_usd
            line.known += 1
        self._weigh(line, 1)

    def _weigh(self, line: _Line, sign: int) -> None:
        if line.average is None:
            self._unforeseen += sign * line.open
        else:
            self._foreseen += sign * line.open * line.average
