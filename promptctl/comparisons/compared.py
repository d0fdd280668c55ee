"""Two evaluations side by side, with notes and what the difference means; and those with nothing to compare with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from promptctl.comparisons.comparison import Comparison, compare_outcomes
from promptctl.comparisons.confirmation import Earlier, FlippedCases, Rerun
from promptctl.comparisons.flips import MOST_ASKED
from promptctl.comparisons.gates import Decision, JointVerdict, check_passes, decide, deciding, strictest
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import Verdict, judge
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.evaluations.evaluation import Evaluation, cases_of, load
from promptctl.evaluations.outcomes import CaseResults
from promptctl.evaluations.plan import Pair, comparison_keys
from promptctl.files.wording import count, name_some
from promptctl.log.results import STOPPED, EvaluationRow, StopReason
from promptctl.log.store import Store
from promptctl.statistics.metric import Procedure


@dataclass(frozen=True, slots=True)
class Compared:
    """Two evaluations side by side, what the difference means, and whether it is good enough.

    `note` says what a reader must know of how it was made: replies that could not be asked for again, say. `let_pass`
    is what does not fail head, in sentences: cases that must pass and do not by no fault of its own, or have no result.
    `edited` are the cases that were edited together with head.
    """

    base: Evaluation
    head: Evaluation
    comparison: Comparison
    verdict: Verdict
    decision: Decision
    rule: GateRule
    note: str | None = None
    reruns: tuple[Rerun, ...] = ()
    let_pass: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()

    @property
    def is_told(self) -> bool:
        """True if there is a verdict that says something of head: neither inconclusive nor powerless."""
        return self.verdict.kind not in ("inconclusive", "powerless")

    @property
    def warning(self) -> str | None:
        """A warning about what the gate let pass, also regressions that held on fresh replies; None without any."""
        told, held = [*self.let_pass], self.verdict.confirmed.regressions
        if held and self.decision.is_passed and self.rule.gate != "strict":
            told.insert(0, f"{count(len(held), 'confirmed regression')}; --gate strict would fail")
        return "; ".join(told) or None


@dataclass(frozen=True, slots=True)
class Against:
    """Prompts beside an earlier version of them; `alone` are those that were not there yet.

    `base` is the ref of the first of them that was compared with, such as `support/triage@main`. `together` are the
    verdicts on comparisons that share a cause, and on all of them.
    """

    compared: tuple[Compared, ...]
    alone: tuple[Evaluation, ...] = ()
    rule: GateRule = field(default_factory=GateRule)
    base: str | None = None
    together: tuple[JointVerdict, ...] = ()

    @property
    def heads(self) -> list[Evaluation]:
        """The evaluations that are judged."""
        return [*(each.head for each in self.compared), *self.alone]

    @property
    def decided_together(self) -> JointVerdict | None:
        """The verdict on comparisons together that stands against them."""
        return deciding(self.together)

    @property
    def decision(self) -> Decision:
        """The decision on all of it."""
        decisions = [*(each.decision for each in self.compared), *map(decision_of, self.alone)]
        if not decisions:
            decisions.append(Decision.of(INCOMPLETE, "Not every prompt was evaluated."))
        if (joint := self.decided_together) is not None:
            decisions.append(joint.decision)
        return strictest(decisions)


def decision_of(found: Evaluation) -> Decision:
    """Return the decision on an evaluation by itself, by its own `min_pass` and `must_pass`."""
    codes = {"passed": OK, "failed": CHECK_FAILED, "incomplete": INCOMPLETE}
    return Decision.of(codes[found.verdict], f"{found.row.prompt}: {found.reason}.")


def compare(log: Store, base_id: str, head_id: str, rule: GateRule) -> Compared:
    """Compare two evaluations of the log, as they are. Raises `LogError` for an id that it does not have."""
    base, head = (load(log, log.evaluation(id_)) for id_ in (base_id, head_id))
    return Sides(log, rule, base, head).compared(differences(base.row, head.row))


class Sides:
    """Base and head of one comparison, case by case as the log has them; `comparisons` of them are made together.

    `flipped` are the cases that flipped, with what was ever asked of them; `pair` is what asks for more.
    """

    def __init__(
        self,
        log: Store,
        rule: GateRule,
        base: Evaluation,
        head: Evaluation,
        pair: Pair | None = None,
        comparisons: int = 1,
    ) -> None:
        self.base, self.head = base, head
        self._rule, self._heads = rule, cases_of(log, head.row)
        self._added = pair.added if pair else frozenset[str]()
        procedure = Procedure(comparisons=comparisons)
        compared = _comparison(base, head, cases_of(log, base.row), self._heads, procedure)
        self.flipped = FlippedCases(log, compared, base.row, head.row, rule, pair)
        is_timed_together = _is_timed_together(base.row, head.row, self.flipped.earlier)
        edited = pair.edited if pair else frozenset[str]()
        self.comparison = replace(compared, is_timed_together=is_timed_together, edited=edited)

    @property
    def made_with_head(self) -> frozenset[str]:
        """The cases that were edited, or added, together with head."""
        return self.comparison.edited | self._added

    def compared(self, notes: Iterable[str], stopped: StopReason | None = None) -> Compared:
        """Return the comparison judged, with the cases that must pass and what was not run.

        `stopped` is what ended the session that was to ask flipped cases again.
        """
        comparison, rule = self.comparison, self._rule
        verdict = judge(comparison, rule, self.flipped.findings)
        counted = [case for case in self._heads if not case.outcome.is_xfail]
        outcomes = [case.outcome for case in counted]
        hard = check_must_pass(counted, comparison, self.flipped.unconfirmed, rule, self._added)
        decisions = [decide(verdict, rule, comparison.usage), hard.decision]
        if rule.min_pass is not None and not self.head.summary.is_unfinished:
            decisions.append(check_passes(outcomes, min_pass=rule.min_pass))
        # Cases that base cannot take are in no comparison, and a few may lack a result in one: the verdict alone does
        # not tell that a side stopped.
        for side, made in (("After", self.head), ("Before", self.base)):
            if made.summary.is_unfinished and not (comparison.is_decided and rule.is_met_by_better):
                unrun = made.summary.never_run
                were = "was" if unrun == 1 else "were"
                why = f": {STOPPED[made.stopped]}" if made.stopped else ""
                decisions.append(Decision.of(INCOMPLETE, f"{side}: {count(unrun, 'case')} {were} not run{why}."))
        if passing := self.head.summary.xpassed_strictly:
            told = f"{count(len(passing), 'case')} that `xfail` expects to fail passed: {name_some(passing)}."
            decisions.append(Decision.of(CHECK_FAILED, told))
        if self.flipped.is_unfinished and verdict.kind != "worse":
            why = f": {STOPPED[stopped]}" if stopped else ""
            told = f"Flipped cases were not asked again to the end{why}; give the command again."
            decisions.append(Decision.of(INCOMPLETE, told))
        undecided = (self.base.summary.undecided, self.head.summary.undecided)
        if comparison.judged_apart and verdict.kind == "incomplete":
            decisions.append(Decision.of(INCOMPLETE, f"Evaluate both sides anew: {self._evaluating}."))
        doubts = () if comparison.judged_apart else filter(None, undecided)
        note = "; ".join(dict.fromkeys([*notes, *doubts])) or None
        decision, reruns = strictest(decisions), self.flipped.reruns
        let_pass = (*hard.let_pass, *_without_result(comparison, verdict))
        return Compared(self.base, self.head, comparison, verdict, decision, rule, note, reruns, let_pass)

    @property
    def _evaluating(self) -> str:
        """The commands that evaluate both sides anew."""
        rows = (self.base.row, self.head.row)
        refs = (f"{row.prompt}@{row.commit[:9]}" if row.commit and not row.is_dirty else row.spec.ref for row in rows)
        return ", ".join(dict.fromkeys(f"promptctl eval {ref}" for ref in refs))


def _without_result(comparison: Comparison, verdict: Verdict) -> Iterator[str]:
    """Yield what is said of the cases without a result where the others were judged without them."""
    if verdict.kind == "incomplete" or comparison.is_decided:
        return
    for pairs, where in ((comparison.alike, "on both sides alike"), (comparison.open, "on one side")):
        if ids := [pair.case_id for pair in pairs]:
            yield f"{count(len(ids), 'case')} without a result {where}, and not compared: {name_some(ids)}"


def _comparison(
    base: Evaluation,
    head: Evaluation,
    bases: Sequence[CaseResults],
    heads: Sequence[CaseResults],
    procedure: Procedure,
) -> Comparison:
    """Both sides, case by case. What an unfinished side had still to do is an error there, not a removed case."""
    outcomes = [[case.outcome for case in side] for side in (bases, heads)]
    ids = [{outcome.case_id for outcome in side} for side in outcomes]
    planned, left = set[str](), []
    for own, other, made in ((ids[0], ids[1], base), (ids[1], ids[0], head)):
        missing = other - own if made.summary.is_unfinished else set[str]()
        missing -= {*made.row.spec.left_out}
        planned |= missing
        left.append(max(0, made.summary.never_run - len(missing)))
    # Head ended early only as its comparison with this base was decided.
    is_decided = head.stopped == "decided" and head.row.spec.comparison in comparison_keys(head.row, base.row)
    return compare_outcomes(*outcomes, procedure=procedure, planned=planned, never_run=min(left), is_decided=is_decided)


def _is_timed_together(base: EvaluationRow, head: EvaluationRow, earlier: Earlier) -> bool:
    """Return True if one command asked both sides at the same time, and took no reply from the cache.

    Where nothing of head was asked, it is the first comparison of the same that its replies and latencies are of.
    """
    if earlier.comparisons and {*head.totals.reply_sources} == {"cache"}:
        base, head = earlier.comparisons[0]
    sources = {*base.totals.reply_sources, *head.totals.reply_sources}
    return base.group == head.group and head.spec.until != "decided" and "cache" not in sources


class MustPass(NamedTuple):
    """The decision on the cases that must pass, and those that do not and that head is not blamed for, in sentences."""

    decision: Decision
    let_pass: tuple[str, ...] = ()


def check_must_pass(
    heads: Sequence[CaseResults],
    comparison: Comparison,
    unconfirmed: Collection[str],
    rule: GateRule,
    added: Collection[str] = (),
) -> MustPass:
    """Return the decision on those of head's cases that must pass.

    A case that flipped does not fail if it is among the `unconfirmed`, since it may be flaky; nor, but under the strict
    gate, one that failed before as well, or that lasting errors leave without a result on both sides. All others are
    judged by themselves: those that are new or were changed too, even if base, asked them as well, fails them. `added`
    came together with head.
    """
    hard = [case.outcome for case in heads if case.must_pass]
    if not hard:
        return MustPass(Decision(OK))
    missed = [outcome.case_id for outcome in hard if outcome.status != "passed"]
    flipped = {pair.case_id for pair in comparison.regressed}
    flaky = [id_ for id_ in missed if id_ in flipped and id_ in unconfirmed]
    failed = [pair for pair in (*comparison.unchanged, *comparison.errors) if pair.base.status == "failed"]
    as_before = {pair.case_id for pair in (*failed, *comparison.alike)}
    old = [id_ for id_ in missed if id_ in as_before and id_ not in comparison.edited and id_ not in added]
    excused = {*flaky} if rule.gate == "strict" else {*flaky, *old}
    told = {
        "failed once, which fresh pairs did not confirm": flaky,
        "did not pass before either": [id_ for id_ in old if id_ in excused],
    }
    asked = [outcome.case_id for outcome in hard if outcome.case_id not in excused]
    return MustPass(
        check_passes([case.outcome for case in heads], must_pass=asked),
        tuple(
            f"{count(len(ids), 'case')} that must pass {what}: {name_some(ids)}" for what, ids in told.items() if ids
        ),
    )


def notes_on(comparison: Comparison, base: Evaluation, head: Evaluation, flipped: FlippedCases) -> list[str]:
    """Return what a reader must know of how both sides were asked."""
    notes = []
    if comparison.is_decided:
        notes.append(_decided(comparison, base, head))
    both = (("before", base), ("after", head))
    if stopped := [side for side, made in both if made.stopped not in (None, "decided")]:
        named = " and ".join(stopped)
        notes.append(f"{named} stopped early; the same command goes on, and asks for nothing that was answered")
    if left_out := base.row.spec.left_out:
        notes.append(_not_taken(left_out))
    if code_left_out := head.row.spec.code_left_out:
        notes.append(code_left_out)
    findings, earlier = flipped.findings, flipped.earlier
    if not findings.flips.count and (base.row.digest, base.row.model) == (head.row.digest, head.row.model):
        notes.append("both sides are the same version")
    if findings.asked and findings.flips.count > MOST_ASKED:
        notes.append(f"of {findings.flips.count} flipped cases a random sample of {findings.asked} was asked for again")
    if earlier.comparisons and findings.flips.count and flipped.steps.rounds:
        times = len(earlier.comparisons) + 1
        notes.append(f"the same was compared {times} times, and all answers to flipped cases count")
    if earlier.comparisons and findings.flips.sequence and findings.flips.sequence.direction:
        notes.append("what the first comparison of the same decided case by case stays decided")
    if earlier.set_aside:
        notes.append(f"begun afresh: {count(earlier.set_aside, 'earlier comparison')} of the same set aside")
    return notes


def _not_taken(left_out: Collection[str]) -> str:
    return f"the version before cannot take the inputs of {len(left_out)} of the cases, which are not compared"


def _decided(comparison: Comparison, base: Evaluation, head: Evaluation) -> str:
    """Say when a comparison was decided, what that saved, and what its numbers are of."""
    made = [each.summary for each in (base, head) if each.row.group == head.row.group]
    saved, planned = sum(each.requests_saved for each in made), sum(each.expected_cases * each.repeats for each in made)
    cases = f"{comparison.comparable - comparison.left_out} of {count(comparison.comparable, 'case')}"
    note = f"decided after {cases}: {saved} of {count(planned, 'request')} saved"
    if head.row.spec.until == "decided":
        note += "; cases that failed before were asked first, so that shares are of these cases alone"
    return note


def differences(base: EvaluationRow, head: EvaluationRow) -> list[str]:
    """Return the differences between two evaluations beside the prompt, in a sentence; nothing without any.

    Cases that only base leaves out are another sentence, as its prompt cannot take them, and so are models.
    """
    old, new = base.spec, head.spec
    unlike = old.unlike(new)
    told = []
    if old.left_out and not new.left_out:
        unlike.discard("left_out")
        told.append(_not_taken(old.left_out))
    # Where the model that judges was not recorded, the one that the command named is said.
    unlike.discard("judge" if old.judge_model and new.judge_model else "judge_model")
    if old.at_least == new.at_least:
        unlike.discard("passes_needed")
    if new.sample is None:
        unlike.discard("seed")
    if base.model != head.model or "recordings" in unlike:
        unlike.discard("server")
    if base.model != head.model and base.digest == head.digest:
        unlike.add("model")
    elif base.model != head.model:  # it may be the prompts' own
        told.append(f"different models answered: {base.model} and {head.model}")
    words = {
        "dataset_digest": f"dataset ({old.dataset} and {new.dataset})",
        "dataset_beside": "recorded replies, `must_pass` or strict `xfail` of cases",
        **dict.fromkeys(("ids", "tags", "sample", "seed", "first", "split", "shard"), "the selection of cases"),
        "left_out": "the cases left out",
        "code_left_out": "the assertions left out",
        "model": f"model ({base.model} and {head.model})",
        "server": "the server that answers",
        "recordings": f"replies ({old.replies} and {new.replies})",
        "repeats": f"repeats ({old.repeats} and {new.repeats})",
        "passes_needed": f"passes asked of the repeats ({old.at_least or 'all'} and {new.at_least or 'all'})",
        "judge_model": f"judge ({old.judge_model} and {new.judge_model})",
        "judge": f"judge ({old.judge or 'the default'} and {new.judge or 'the default'})",
        "judge_parameters": f"judge parameters ({dict(old.judge_parameters)} and {dict(new.judge_parameters)})",
        "judges": "the judges' rules",
        "uncalibrated": "the judges that may decide",
        "parameters": f"parameters ({dict(old.parameters)} and {dict(new.parameters)})",
        "rules": f"models' rules ({old.work['rules']} and {new.work['rules']})",
    }
    if old.dataset == new.dataset:
        words["dataset_digest"] = "the dataset's cases"
    differing = dict.fromkeys(words[name] for name in words if name in unlike)
    if differing:
        told.append(f"they differ in more than the prompt: {', '.join(differing)}")
    return told
