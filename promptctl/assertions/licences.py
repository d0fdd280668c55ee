"""The known agreement of judges with people, and whether it is enough for them to decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from promptctl.assertions.assertion import AskedJudge, Assertion
from promptctl.assertions.judge import Licence
from promptctl.assertions.judging import EMBEDDER, JudgeTerms
from promptctl.errors import ModelError, WorkspaceError, quote
from promptctl.files.plain import content_digest
from promptctl.formats.calibration_file import Calibration, calibration_key, read_calibrations
from promptctl.formats.settings_file import CalibrationRule
from promptctl.log.stamps import utc_now
from promptctl.models.gateway import recorded_model

_MEASURE = "promptctl judge calibrate"


class Licences:
    """The licences of the judges of one evaluation: by prompt, model, parameters and rubric, as they are asked.

    Calibrations are read from where judges are. Without a `rule` every judge decides, and none lacks anything; with one
    the constructor raises `InvalidFiles` for a file of calibrations that is wrong.
    """

    def __init__(self, terms: JudgeTerms, rule: CalibrationRule | None) -> None:
        self._terms = terms
        self._rule = rule
        self._known: dict[str, list[Calibration]] = {}
        self._found: dict[tuple[AskedJudge, str], tuple[Licence, Calibration | None]] = {}
        try:
            for each in read_calibrations(terms.context.trusted_judges or terms.context.tree):
                self._known.setdefault(each.judge, []).append(each)
        except WorkspaceError:
            if rule is not None:  # one wrong file would take the licence of every judge
                raise

    @property
    def is_idle(self) -> bool:
        """True if nothing is asked, and nothing is known, of any judge."""
        return self._rule is None and not self._known

    def of(self, asked: AskedJudge, rubric: str) -> Licence:
        """Return the licence of a judge for a rubric."""
        return self._look_up(asked, rubric)[0]

    def calibration(self, asked: AskedJudge, rubric: str) -> Calibration | None:
        """Return the calibration that holds for a judge and a rubric."""
        return self._look_up(asked, rubric)[1]

    def used(self, assertions: Iterable[Assertion]) -> dict[str, Calibration]:
        """Return the calibrations of the judges that these assertions ask, by their keys."""
        found = (self._look_up(*each)[1] for each in asked_rubrics(assertions))
        return {each.key: each for each in found if each is not None}

    def lacking(self, assertions: Iterable[Assertion]) -> set[tuple[str, ...]]:
        """Return the judges that may not decide, of those that these assertions ask, with the rubric of each."""
        found = (each for each in asked_rubrics(assertions) if self.of(*each).lack is not None)
        return {(asked.prompt_id or "", asked.model or "", rubric) for asked, rubric in found}

    def _look_up(self, asked: AskedJudge, rubric: str) -> tuple[Licence, Calibration | None]:
        key = asked, rubric
        if key not in self._found:
            self._found[key] = self._licence(asked, rubric)
        return self._found[key]

    def _licence(self, asked: AskedJudge, rubric: str) -> tuple[Licence, Calibration | None]:
        if self.is_idle:
            return Licence(), None
        judge = asked.prompt_id or EMBEDDER.id
        own = self._known.get(judge, [])
        identity: JudgeIdentity | None = None
        try:
            identity = identify(self._terms, asked)
        except (WorkspaceError, ModelError) as error:
            why = error.message
        else:
            why = identity.why_not(own, rubric)
        found = None if identity is None else identity.match(own, rubric)
        if self._rule is None:
            return Licence(None if found is None else found.key), found
        if found is not None:
            lack = shortfall(found, self._rule, utc_now()[:10])
            return Licence(found.key, None if lack is None else f"{_named(judge, identity)} {lack}"), found
        return Licence(None, f"{_named(judge, identity)} is not calibrated: {why}; {_MEASURE} {judge}"), None


@dataclass(frozen=True, slots=True)
class JudgeIdentity:
    """A judge as it is asked: the digest of its prompt, its model, parameters and server (unknown for recordings)."""

    digest: str
    model: str
    parameters: Mapping[str, Any]
    server: str | None
    knows_server: bool

    def match(self, calibrations: Iterable[Calibration], rubric: str) -> Calibration | None:
        """Return the calibration that holds for the judge and a rubric."""
        key = calibration_key(self.digest, self.model, self.parameters, rubric)
        return next((each for each in calibrations if each.key == key and self._is_served_so(each)), None)

    def _is_served_so(self, calibration: Calibration) -> bool:
        is_known = calibration.server == self.server and calibration.replies != "replay"
        return is_known or not self.knows_server

    def why_not(self, calibrations: Iterable[Calibration], rubric: str) -> str:
        """Return why none of the calibrations holds, by the first thing that differs."""
        left = list(calibrations)
        if not left:
            return "nobody measured its agreement with people"
        same = [each for each in left if each.model == self.model]
        if not same:
            return f"it was measured with {', '.join(dict.fromkeys(each.model for each in left))} alone"
        same, left = [each for each in same if each.judge_digest == self.digest], same
        if not same:
            return f"its prompt has changed since {left[0].since}"
        same, left = [each for each in same if each.rubric == rubric], same
        if not same:
            return "nobody measured it on this rubric as it stands"
        if all(dict(each.parameters) != dict(self.parameters) for each in same):
            return f"its parameters have changed since {same[0].since}"
        if all(each.replies == "replay" for each in same):
            return "it was measured on recordings, which say nothing of the server"
        return f"its server has changed since {same[0].since}"


def identify(terms: JudgeTerms, asked: AskedJudge) -> JudgeIdentity:
    """Return the judge as it would be asked. Raises `WorkspaceError` and `ModelError` for one that cannot be."""
    target = terms.target_of(asked)
    knows = terms.needs_key and not target.model.startswith("replay/")
    server = content_digest([target.server])[:16] if knows and target.server else None
    return JudgeIdentity(target.prompt.digest, recorded_model(target.model), target.parameters, server, knows)


def shortfall(calibration: Calibration, rule: CalibrationRule, today: str) -> str | None:
    """Return what a calibration lacks by the rule, to be said of its judge; None if it is enough."""
    kappa, judged = calibration.kappa, calibration.judged
    n, is_by_case = judged.n, bool(calibration.by_case)
    more = (
        f"label more: promptctl judge label {quote(calibration.datasets[0])}" if calibration.datasets else "label more"
    )
    if n < rule.labels:
        replies = "1 labelled reply" if n == 1 else f"{n} labelled replies"
        if is_by_case:
            replies = f"labelled replies to {n} {'case' if n == 1 else 'cases'}"
        return f"was measured on {replies}, fewer than the {rule.labels} asked for ({more})"
    for word, number in (("pass", judged.on_pass), ("fail", judged.on_fail)):
        if number < rule.labels_of_each:
            found = f"{number} replies" if number > 1 else "1 reply" if number else "no reply"
            if is_by_case and number:
                found = f"replies to {number} {'case' if number == 1 else 'cases'}"
            return f"was measured on {found} that people let {word}, and {rule.labels_of_each} are needed ({more})"
    if kappa.value is None:
        return f"has no κ: {kappa.note}"
    if kappa.value < rule.kappa:
        return f"agrees too little with people: κ is {kappa.value:.2f}, and {rule.kappa:g} is asked for"
    if calibration.measured_at is None:
        return "was measured on verdicts whose day is not known (anew: --replies ask)"
    oldest = date.fromisoformat(today) - timedelta(days=rule.max_age_days)
    if date.fromisoformat(calibration.measured_at) < oldest:
        return (
            f"was measured on {calibration.measured_at}, more than {rule.max_age_days} days ago (anew: --replies ask)"
        )
    if date.fromisoformat(calibration.measured_at) > date.fromisoformat(today) + timedelta(days=1):
        return f"was measured on {calibration.measured_at}, a day to come"
    return None


def _named(judge: str, identity: JudgeIdentity | None) -> str:
    return judge if identity is None else f"{judge} with {identity.model}"


def judged(assertions: Iterable[Assertion]) -> Iterator[Assertion]:
    """Return the assertions that ask a judge, those of sets included."""
    return (each for assertion in assertions for each in assertion.all if each.rubric)


def asked_rubrics(assertions: Iterable[Assertion]) -> Iterator[tuple[AskedJudge, str]]:
    """Yield each judge that assertions ask, with the rubric."""
    yield from ((each.judge, each.rubric) for each in judged(assertions) if each.judge is not None)
