"""A request to evaluate prompts: which, on what, and within which bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from promptctl.assertions.preparing import CodeUse
from promptctl.datasets.selection import Selection
from promptctl.errors import PromptctlError
from promptctl.log.results import Replies, UntilKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a session.

    At most `concurrency` requests are under way at once. `case_timeout_s` covers a case with its retries and its
    judges, in seconds; waiting for a place among the requests does not count. `max_cost_nano_usd` is for everything
    that the session asks.
    """

    concurrency: int = 16
    case_timeout_s: float = 300.0
    max_cost_nano_usd: int | None = None
    fails_fast: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationTerms:
    """The terms of whatever evaluates: who judges, within which bounds, and if code of a dataset may run.

    `judge` is the model that judges without one of its own, with `judge_parameters`.
    """

    judge: str | None = None
    judge_parameters: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    allows_code: bool = False

    @property
    def terms(self) -> dict[str, Any]:
        """Return the terms by name, for a request on the same ones."""
        return {each.name: getattr(self, each.name) for each in fields(EvaluationTerms)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest(EvaluationTerms):
    """A request to evaluate prompts over their datasets.

    Every prompt of `refs` is asked of every one of `models` (the prompt's own if there are none) over each of its
    datasets, or over those that `datasets` names by path; a prompt's own path names the tests in its file. A prompt
    without a model has `default_model`, or if that is None the one of the settings. With several prompts a dataset that
    names prompts is used for those alone. `refs` None means every prompt that a dataset tests. `at_least` of `repeats`
    must pass for a case to pass. `only_failed` leaves what did not pass the last time, or in the evaluation of id
    `failed_of`. `parameters` are the prompt's alone. `replies` is the source of replies.
    `only_own_datasets` leaves out for each prompt what does not test it. `left` is a revision and the commit at which
    HEAD left it, which a comparison with that revision is with. `is_estimate` asks nothing, so that no key is needed. A
    comparison begun `afresh` sets the answers of earlier ones of the same content aside. With `until` it ends once it
    is decided, see `promptctl.evaluations.until`. Assertions that run code are an error, unless it `allows_code` or
    `leaves_out_code`. `on_broken` is given what keeps a prompt that nobody named, or one of its datasets, from being
    evaluated; the others go on. Without it the first such error is raised.
    """

    refs: Sequence[str] | None
    datasets: Sequence[str] = ()
    models: Sequence[str] = ()
    default_model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    selection: Selection = field(default_factory=Selection)
    only_own_datasets: bool = False
    left: tuple[str, str] | None = None
    only_failed: bool = False
    failed_of: str | None = None
    repeats: int = 1
    at_least: int | None = None
    min_pass: float | None = None
    replies: Replies = "cache"
    is_estimate: bool = False
    afresh: bool = False
    until: UntilKind | None = None
    leaves_out_code: bool = False
    on_broken: Callable[[PromptctlError], None] | None = field(default=None, repr=False, compare=False)

    @property
    def code(self) -> CodeUse:
        """Return the use of assertions that run code."""
        return "run" if self.allows_code else "leave-out" if self.leaves_out_code else "refuse"

    @property
    def is_of_own(self) -> bool:
        """True if each prompt is evaluated on datasets that test it alone."""
        return self.only_own_datasets or self.refs is None

    @property
    def needs_keys(self) -> bool:
        """True if a model is asked."""
        return self.replies != "replay" and not self.is_estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest:
    """A request to take up evaluations of the log again.

    It is the one that `evaluation` names, or those that the last command left unfinished. With `prompts` only theirs.
    With `retries_errors` also finished evaluations of which some results are errors.
    """

    evaluation: str | None = None
    prompts: Sequence[str] = ()
    retries_errors: bool = False
    limits: Limits = field(default_factory=Limits)
    allows_code: bool = False
