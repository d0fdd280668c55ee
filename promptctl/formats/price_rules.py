"""`prices:` of `promptctl.yaml`: where each price stands, and days that do not tell the prices of a glob apart."""

from __future__ import annotations

from datetime import date

from promptctl.errors import Place, Problem, printable
from promptctl.files.document import Document


def read_price_places(document: Document, problems: list[Problem]) -> dict[str, list[Place]]:
    """Return the places of the prices by glob, of a document that has the form of settings.

    Days that no calendar has, and prices of a glob that begin on the same day, are added to `problems`.
    """
    places: dict[str, list[Place]] = {}
    for pattern, given in document.data["prices"].items():
        days: set[str | None] = set()
        for index, price in enumerate(given if isinstance(given, list) else [given]):
            keys = ("prices", pattern, index) if isinstance(given, list) else ("prices", pattern)
            places.setdefault(pattern, []).append(document.key_place(*keys))
            day = price.get("from")
            if day is not None and not _is_day(day):
                message, place = f"`{printable(day)}` is no day of the calendar", document.place(*keys, "from")
                problems.append(Problem(message, place, "write YYYY-MM-DD, such as 2026-06-01", "date"))
            if day in days:
                when = "have no `from`" if day is None else f"begin on {printable(day)}"
                message, place = f"two prices of `{printable(pattern)}` {when}", document.place(*keys)
                problems.append(Problem(message, place, "give each a day of its own in `from`", "contradiction"))
            days.add(day)
    return places


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
