"""The one account of a session's money."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Line:
    """Cost of the cases of one plan so far."""

    cost_nano_usd: int = 0
    known: int = 0
    open: int = 0  # under way: each is taken to cost the average

    @property
    def average(self) -> float | None:
        return self.cost_nano_usd / self.known if self.known else None


class Account:
    """Admits cases while their cost, as far as it can be foreseen, stays within the bound; all of them without one.

    A case is expected to cost the average of its plan so far, or of all plans if its own has no result yet. One whose
    cost nobody can tell is taken to have cost what the dearest did.
    """

    def __init__(self, max_nano_usd: int | None = None) -> None:
        self.spent_nano_usd = 0
        self._max = max_nano_usd
        self._known = 0
        self._lines: dict[str, _Line] = {}
        self._foreseen = 0.0  # for open cases of plans with an average of their own
        self._unforeseen = 0  # open cases of the others
        self._dearest = 0
        self._untold = 0

    @property
    def is_blind(self) -> bool:
        """True while there is a bound and no case has told what one costs."""
        return self._max is not None and not self._known

    def admits(self, plan: str) -> bool:
        """Return True and count one more case of a plan as under way, or False if it could pass the bound."""
        if self._max is None:
            return True
        line = self._lines.setdefault(plan, _Line())
        average = self.spent_nano_usd / self._known if self._known else 0.0
        expected = average if line.average is None else line.average
        committed = self.spent_nano_usd + self._untold + self._foreseen + average * self._unforeseen
        if self.spent_nano_usd >= self._max or committed + expected > self._max:
            return False
        self._change(line, opened=1)
        return True

    def settle(self, plan: str, cost_nano_usd: int | None) -> None:
        """Count what an admitted case has cost; None if nobody can tell."""
        self.spent_nano_usd += cost_nano_usd or 0
        if self._max is None:
            return
        if cost_nano_usd is None:
            self._untold += self._dearest
        else:
            self._known += 1
            self._dearest = max(self._dearest, cost_nano_usd)
        self._change(self._lines[plan], opened=-1, cost_nano_usd=cost_nano_usd)

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
