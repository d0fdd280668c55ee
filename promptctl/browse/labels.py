"""A label's history: who let it name which version, when, why, and on what evidence."""

from __future__ import annotations

import re

from promptctl.browse.views import PageRequest, View

# Evidence can also be an experiment, or words of whoever moved the label.
_EVALUATION = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}\b")


def label(request: PageRequest) -> View:
    """Return every move of a label, newest first, as far as this clone knows: no remote is asked."""
    name = request.needed("name")
    history = request.workspace.labels.log_here(name)
    events = history.events[::-1]
    values = {
        "name": name,
        "moves": list(zip(events, (*events[1:], None), strict=True)),
        "problems": history.problems,
        "now": events[0] if events else None,
        "evaluations": {event.evaluation: _EVALUATION.match(event.evaluation) for event in events},
    }
    return View("label.html", name, values)
