"""Measures how well a judge agrees with people: it grades the replies that people labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from promptctl.assertions.assertion import AskedJudge
from promptctl.assertions.judges import find_judge
from promptctl.assertions.judging import JudgeTerms
from promptctl.assertions.licences import identify, shortfall
from promptctl.calibrations.agreement import LabelledReply, labelled_by_people
from promptctl.calibrations.measures import JudgedReply, day_of, unanswered_verdicts, with_measures
from promptctl.calls.shipped import is_shipped, shipped_judges
from promptctl.datasets.cases import Case
from promptctl.datasets.index import DatasetIndex
from promptctl.datasets.selection import Chosen
from promptctl.errors import Incomplete, Place, PromptNotFound, WorkspaceError
from promptctl.evaluations.estimate import cost_of_call
from promptctl.evaluations.plan import Plan
from promptctl.evaluations.planning import check_models
from promptctl.evaluations.request import EvaluationRequest, Limits
from promptctl.evaluations.rules import calibration_rule_of
from promptctl.files.names import did_you_mean
from promptctl.files.plain import content_digest, record_data
from promptctl.files.proposal import Proposal, change_of
from promptctl.files.wording import name_some
from promptctl.formats.calibration_file import Calibration, calibration_bytes, calibration_path, read_calibration_file
from promptctl.formats.settings_file import CalibrationRule
from promptctl.log.results import EvaluationSpec, Replies
from promptctl.log.stamps import new_id, utc_now
from promptctl.models.gateway import Usage

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.evaluations.session import Session
    from promptctl.log.records import Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRequest:
    """A request to measure a judge's agreement with people.

    `judge` is its prompt's id, `llm-rubric` for one that ships. `labels` name datasets, or files of labels; without any
    all labels of replies that the judge grades are used. `model` judges without a model of its own, with `parameters`
    over its own. Each reply is judged `repeats` times.
    """

    judge: str
    labels: Sequence[str] = ()
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    repeats: int = 1
    replies: Replies = "cache"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Measured calibrations of one judge, and the file with them as it is proposed.

    `lacks` says of each why it is not enough for the gate, None if it is. `notes` say what was left out, and why.
    """

    judge: str
    calibrations: tuple[Calibration, ...]
    lacks: tuple[str | None, ...]
    notes: tuple[str, ...]
    proposal: Proposal
    cost_nano_usd: int | None = 0

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        measured = [{**each.as_dict(), "lack": lack} for each, lack in zip(self.calibrations, self.lacks, strict=True)]
        return record_data(self, without=("lacks", "proposal"), calibrations=measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingPlan(Plan):
    """The plan of a judge's verdicts on labelled replies; the log keeps them as an evaluation of the judge."""

    labelled: tuple[Case, ...]

    def cases(self, context: Context) -> Iterator[Case]:  # noqa: ARG002 - no dataset is read
        """Yield the labelled replies as cases."""
        yield from self.labelled


def judge_id(context: Context, name: str) -> str:
    """Return the id of the judge's prompt that a user names: `llm-rubric`, or a whole id.

    Raises `PromptNotFound` with the nearest names.
    """
    known = context.prompt_ids()
    shipped = shipped_judges()
    for id_ in (name, f"judges/{name}"):
        if id_ in known or id_ in shipped:
            return id_
    near = did_you_mean(name, [*(each.removeprefix("judges/") for each in shipped), *shipped, *known])
    raise PromptNotFound(f"there is no judge `{name}`", hint=near or f"the judges that ship: {', '.join(shipped)}")


@dataclass(frozen=True, slots=True)
class CalibrationPlan:
    """The replies of each model and rubric to be judged, with the plans of it: a second one for the other order.

    `ties` are the numbers of replies left out of each, as people were split on them.
    """

    request: CalibrationRequest
    judge: str
    groups: tuple[tuple[LabelledReply, ...], ...]
    plans: tuple[tuple[JudgingPlan, ...], ...]
    ties: tuple[int, ...]
    notes: tuple[str, ...]


def plan_calibration(context: Context, request: CalibrationRequest) -> CalibrationPlan:
    """Read the labels, and plan the verdicts on the replies; nothing is asked.

    Raises `PromptNotFound` for an unknown judge, `WorkspaceError` if no label is of a reply that it grades,
    `InvalidFiles` for files that are wrong, and what `check_models` raises.
    """
    context.work_tree_for("a calibration")
    judge = judge_id(context, request.judge)
    _kept(context, judge)  # what cannot be written is not paid for
    notes: list[str] = []
    found = list(labelled_by_people(context, request.labels, judge, notes))
    tied = [each for each in found if each.passes is None]
    if tied:
        replies = "1 reply is" if len(tied) == 1 else f"{len(tied)} replies are"
        notes.append(f"{replies} set aside: as many people let it pass as not, so it is one of the hard ones")
    if len(tied) == len(found):
        raise _nothing_labelled(context, judge, notes)
    asked = EvaluationRequest(
        refs=None,
        judge=request.model or context.settings.gate.judge,
        judge_parameters=request.parameters,
        replies=request.replies,
        limits=request.limits,
    )
    named = {each.assertion.options.get("model") for each in found}
    check_models(context, asked, set(), {AskedJudge(judge, model) for model in named})
    model_of = JudgeTerms(context, asked.judge).model_of
    models = {model: model_of(AskedJudge(judge, model)) for model in named}
    groups: dict[tuple[str, str], dict[str, LabelledReply]] = {}
    ties: Counter[tuple[str, str]] = Counter()
    for each in found:
        key = models[each.assertion.options.get("model")], each.assertion.rubric
        if each.passes is None:
            ties[key] += 1
        else:
            groups.setdefault(key, {}).setdefault(each.case.id, each)
    if "mark" not in (prompt := find_judge(context, judge).prompt).inputs and not is_shipped(judge):
        notes.append(f"{prompt.path} has no input `mark`, so a reply could end the marks around it")
    replies_of = tuple(tuple(group.values()) for group in groups.values())
    plans = tuple(_plans(context, asked, judge, request.repeats, group) for group in replies_of)
    return CalibrationPlan(request, judge, replies_of, plans, tuple(ties[key] for key in groups), tuple(notes))


async def calibrate(context: Context, planned: CalibrationPlan, session: Session) -> Calibrated:
    """Ask the judge for its verdicts, and measure. Raises `Incomplete` if some of them were not asked for."""
    made = iter(await session.run([plan for plans in planned.plans for plan in plans]))
    measured: list[Calibration] = []
    cost: int | None = 0
    for group, plans, ties in zip(planned.groups, planned.plans, planned.ties, strict=True):
        evaluations = [next(made) for _ in plans]
        if left := sum(each.summary.never_run for each in evaluations):
            raise Incomplete(
                f"{left} of {len(group)} labelled replies got no verdict: nothing was measured",
                hint="give the command again: what was answered comes from the cache",
            )
        if unanswered := [why for each in evaluations for why in unanswered_verdicts(context.log, each.row.id)]:
            raise Incomplete(
                f"{len(unanswered)} of {len(group)} labelled replies got no verdict, and nothing was measured: "
                f"{unanswered[0]}",
                hint="give the command again: what was answered comes from the cache",
            )
        unpriced = sum(each.summary.unpriced for each in evaluations)
        cost = None if cost is None or unpriced else cost + sum(each.summary.cost_nano_usd for each in evaluations)
        found = _measured(context, planned, group, plans, [each.row.id for each in evaluations])
        measured.append(replace(found, ties=ties))
    lacks = tuple(_lack(context, each) for each in measured)
    proposal = _proposal(context, planned.judge, measured)
    return Calibrated(planned.judge, tuple(measured), lacks, planned.notes, proposal, cost)


def _lack(context: Context, measured: Calibration) -> str | None:
    """Return what a calibration lacks for one of its datasets, by what is asked of judges there; None if nothing."""
    index, today = DatasetIndex(context.repository.work_tree, limits=context.settings.limits), utc_now()[:10]
    rules = (calibration_rule_of(context, index.open(path)) or CalibrationRule() for path in measured.datasets)
    lacks = (shortfall(measured, rule, today) for rule in dict.fromkeys(rules))
    return next((lack for lack in lacks if lack is not None), None)


def _measured(
    context: Context,
    planned: CalibrationPlan,
    group: Sequence[LabelledReply],
    plans: Sequence[JudgingPlan],
    evaluations: Sequence[str],
) -> Calibration:
    log, first = context.log, plans[0]
    request, assertion = planned.request, group[0].assertion
    own_model = assertion.options.get("model")
    needs_key = request.replies != "replay"
    terms = JudgeTerms(context, first.spec.judge, request.parameters, needs_key)
    identity = identify(terms, AskedJudge(planned.judge, own_model))
    straight, *turned = ([*log.results(id_)] for id_ in evaluations)
    replies = [
        JudgedReply(
            passes=bool(each.passes),
            cluster=each.case.cluster or each.case.id,
            length=len(each.case.output or ""),
            rows=tuple(row for row in straight if row.case_id == each.case.id),
            turned=next((row for rows in turned for row in rows if row.case_id == each.case.id), None),
        )
        for each in group
    ]
    about = Calibration(
        judge=planned.judge,
        judge_digest=identity.digest,
        model=identity.model,
        parameters=identity.parameters,
        server=identity.server,
        rubric=assertion.rubric,
        rubric_type=assertion.type,
        rubric_text=_rubric_text(group),
        datasets=tuple(sorted({each.dataset for each in group})),
        repeats=request.repeats,
        replies="replay" if not needs_key or first.target.model.startswith("replay/") else "",
        people=tuple(sorted({label.by for each in group for label in each.labels})),
        labels_digest=content_digest(sorted(each.digest for each in group)),
    )

    def price(execution: Execution) -> int | None:
        usage = Usage(execution.input_tokens, execution.output_tokens)
        return cost_of_call(context, first.target.model, request.replies, usage)

    found = with_measures(about, replies, assertion.options.get("choices", ()), log, price)
    day, is_reused = day_of(replies, log, are_asked=request.replies == "ask")
    for each in _kept(context, found.judge) if is_reused else ():
        if (each.key, each.server) == (found.key, found.server):
            day = min(day, each.measured_at) if day and each.measured_at else None
    return replace(found, measured_at=day)


def _rubric_text(group: Sequence[LabelledReply]) -> str:
    """Return what is asked, for people; if it differs from case to case, the first."""
    asked = list(dict.fromkeys(each.question.text for each in group))
    return asked[0] if len(asked) == 1 else f"differs by case, such as: {asked[0]}"


def _kept(context: Context, judge: str) -> list[Calibration]:
    path = calibration_path(judge)
    try:
        measured, found = read_calibration_file(context.repository.work_tree, path)
    except FileNotFoundError:
        return []
    if measured != judge:
        message = f"{path} has the calibrations of `{measured}`, and would have those of `{judge}`, too"
        raise WorkspaceError(message, place=Place(path), hint=f"choose a different id: promptctl rename {judge} NEW-ID")
    return found


def _proposal(context: Context, judge: str, measured: Sequence[Calibration]) -> Proposal:
    """Return the judge's file with what was measured in the place of what held before, and of what holds no longer."""
    digest = measured[0].judge_digest
    again = {(each.model, each.rubric) for each in measured}
    kept = [
        each for each in _kept(context, judge) if each.judge_digest == digest and (each.model, each.rubric) not in again
    ]
    path = calibration_path(judge)
    data = calibration_bytes(judge, [*kept, *measured])
    return Proposal((change_of(context.repository.work_tree, path, data),))


def _plans(
    context: Context, asked: EvaluationRequest, judge: str, repeats: int, group: Sequence[LabelledReply]
) -> tuple[JudgingPlan, ...]:
    named = AskedJudge(judge, group[0].assertion.options.get("model"))
    target = JudgeTerms(context, asked.judge, asked.judge_parameters, asked.needs_keys).target_of(named)
    spec = EvaluationSpec(
        ref=judge,
        group=new_id(),
        dataset=group[0].dataset,
        cases=len(group),
        repeats=repeats,
        min_pass=0.0,
        parameters=target.parameters,
        judge=asked.judge,
        judge_model=target.model,
        judge_parameters=asked.judge_parameters,
        replies=asked.replies,
        side="calibration",
    )
    cases = tuple(each.case for each in group)
    chosen = Chosen(len(cases))
    straight = JudgingPlan(target=target, spec=spec, chosen=chosen, tests=target.prompt, labelled=cases)
    if not (choices := group[0].assertion.options.get("choices")):
        return (straight,)
    other = {**group[0].assertion.options, "choices": tuple(reversed(choices))}
    turned = tuple(replace(each, assertions=(replace(each.assertions[0], options=other),)) for each in cases)
    return straight, replace(straight, spec=replace(spec, repeats=1), labelled=turned)


def _nothing_labelled(context: Context, judge: str, notes: Sequence[str]) -> WorkspaceError:
    asking = sorted(path for path, judges in _judged_datasets(context).items() if judge in judges)
    message = f"no reply that {judge} grades is labelled"
    if notes:
        message += f" ({'; '.join(notes)})"
    if not asking:
        return WorkspaceError(message, hint=f"no dataset has an assertion of {judge}: write one, evaluate, and label")
    others = f" (or {name_some(asking[1:])})" if asking[1:] else ""
    return WorkspaceError(message, hint=f"promptctl judge label {asking[0]}{others}")


def _judged_datasets(context: Context) -> dict[str, set[str]]:
    """Return the judges that each sound dataset asks."""
    index = DatasetIndex(context.repository.work_tree, limits=context.settings.limits)
    found: dict[str, set[str]] = {}
    for path in index.paths():
        try:
            dataset = index.open(path)
            dataset.check()
        except WorkspaceError:
            continue
        found[path] = {each.prompt_id for each in dataset.judges if each.prompt_id}
    return found
