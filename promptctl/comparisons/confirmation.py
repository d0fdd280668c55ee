"""Fresh pairs of flipped cases, and what earlier comparisons of the same content asked already."""

from __future__ import annotations

from dataclasses import dataclass

from promptctl.evaluations.outcomes import CaseStatus
from promptctl.evaluations.plan import ADDED_TO_KEY, comparison_keys
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Store


@dataclass(frozen=True, slots=True)
class Rerun:
    """The fresh pairs of one flipped case: its statuses on base and on head, pair by pair."""

    case_id: str
    base: tuple[CaseStatus, ...] = ()
    head: tuple[CaseStatus, ...] = ()

    @property
    def pairs(self) -> list[int]:
        """The pairs as `flips.Pairs` has them; one with an error says nothing."""
        both = zip(self.base, self.head, strict=True)
        return [(head == "passed") - (base == "passed") for base, head in both if "error" not in (base, head)]


@dataclass(frozen=True, slots=True)
class Earlier:
    """Earlier comparisons of the same content, oldest first, and reruns of flipped cases; each is (base, head).

    One that ended once it was decided is among them. `set_aside` comparisons were made before one that was begun
    afresh, and count no longer.
    """

    comparisons: tuple[tuple[EvaluationRow, EvaluationRow], ...] = ()
    reruns: tuple[tuple[EvaluationRow, EvaluationRow], ...] = ()
    set_aside: int = 0


def find_earlier(log: Store, base: EvaluationRow, head: EvaluationRow) -> Earlier:
    """Return what the log has of earlier comparisons of the same content as that of base and head."""
    keys = comparison_keys(head, base)
    if head.spec.side != "head" or head.spec.comparison not in keys:
        return Earlier()
    digests = dict.fromkeys((base.digest, head.digest))
    found = {
        row.id: row
        for digest in digests
        for row in log.evaluations(digest=digest)
        if row.spec.comparison in keys
        and row.spec.unlike((base if row.spec.drops_unknown_inputs else head).spec).isdisjoint(ADDED_TO_KEY)
    }
    rows = [found[id_] for id_ in sorted(found)]
    heads = [row for row in rows if row.spec.side == "head" and row.id <= head.id]
    since = max((row.id for row in heads if row.spec.afresh), default="")
    bases = {row.group: row for row in rows if row.spec.side == "base"}
    # Both sides of a time of asking begin one after the other; two times may ask the same of the same cases.
    reruns: dict[object, tuple[list[EvaluationRow], list[EvaluationRow]]] = {}
    for row in rows:
        if row.spec.side == "rerun" and row.id >= since:
            asked = (row.group, row.spec.ids, row.spec.repeats)
            reruns.setdefault(asked, ([], []))[not row.spec.drops_unknown_inputs].append(row)
    return Earlier(
        tuple(
            (bases.get(row.group, base), row)
            for row in heads
            if since <= row.id < head.id and (row.status == "finished" or row.totals.stopped == "decided")
        ),
        tuple(
            both for bases_again, heads_again in reruns.values() for both in zip(bases_again, heads_again, strict=False)
        ),
        sum(row.id < since for row in heads),
    )
