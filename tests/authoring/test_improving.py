"""A prompt is improved on some cases, and what is claimed of it is shown on others."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from promptctl import Improvement, ImprovementRequest
from promptctl.authoring.evolution import Grade, Ground, evolve
from promptctl.authoring.improvement import Evidence
from promptctl.authoring.improving import Improving
from promptctl.authoring.trials import look_number
from promptctl.datasets.cases import Case
from promptctl.datasets.splitting import CHOOSE, HELD_OUT, TRAIN, Split
from promptctl.errors import (
    AuthenticationFailed,
    ModelConfigurationError,
    Place,
    PromptctlError,
    UsageError,
    WorkspaceError,
)
from promptctl.evaluations.request import Limits
from promptctl.evaluations.session import Session
from promptctl.statistics.metric import Procedure, compare_metric
from promptctl.statistics.multiplicity import spent
from tests.evaluation_lab import Lab
from tests.openai_server import Answer, Exchange, failure, reply

PROMPT = """\
# Who greets.
name: Greet
inputs:
  name: {type: string}
messages:
  - role: system
    content: |
      You greet people.
  - {role: user, content: "{{ name }}"}
"""
# Parts of the split that is drawn: 6, 5 and 6 of these.
CASES = [f"visitor number {n} of the day" for n in range(17)]
FIRST_LOOK = Procedure(alpha=spent(0.05, 1))
# Requests of a search whose first edit is the best: on 6 and 5, an edit, that on 4 and 5, and 6 on both sides.
REQUESTS = 33


def edit(text: str) -> str:
    return json.dumps({"reason": "The replies lack a word.", "text": text})


def answering(rewards: Callable[[str, str], bool], *edits: str | Answer) -> Answer:
    """Reply `dear` where the system message earns it for that name; asked for an edit, the next of these."""
    left = list(edits)

    async def answer(exchange: Exchange) -> None:
        first, *_, last = (message["content"] for message in exchange.request.body["messages"])
        if not first.startswith("You improve prompts"):
            await reply("hello dear" if rewards(first, last) else "hello")(exchange)
            return
        chosen = left.pop(0) if len(left) > 1 else left[0]
        await (reply(chosen) if isinstance(chosen, str) else chosen)(exchange)

    return answer


def is_kind(system: str, _name: str) -> bool:
    return "be kind" in system


@pytest.fixture
def desk(lab: Lab) -> Lab:
    lab.write("prompts/greet.prompt.yaml", PROMPT)
    wanted = [{"type": "contains", "value": "dear"}]
    lab.cases(
        *({"id": f"c{n}", "inputs": {"name": name}, "assert": wanted} for n, name in enumerate(CASES)),
        name="greet",
        prompts=["greet"],
    )
    return lab


def improve(lab: Lab, on_step: Callable[[str], object] | None = None, **request: Any) -> Improvement:
    wanted = ImprovementRequest(**{"ref": "greet", "dataset": "greet", "rounds": 3, **request})
    with lab.open() as workspace:
        return workspace.authoring.improve(wanted, None, on_step)


def files(lab: Lab) -> dict[str, str]:
    return {path: (lab.root / path).read_text() for path in ("prompts/greet.prompt.yaml", "datasets/greet.yaml")}


def written(lab: Lab) -> list[Mapping[str, Any]]:
    """The requests for an edit."""
    bodies = [request.body for request in lab.server.requests]
    return [body for body in bodies if body["messages"][0]["content"].startswith("You improve prompts")]


def test_a_planted_phrase_is_found_and_proven_on_cases_that_no_model_wrote_from(desk: Lab) -> None:
    desk.server.default = answering(is_kind, edit("You greet people. Above all, be kind.\n"))
    before, steps = files(desk), list[str]()
    found = improve(desk, steps.append)
    assert (found.verdict, found.best, found.exit_code, found.rounds) == ("better", 1, 0, 1)
    assert steps == ["as it is", "round 1 of 3", "judging"]
    assert found.evidence is not None
    numbers = found.evidence
    assert (numbers.cases, numbers.before, numbers.after, numbers.p) == (found.cases[2], 0, 6, 1.5 * 2**-6)
    assert 0 < numbers.low < numbers.difference == numbers.high == 1
    assert found.candidates[1].edited == ("message 1 (system)",)
    assert (found.calls, len(desk.server.requests)) == (REQUESTS, REQUESTS)
    assert found.cost_nano_usd == REQUESTS * 15_000
    assert files(desk) == before
    with desk.open() as workspace:
        dataset = workspace.datasets.cases("greet")
        held_out = {str(case.inputs["name"]) for case in dataset.cases if case.id in _ids(desk, found, "after")}
        (call,) = (each for each in workspace.log.executions() if each.prompt == "authoring/improve")
        workspace.write(found.proposal)
    assert len(held_out) == 6
    assert not [name for name in held_out if name in json.dumps(written(desk)[0])]
    assert call.call_metadata["command"] == "improve"
    after = files(desk)
    assert after["prompts/greet.prompt.yaml"] == PROMPT.replace("people.\n", "people. Above all, be kind.\n")
    assert f"split: {{seed: {found.split_seed}}}" in after["datasets/greet.yaml"]
    with desk.open() as workspace:
        again = asyncio.run(workspace.authoring.aimprove(ImprovementRequest(ref="greet", dataset="greet")))
    assert (again.verdict, again.split_seed) == ("not-shown", found.split_seed)
    assert "nothing to learn" in again.reason
    assert again.proposal.is_empty


def _ids(lab: Lab, found: Improvement, side: str) -> set[str]:
    assert found.evidence is not None
    evaluation = dict(zip(("before", "after"), found.evidence.evaluations, strict=True))[side]
    with lab.open() as workspace:
        return set(workspace.results.evaluation(evaluation).row.spec.ids or ())


def test_an_edit_that_helps_the_cases_it_was_made_for_alone_is_not_called_better(desk: Lab) -> None:
    with desk.open() as workspace:
        planned = Improving(workspace.context.fresh(), ImprovementRequest(ref="greet", dataset="greet"))
    held_out = {case.inputs["name"] for case in planned.parts["held_out"]}
    desk.server.default = answering(
        lambda system, name: is_kind(system, name) and name not in held_out, edit("You greet people. Always be kind.\n")
    )
    found = improve(desk)
    assert (found.verdict, found.best, found.exit_code) == ("not-shown", 1, 0)
    assert "of 6 held-out cases 0 passed before and 0 after (+0 points" in found.reason
    assert "5 must improve, and none get worse" in found.reason
    assert [change.path for change in found.proposal.changes] == ["datasets/greet.yaml"]


def test_where_the_prompt_passes_what_is_chosen_by_there_is_nothing_to_choose(desk: Lab) -> None:
    with desk.open() as workspace:
        planned = Improving(workspace.context.fresh(), ImprovementRequest(ref="greet", dataset="greet"))
    easy = {case.inputs["name"] for case in planned.parts["choose"]}
    desk.server.default = answering(lambda _, name: name in easy, edit("Never asked for."))
    found = improve(desk)
    assert (found.verdict, found.rounds, found.calls) == ("not-shown", 0, 6 + 5)
    assert found.reason == "the prompt passes all of its 5 cases to choose by: none can do better"


def test_a_prompt_that_cannot_be_tried_is_not_known(desk: Lab) -> None:
    desk.server.default = failure(400)
    found = improve(desk)
    assert (found.verdict, found.exit_code, len(desk.server.requests)) == ("unknown", 5, 6)
    assert found.reason.startswith("6 cases to learn from could not be graded: ")


def test_a_second_look_at_the_same_cases_costs_more(desk: Lab) -> None:
    lucky = set(CASES[:12])
    desk.server.default = answering(
        lambda system, name: is_kind(system, name) and name in lucky, edit("You greet people. Please be kind.\n")
    )
    first = improve(desk, rounds=1)
    desk.server.default = answering(
        lambda system, name: is_kind(system, name) and name in lucky, edit("You greet people. Do be kind.\n")
    )
    second = improve(desk, rounds=1, writer="local/other", seed=first.split_seed, limits=Limits(concurrency=4))
    assert first.evidence is not None
    assert second.evidence is not None
    assert (first.evidence.looks, second.evidence.looks) == (1, 2)
    assert second.evidence.p == 4 * first.evidence.p
    assert "2 candidates were judged on these cases so far" in second.reason


def test_nonsense_is_asked_for_again_and_then_no_candidate(desk: Lab) -> None:
    desk.server.default = answering(
        is_kind, "I would rather not.", edit("You greet people."), edit("Greet {{ names }}.")
    )
    found = improve(desk, rounds=1)
    assert (found.verdict, found.refused, len(found.candidates)) == ("not-shown", 1, 1)
    assert found.reason == "no candidate did better on the cases to choose by than the prompt as it is"
    first, second, third = (
        body["messages"] for body in written(desk)
    )  # `output.retries` of the prompt that ships is 2
    assert len(first) == 2
    assert "not JSON" in second[-1]["content"]
    assert "`text` is the part as it is" in third[-1]["content"]
    assert found.evidence is None


def test_an_edit_that_is_mended_counts(desk: Lab) -> None:
    desk.server.default = answering(is_kind, "no", edit("Be {{ kind }}."), edit("You greet people; be kind."))
    assert improve(desk).verdict == "better"
    assert len(written(desk)) == 3


def test_the_writer_sees_what_fails_and_one_case_that_must_go_on_passing(desk: Lab) -> None:
    always = set(CASES[::2])
    desk.server.default = answering(lambda _, name: name in always, edit("Greet."))
    improve(desk, rounds=1)
    (asked,) = written(desk)
    shown = asked["messages"][-1]["content"]
    assert (shown.count('passed="yes"'), shown.count('passed="no"')) == (1, 3)
    assert shown.count("what is wrong: contains: ") == 3
    assert "Its variables: name" in shown
    assert "<part-" in shown


def test_what_is_sensitive_reaches_no_writer(desk: Lab) -> None:
    desk.write("prompts/greet.prompt.yaml", PROMPT.replace("{type: string}", "{type: string, sensitive: true}"))
    echoing = answering(is_kind, edit("You greet people. Yet be kind.\n"))

    async def answer(exchange: Exchange) -> None:
        messages = exchange.request.body["messages"]
        is_edit = messages[0]["content"].startswith("You improve prompts")
        kind = "dear " if is_kind(messages[0]["content"], "") else ""
        await (echoing if is_edit else reply(f"hello {kind}{messages[-1]['content']}"))(exchange)

    desk.server.default = answer
    found = improve(desk)
    assert found.verdict == "better"
    (asked,) = written(desk)
    assert "visitor number" not in json.dumps(asked)
    assert "[sensitive" in json.dumps(asked)


def test_the_limit_on_the_cost_holds_and_the_same_command_goes_on(desk: Lab) -> None:
    desk.write("prompts/greet.prompt.yaml", PROMPT + "parameters: {max_tokens: 10}\n")
    desk.server.default = answering(is_kind, edit("You greet people. Just be kind.\n"))
    assert improve(desk, limits=Limits(max_cost_nano_usd=60_000, concurrency=1)).stopped == "max-cost"
    poor = improve(desk, limits=Limits(max_cost_nano_usd=300_000, concurrency=1))
    assert (poor.verdict, poor.exit_code, poor.stopped, poor.evidence) == ("unknown", 5, "max-cost", None)
    assert poor.cost_nano_usd <= 300_000
    sent = len(desk.server.requests)
    rich = improve(desk)
    assert (rich.verdict, rich.best) == ("better", 1)
    assert len(desk.server.requests) == REQUESTS
    assert rich.calls == REQUESTS - sent
    with desk.open() as workspace:
        assert workspace.context.log.evaluations(has_gaps=True) == [], "what was left off was taken up"


def test_what_judging_takes_is_kept_back(desk: Lab) -> None:
    desk.write("prompts/greet.prompt.yaml", PROMPT + "parameters: {max_tokens: 10}\n")
    desk.write(
        "prompts/authoring/improve.prompt.yaml",
        "inputs: {text: {type: string}}\nparameters: {max_tokens: 100}\nmessages:\n"
        "  - {role: system, content: You improve prompts.}\n  - {role: user, content: '{{ text }}'}\n"
        "output: {schema: {type: object, required: [text]}}\n",
    )
    with desk.open() as workspace:
        planned = Improving(workspace.context.fresh(), ImprovementRequest(ref="greet", dataset="greet"))
    never = {planned.parts[part][0].inputs["name"] for part in ("train", "choose")}
    others = (edit(f"Greet in manner {n}.\n") for n in range(20))
    desk.server.default = answering(
        lambda system, name: is_kind(system, name) and name not in never,
        edit("You greet people. Then be kind.\n"),
        *others,
    )
    found = improve(desk, rounds=20, limits=Limits(max_cost_nano_usd=1_500_000, concurrency=1))
    assert (found.stopped, found.verdict, found.exit_code) == ("max-cost", "better", 0), found.reason
    assert 2 < found.rounds < 20
    assert found.cost_nano_usd < 1_500_000


def test_what_was_stopped_keeps_the_best_so_far_and_goes_on(desk: Lab) -> None:
    # Never all cases to choose by pass, so that the search goes on to its last round.
    answer = answering(
        lambda system, name: is_kind(system, name) and name not in CASES[:5], edit("You greet. Always be kind.\n")
    )
    desk.server.default = answer
    request = ImprovementRequest(ref="greet", dataset="greet", rounds=3)

    async def interrupted() -> Improvement:
        with desk.open() as workspace:
            context = workspace.context.fresh()
            planned, session = Improving(context, request), Session(context, request.limits)
            async with session:
                return await planned.run(session, lambda step: session.stop() if step == "round 2 of 3" else None)

    found = asyncio.run(interrupted())
    assert (found.verdict, found.stopped, found.best, found.rounds) == ("unknown", "interrupted", 1, 1)
    assert found.reason == "the best candidate so far was not tried on the held-out cases"
    assert [change.path for change in found.proposal.changes] == ["prompts/greet.prompt.yaml", "datasets/greet.yaml"]
    sent = len(desk.server.requests)
    desk.server.default = answering(lambda *_: True, edit("Never asked again."))
    whole = improve(desk, rounds=1)
    assert (whole.best, whole.evidence is not None) == (1, True)
    assert len(desk.server.requests) - sent == 2 * 6  # the held-out cases alone


def test_a_writer_that_fails_for_good_is_said_and_asked_no_more(desk: Lab) -> None:
    desk.server.default = answering(is_kind, failure(401))
    with pytest.raises(AuthenticationFailed):
        improve(desk)
    assert len(written(desk)) == 1


def test_a_candidate_that_breaks_what_must_pass_is_none(desk: Lab) -> None:
    wanted = [{"type": "contains", "value": "dear"}]
    desk.cases(
        *(
            {"id": f"c{n}", "inputs": {"name": name}, "assert": wanted, "must_pass": True}
            for n, name in enumerate(CASES)
        ),
        name="greet",
        prompts=["greet"],
    )
    with desk.open() as workspace:
        planned = Improving(workspace.context.fresh(), ImprovementRequest(ref="greet", dataset="greet"))
    one = planned.parts["held_out"][0]
    desk.server.default = answering(
        lambda system, name: is_kind(system, name) != (name == one.inputs["name"]), edit("Hello, be kind.\n")
    )
    found = improve(desk)
    assert (found.verdict, found.reason) == ("not-shown", f"the best candidate breaks what must pass: {one.id}")


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        ({"ref": "gret"}, PromptctlError, "there is no prompt `gret`"),
        ({"dataset": "triage"}, WorkspaceError, "datasets/triage.yaml does not test greet"),
        ({"dataset": "few"}, WorkspaceError, "datasets/few.yaml is too small to split: it has 4 cases"),
        ({"dataset": "shrunk"}, WorkspaceError, "the part `held_out` has 3 cases that can tell, and 5 are needed"),
        ({"dataset": "rows.jsonl"}, WorkspaceError, "datasets/rows.jsonl does not test greet"),
        ({"writer": "echo/echo"}, ModelConfigurationError, "echo/echo cannot write"),
        ({"rounds": 0}, UsageError, "`rounds` is 1 at least"),
    ],
)
def test_what_cannot_be_improved_is_said_before_anything_is_asked(
    desk: Lab, request_: dict[str, Any], error: type[PromptctlError], message: str
) -> None:
    desk.many(30)
    few = [{"id": f"c{n}", "inputs": {"name": f"{n}"}, "expected": "x"} for n in range(11)]
    desk.cases(*few[:4], name="few", prompts=["greet"])
    desk.cases(*few, name="shrunk", prompts=["greet"], split={"seed": 2})
    desk.write("datasets/rows.jsonl", "".join(json.dumps(case) + "\n" for case in few))
    with pytest.raises(error, match=message):
        improve(desk, **request_)
    assert not desk.server.requests


def test_without_the_library_the_extra_is_named(desk: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gepa", None)
    with pytest.raises(UsageError) as raised:
        improve(desk)
    assert raised.value.hint == "pip install 'promptctl-git[improve]'"


def test_the_estimate_bounds_what_is_asked(desk: Lab) -> None:
    desk.server.default = answering(lambda *_: False, *(edit(f"Greet in manner {n}.") for n in range(9)))
    with desk.open() as workspace:
        request = ImprovementRequest(ref="greet", dataset="greet", rounds=3)
        search, judging, edits = workspace.authoring.estimate_improvement(request)
    assert not desk.server.requests
    assert (search.calls, judging.calls, edits.calls) == (6 + 5 + 3 * (8 + 5), 12, 3)
    found = improve(desk)
    assert found.verdict == "not-shown"
    assert found.calls == 6 + 5 + 3 * (4 + 1)  # the prompt as it is was asked once, and no edit was kept


class Chance:
    """A task without signal: each reply passes by chance, whatever the prompt says."""

    def __init__(self, seed: int, rate: float, rounds: int) -> None:
        self._seed, self._rate, self._rounds = seed, rate, rounds
        self.kept: list[tuple[float, Mapping[str, str]]] = []

    def passes(self, texts: Mapping[str, str], id_: str) -> bool:
        return random.Random(f"{self._seed}:{sorted(texts.items())}:{id_}").random() < self._rate

    def grade(self, texts: Mapping[str, str], ids: Sequence[str]) -> list[Grade]:
        passed = [self.passes(texts, id_) for id_ in ids]
        return [Grade(id_, float(each), each, {}) for id_, each in zip(ids, passed, strict=True)]

    def edit(self, texts: Mapping[str, str], name: str, graded: Sequence[Grade]) -> str | None:
        return f"{texts[name]}+{len(self.kept)}.{sum(each.has_passed for each in graded)}"

    def begin_round(self, number: int) -> bool:
        return number <= self._rounds

    def keep(self, texts: Mapping[str, str], parents: Sequence[int]) -> None:
        score = sum(self.passes(texts, f"choose {n}") for n in range(20))
        self.kept.append((score, dict(texts)))


def is_found(seed: int, rate: float, rounds: int = 6, cases: int = 20) -> bool:
    """Search once where there is nothing to find; True if the best candidate is called better all the same."""
    chance, texts = Chance(seed, rate, rounds), {"system": "s", "user": "u"}
    learn, choose, held_out = ([f"{part} {n}" for n in range(cases)] for part in ("learn", "choose", "held out"))
    failing = [id_ for id_ in learn if not chance.passes(texts, id_)]
    evolve(chance, texts, Ground(learn, failing, choose), seed=seed)
    _, best = max(chance.kept, key=lambda kept: kept[0])
    sides = [[float(chance.passes(each, id_)) for id_ in held_out] for each in (texts, best)]
    return Evidence.of(compare_metric("passed", *sides, procedure=FIRST_LOOK), 1, ("", "")).is_improvement


def test_without_signal_nothing_is_found_in_nineteen_of_twenty_searches() -> None:
    assert sum(is_found(seed, rate=0.5) for seed in range(40)) <= 2


def test_a_search_that_is_begun_again_tries_the_same() -> None:
    first, second, other = (Chance(1, 0.5, 5) for _ in range(3))
    ground = Ground([f"learn {n}" for n in range(8)], [f"learn {n}" for n in range(5)], ["a", "b"])
    for chance, seed in ((first, 3), (second, 3), (other, 4)):
        evolve(chance, {"system": "s", "user": "u"}, ground, seed=seed)
    assert first.kept == second.kept


def test_evidence_that_is_corrected_may_no_longer_do() -> None:
    metric = compare_metric("passed", [0.0] * 6 + [1.0] * 6, [1.0] * 12, procedure=FIRST_LOOK)
    one = Evidence.of(metric, 1, ("a", "b"))
    assert (one.p, one.is_improvement) == (1.5 * 2**-6, True)
    second = Evidence.of(metric, 2, ("a", "b"))
    assert (second.p, second.is_improvement) == (6 * 2**-6, False)
    assert second.words.endswith("7 must improve, and none get worse, for an improvement to show")
    assert Evidence.of(metric, 20, ("a", "b")).words.endswith("for an improvement to show: hold out more cases")
    assert not replace(one, low=0.0).is_improvement


def test_better_is_said_of_no_interval_that_has_zero_in_it() -> None:
    """Of 100 held-out cases 20 are gained and 10 lost: p is just below 0.05, as of a first look that takes it all."""
    metric = compare_metric(
        "passed", [0.0] * 20 + [1.0] * 80, [1.0] * 20 + [0.0] * 10 + [1.0] * 70, procedure=FIRST_LOOK
    )
    found = Evidence.of(metric, 1, ("a", "b"))
    assert (round(metric.test.p_better, 3), found.is_improvement) == (0.049, False)
    for gained in range(20, 35):
        metric = compare_metric(
            "passed", [0.0] * 40 + [1.0] * 60, [1.0] * gained + [0.0] * 50 + [1.0] * (50 - gained), procedure=FIRST_LOOK
        )
        found = Evidence.of(metric, 1, ("a", "b"))
        assert found.is_improvement == (found.p < 0.05) == (found.p < 0.05 and found.low > 0)


def test_cases_of_clusters_are_told_as_such_and_not_how_many_must_improve() -> None:
    clusters = ["a", "a", "b", "b", "c", "c"]
    metric = compare_metric("passed", [0.0] * 6, [1.0] * 6, clusters, procedure=FIRST_LOOK)
    found = Evidence.of(metric, 1, ("a", "b"))
    assert (found.clusters, found.is_improvement) == (3, False)
    assert found.words.endswith("they are 3 clusters, and count as these")
    assert "must improve" not in found.words


def test_held_out_cases_that_are_like_others_are_no_proof(desk: Lab) -> None:
    """Six held-out cases are cases to learn from, word for word; an edit that knows them by heart proves nothing."""

    def names(letter: str, part: str, number: int) -> list[str]:
        ids = (f"{letter}{n}" for n in range(400))
        return list(islice((id_ for id_ in ids if Split(1).part(_case(id_)) == part), number))

    learn, choose, same, other = (
        names("a", TRAIN, 6),
        names("b", CHOOSE, 6),
        names("h", HELD_OUT, 6),
        names("o", HELD_OUT, 5),
    )
    wanted = [{"type": "contains", "value": "dear"}]
    rows = [*enumerate(learn + choose), *enumerate(same)]
    cases = [{"id": id_, "inputs": {"name": f"visitor number {n} of the day"}, "assert": wanted} for n, id_ in rows]
    desk.server.default = answering(
        lambda system, name: "By heart" in system and "visitor" in name, edit("By heart.\n")
    )
    desk.cases(*cases, name="greet", prompts=["greet"], split={"seed": 1})
    with pytest.raises(WorkspaceError, match="`held_out` has 0 cases that can tell, and 5 are needed"):
        improve(desk)
    assert not desk.server.requests
    (warning,) = desk.warnings
    assert warning.startswith("6 held-out cases are like cases to learn from or to choose by, and left out: h")
    assert warning.endswith("promptctl dataset split datasets/greet.yaml")
    fresh = [{"id": id_, "inputs": {"name": f"guest {id_}"}, "assert": wanted} for id_ in other]
    desk.cases(*cases, *fresh, name="greet", prompts=["greet"], split={"seed": 1})
    found = improve(desk)
    assert (found.verdict, found.cases) == ("not-shown", (6, 6, 5))
    assert found.evidence is not None
    assert _ids(desk, found, "after") == set(other)
    with desk.open() as workspace:
        for problems in (workspace.validate().problems, workspace.datasets.check("greet").problems):
            (told,) = (each for each in problems if each.code == "held-out-again")
            assert told.message.startswith("6 held-out cases have the inputs of cases to learn from or to choose by: h")
            assert told.severity == "warning"
        workspace.write(workspace.datasets.split("greet", None).proposal)
        assert not workspace.datasets.check("greet").problems


def _case(id_: str) -> Case:
    return Case(id_, {}, None, (), (), "", Place("datasets/greet.yaml"))


def test_a_case_that_is_added_makes_no_first_look(desk: Lab) -> None:
    desk.server.default = answering(is_kind, edit("You greet people, and be kind.\n"))
    first = improve(desk)
    with desk.open() as workspace:
        head = workspace.results.evaluation(first.evidence.evaluations[1]).row if first.evidence else None
        log = workspace.context.log
        assert head is not None
        planned = Improving(workspace.context.fresh(), ImprovementRequest(ref="greet", dataset="greet"))
        plan, ids = planned.plan, head.spec.ids or ()
        assert head.spec.look == f"improve {head.digest}"
        looks = [
            look_number(log, replace(plan, spec=replace(plan.spec, ids=asked)), look)
            for asked, look in (
                (ids, "improve other"),
                ((*ids, "added"), "improve other"),
                (ids, head.spec.look),  # the same candidate again is no further look
                (ids, "shorten other"),  # another question
                ((*ids[:2], "a", "b", "c"), "improve other"),  # mostly other cases
            )
        ]
    assert looks == [2, 2, 1, 1, 1]
