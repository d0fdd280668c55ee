"""The report of an experiment: verdicts, guards, and what makes it void."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import jsonschema
import pytest

from promptctl.experiments.report import ExperimentReport, report
from promptctl.formats.experiment_rules import Guard, Primary
from promptctl.log.arm_calls import ArmCall
from promptctl.reports.experiment import ARM_COLUMNS, GUARD_COLUMNS, arm_rows, guard_rows, sentences, title
from tests.experiments.experiment_calls import GUARDS, RESOLVED, at, call, calls, experiment, judged
from tests.json_schemas import FOLDER


def words(found: ExperimentReport) -> str:
    return "\n".join(sentences(found))


def test_a_better_arm_with_its_guards_kept_may_be_promoted() -> None:
    found = judged(calls({"control": 0.5, "kind": 0.65}, 2_000), guards=GUARDS)
    kind = found.arms[1]
    assert found.verdict == kind.verdict == "better"
    assert kind.difference is not None
    assert kind.difference.low is not None
    assert 0 < kind.difference.low < 0.15 < (kind.difference.high or 0)
    assert [guard.verdict for guard in kind.guards] == ["kept", "kept", "kept"]
    assert found.decision == ("promote", "kind")
    assert found.evidence.startswith("kind better, compared with control: resolved +")
    assert "keys, cost mean kept, errors rate kept, latency p95 kept" in found.evidence
    assert kind.more_keys is None
    assert "`kind` is better than control in resolved" in words(found)
    assert "decided: `kind` may be promoted" in words(found)
    assert title(found) == "tone (support/triage; 2,000 calls, 2,000 keys since 2026-03-01)"


@pytest.mark.parametrize(
    ("rates", "verdict", "decision"),
    [
        ({"control": 0.6, "kind": 0.4}, "worse", ("control", None)),
        ({"control": 0.5, "kind": 0.5}, "no worse", ("control", None)),
    ],
)
def test_a_worse_arm_and_one_without_a_difference_leave_control(
    rates: dict[str, float], verdict: str, decision: tuple[str, None]
) -> None:
    found = judged(calls(rates, 2_500))
    assert (found.verdict, found.decision) == (verdict, decision)
    assert "decided: control stays" in words(found)
    open_yet = replace(
        found, arms=(found.arms[0], replace(found.arms[1], verdict="no worse", is_minimum_excluded=False))
    )
    assert open_yet.decision is None


def test_lower_may_be_the_aim() -> None:
    lower = replace(RESOLVED, direction="lower")
    assert judged(calls({"control": 0.6, "kind": 0.4}, 1_500), primary=lower).verdict == "better"
    assert judged(calls({"control": 0.4, "kind": 0.6}, 1_500), primary=lower).verdict == "worse"


def test_undecided_says_how_many_more_keys_it_takes() -> None:
    early = judged(calls({"control": 0.5, "kind": 0.55}, 300, answered={"control": 0.5, "kind": 0.5}))
    assert (early.verdict, early.decision) == ("undecided", None)
    more = early.arms[1].more_keys
    assert more is not None
    # 1,177 values in all for 10 points of 50 %; half of all keys answer.
    assert 1_800 < more < 2_300
    assert "finding 10 points would take about" in words(early)
    without = judged(calls({"control": 0.5, "kind": 0.55}, 300), primary=replace(RESOLVED, minimum=None))
    assert (without.verdict, without.arms[1].more_keys) == ("undecided", None)


def test_a_user_with_forty_calls_is_one() -> None:
    """Each user is content with all of forty calls, or with none: eighty users, not 3,200 scores."""
    rng, found = random.Random("forty"), []
    for user in range(80):
        score = float(rng.random() < 0.5)
        found += [call(("kind", "control")[user % 2], f"u{user}", 100 * user + at_, score) for at_ in range(40)]
    for window_s in (None, 3600.0):
        one = judged(found, window_s=window_s)
        assert (one.calls, one.keys, sum(arm.values for arm in one.arms)) == (3_200, 80, 80)
        assert one.verdict == "undecided"
    once = judged([each for number, each in enumerate(found) if number % 40 == 0])
    assert judged(found).arms[1].difference == once.arms[1].difference


def test_a_split_that_is_not_as_asked_voids_it() -> None:
    found = judged([call("kind" if n % 20 < 12 else "control", f"k{n}", n, 1.0) for n in range(1_000)])
    assert (found.verdict, found.decision, found.is_decided) == ("void", None, False)
    assert "void: keys are not split 50:50, but 400 on `control`, 600 on `kind`" in words(found)
    assert [row[-1] for row in arm_rows(found)] == ["-", "void"]


def test_outcomes_that_one_arm_misses_void_it() -> None:
    found = judged(calls({"control": 0.5, "kind": 0.9}, 3_000, answered={"control": 0.6, "kind": 0.4}))
    assert found.verdict == "void"
    assert "void: `resolved` is missing more often on one arm" in words(found)
    alike = judged(calls({"control": 0.5, "kind": 0.9}, 3_000, answered={"control": 0.4, "kind": 0.4}))
    assert alike.verdict == "better"


def test_an_arm_that_was_changed_voids_it_in_words() -> None:
    found = list(calls({"control": 0.5, "kind": 0.5}, 400))
    found[200:] = [replace(each, digest="1:other", version=4) if each.arm == "kind" else each for each in found[200:]]
    said = words(judged(found))
    assert "void: the arm `kind` was changed on the way: v3 from 2026-03-01T00:00" in said
    assert ", then v4 from 2026-03-01T00:" in said
    assert "give the experiment a new name, and its keys are drawn anew" in said
    assert "`control` was changed" not in said


def test_an_arm_that_is_gone_voids_it() -> None:
    found = judged([call("odd", "a", 0), *calls({"control": 0.5, "kind": 0.5}, 100)])
    assert "void: 1 key got the arm `odd`, which there is no more" in words(found)


def test_calls_that_fell_back_are_not_counted_and_many_void_it() -> None:
    found = list(calls({"control": 0.5, "kind": 0.5}, 400))
    some = judged([*found, *(call(None, f"f{n}", n) for n in range(3)), call(None, None, 3), call(None, None, 4)])
    assert some.verdict == "undecided"
    assert (some.keys, some.calls) == (400, 405)
    assert "3 calls got the control arm since their own could not be resolved: not counted" in words(some)
    assert "2 calls had no key: not counted" in words(some)
    many = judged([*found, *(call(None, f"f{n}", n) for n in range(9))])
    assert "void: 9 of 409 calls got the control arm since their own arm could not be resolved" in words(many)
    assert judged([*found, call("kind", found[0].arm_key, 9), call("control", found[0].arm_key, 9)]).notes == (
        "1 key changed to another arm: counted by the first",
    )


def test_guards_that_are_broken_or_unknown_hold_an_arm_back() -> None:
    found = list(calls({"control": 0.5, "kind": 0.7}, 2_000))
    dear = [
        replace(each, cost_nano_usd=2 * (each.cost_nano_usd or 0)) if each.arm == "kind" else each for each in found
    ]
    broken = judged(dear, guards=GUARDS)
    assert (broken.verdict, broken.decision) == ("better", ("control", None))
    assert broken.arms[1].guards[0].verdict == "broken"
    assert "its guard `cost mean` is broken" in words(broken)
    unknown = judged([replace(each, cost_nano_usd=None) for each in found], guards=GUARDS[:1])
    assert (unknown.verdict, unknown.decision) == ("better", None)
    assert "its guard `cost mean` is undecided" in words(unknown)
    failing = [
        replace(each, status="error") if each.arm == "kind" and n % 9 == 0 else each for n, each in enumerate(found)
    ]
    assert judged(failing, guards=GUARDS[1:2]).arms[1].guards[0].verdict == "broken"
    slow = [replace(each, latency_ms=3 * (each.latency_ms or 0)) if each.arm == "kind" else each for each in found]
    assert judged(slow, guards=GUARDS[2:]).arms[1].guards[0].verdict == "broken"
    for arms, expected in ((("control", "kind"), ("kept", 0.0)), (("kind",), ("kept", -1.0))):
        costs = [replace(each, cost_nano_usd=0) if each.arm in arms else each for each in found]
        guard = judged(costs, guards=GUARDS[:1]).arms[1].guards[0]
        assert (guard.verdict, guard.difference.value) == expected


@pytest.mark.parametrize("primary", [Primary("cost", "mean", "lower", 0.1), Primary("latency", "mean", "lower", 0.1)])
def test_cost_and_latency_may_decide(primary: Primary) -> None:
    found = list(calls({"control": 0.5, "kind": 0.5}, 3_000))
    assert judged(found, primary=primary).arms[1].verdict == "no worse"
    cheap = [
        replace(each, cost_nano_usd=(each.cost_nano_usd or 0) // 2, latency_ms=(each.latency_ms or 0) / 2)
        if each.arm == "kind"
        else each
        for each in found
    ]
    better = judged(cheap, primary=primary)
    assert better.decision == ("promote", "kind")
    assert better.evidence.startswith(f"kind better, compared with control: {primary.kind} mean -")
    few = judged(found[:500], primary=primary)
    assert few.verdict == "undecided"
    assert 500 < (few.arms[1].more_keys or 0) < 3_000
    none = judged(found[:50], primary=primary)
    assert none.arms[1].difference is not None
    assert (none.arms[1].difference.low, none.arms[1].more_keys) == (None, None)
    assert "[not yet known]" in " ".join(list(arm_rows(none))[1])


def test_p95_may_decide() -> None:
    found = list(calls({"control": 0.5, "kind": 0.5}, 3_000))
    slow = [replace(each, latency_ms=3 * (each.latency_ms or 0)) if each.arm == "kind" else each for each in found]
    primary = Primary("latency", "p95", "lower", 0.1)
    assert judged(slow, primary=primary).verdict == "worse"
    assert judged(found, primary=primary).verdict == "undecided"


def test_arms_share_the_error_and_the_best_is_promoted() -> None:
    shares = {"control": 40, "kind": 30, "brief": 30}
    rng = random.Random("three")
    found = [
        call(arm, f"k{n}", n, float(rng.random() < {"control": 0.5, "kind": 0.6, "brief": 0.7}[arm]))
        for n in range(4_000)
        for arm in rng.choices(list(shares), list(shares.values()))
    ]
    three = report(experiment(shares), found, at(10**6))
    assert [arm.verdict for arm in three.arms] == [None, "better", "better"]
    assert three.decision == ("promote", "brief")
    assert three.as_dict()["confidence"] == 0.975


def test_nothing_has_been_called_yet() -> None:
    empty = judged([], guards=GUARDS)
    assert (empty.verdict, empty.decision, empty.first_at, empty.keys) == ("undecided", None, None, 0)
    assert "`kind` is undecided: `resolved` is not known of any key yet" in words(empty)
    one = judged([call("kind", "a", 0)], guards=GUARDS)
    assert (one.verdict, one.arms[1].keys, one.arms[1].values) == ("undecided", 1, 0)


def test_rows_have_all_columns_and_the_document_is_json() -> None:
    found = judged(calls({"control": 0.5, "kind": 0.6}, 500), guards=GUARDS, hypothesis="Kinder resolves more")
    assert {len(row) for row in arm_rows(found)} == {len(ARM_COLUMNS)}
    assert {len(row) for row in guard_rows(found)} == {len(GUARD_COLUMNS)}
    assert "tone: Kinder resolves more (" in title(found)
    document = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    schema = json.loads((FOLDER / "experiment-report.schema.json").read_text(encoding="utf-8"))
    for each in (found, judged([]), judged(calls({"control": 0.5, "kind": 0.9}, 400))):
        jsonschema.validate(json.loads(json.dumps(each.as_dict())), schema)
    assert document["arms"][0]["difference"] is None
    assert document["primary"] == {"outcome": "resolved", "direction": "higher", "minimum": 0.1, "relative": False}


def test_experiments_without_a_difference_seldom_alarm() -> None:
    """Users come back, feedback comes late, costs have heavy tails, and somebody looks every now and then."""
    alarms, trials = 0, 12
    guards = (Guard("cost", "mean", 0.0), Guard("errors", "rate", 0.0))
    for trial in range(trials):
        found: list[ArmCall] = []
        rng = random.Random(f"aa:{trial}")
        for _ in range(600):
            user = int(rng.paretovariate(0.7)) % 997
            mood = random.Random(f"{trial} {user}").betavariate(0.5, 0.5)
            seconds = rng.uniform(0, 10_000)
            score = float(rng.random() < mood) if rng.random() < 0.6 else None
            each = call(("control", "kind")[hash((trial, user)) % 2], f"u{user}", seconds, score)
            late = {name: at(seconds + rng.expovariate(1 / 900)) for name in each.scores}
            found.append(replace(each, scored_at=late, cost_nano_usd=round(rng.lognormvariate(5, 1.5))))
        for share in (0.3, 0.6, 1.0):
            looked = judged(found[: round(share * len(found))], guards=guards)
            kind = looked.arms[1]
            if looked.voided or kind.verdict in ("better", "worse") or any(g.verdict == "broken" for g in kind.guards):
                alarms += 1
                break
    assert alarms <= 2
