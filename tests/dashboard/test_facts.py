"""Facts stay as few as a page can hold, and what is merged keeps every number."""

from __future__ import annotations

from promptctl.dashboard.facts import LIMITS, Fact, FactKey, FactTable, Names, columns, fact_tables
from promptctl.dashboard.time_axis import TimeAxis, moment_text
from promptctl.log.call_cells import CallCells, CellKey, CellSums

DAY = 86_400
FEW = LIMITS._replace(facts=500)


def many() -> CallCells:
    """2,100 cells of 60 days, 700 prompts and 25 models, each prompt with calls of its own number."""
    cells: dict[str, dict[CellKey, CellSums]] = {}
    for number in range(2_100):
        key = CellKey(
            f"p{number % 700}", f"v{number % 7}", None, f"m{number % 25}", "api", "ok", False, "model", None, "u"
        )
        sums = CellSums(1 + number % 700, 1, 2, 3, 4, 5, 6, {number % 90: 1})
        cells.setdefault(moment_text(1_777_593_600 + number % 59 * DAY)[:10], {})[key] = sums
    return CallCells(cells=cells)


def axis() -> TimeAxis:
    return TimeAxis.over(1_777_593_600, 1_777_593_600 + 60 * DAY, DAY)


def test_merged_facts_keep_every_number() -> None:
    whole, _ = fact_tables(many(), axis())
    table, users = fact_tables(many(), axis())
    table = table.narrowed(FEW)

    assert len(table.facts) <= 500 < len(whole.facts)
    assert table.axis.words == "2 days"
    for name in ("calls", "attempts", "cost_nano_usd", "unpriced"):
        assert sum(fact[name] for fact in table.facts.values()) == sum(fact[name] for fact in whole.facts.values())
    latencies = [sum(sum(fact.latencies.values()) for fact in each.facts.values()) for each in (table, whole)]
    assert latencies == [2_100, 2_100]
    assert len(table.rests["prompt"]) == 700 - 15
    assert {key.who for key in users.facts} == {"u"}


def test_the_prompts_with_most_calls_keep_their_names() -> None:
    table, _ = fact_tables(many(), axis())
    table = table.narrowed(FEW)

    assert {"p699", "p698"} <= {key.prompt for key in table.facts}
    assert "p0" not in {key.prompt for key in table.facts}


def test_columns_tell_each_count_once_however_coarse_it_is() -> None:
    table, _ = fact_tables(many(), axis())
    names = {
        "prompt": Names((key.prompt for key in table.facts), "others"),
        "version": Names((key.who for key in table.facts), "others"),
        "label": Names([None], "others"),
        "model": Names((key.model for key in table.facts), "others"),
        "source": Names(["api"], "others"),
        "error": Names([], "others"),
    }

    found = columns(table, axis(), "version", names)

    assert found["rows"] == len(table.facts) == len(found["latency"]["first"])
    told = dict(enumerate(zip(found["latency"]["first"], found["latency"]["counts"], strict=True)))
    [row] = [row for row, (first, _) in told.items() if first == 89][:1]
    assert told[row] == (89, "1")
    assert names["version"].words == [f"v{number}" for number in range(7)]
    assert found["failures"] == {"row": [], "error": [], "count": []}


def test_no_more_than_a_chart_can_show_are_the_buckets_of_an_axis() -> None:
    for days in (0.5, 3, 14, 90, 400, 4_000):
        axes = list(TimeAxis.over(1_777_593_600, 1_777_593_600 + days * DAY, 900).wider())
        assert all(found.index(1_777_593_600) == 0 for found in axes)
        assert all(found.index(1_777_593_600 + days * DAY) == found.count - 1 <= 120 for found in axes)
        assert all(found.starts()[-1] < moment_text(found.end) for found in axes)


def test_a_fact_of_a_blocked_attempt_after_others_is_no_call() -> None:
    fact = Fact()
    key = CellKey("p", None, None, "m", "api", "blocked", True, "model", "budget", None)
    fact.count(key, CellSums(attempts=2))

    assert (fact["attempts"], fact["calls"], fact["blocked"], fact["retries"]) == (2, 0, 0, 0)
    assert fact.failures == {"budget": 2}
    table = FactTable(axis(), {FactKey(0, "p", None, None, "m", "api"): fact})
    assert table.narrowed(FEW).facts == table.facts
