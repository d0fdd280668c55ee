"""A request to review what HEAD changed: against what, how results are judged, and within which bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.comparisons.rule import GateRule
from promptctl.evaluations.request import EvaluationRequest, EvaluationTerms
from promptctl.log.results import Replies
from promptctl.models.gateway import REPLAY


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest(EvaluationTerms):
    """A request to review what HEAD changed.

    `base` and `head` are revisions; see `promptctl.reviews.range.find_range` for what None means. With
    `is_base_as_it_is` HEAD is compared with BASE itself, not with where it left that. With `is_evaluated` False nothing
    is asked of a model. `replies` is the source of replies. `allows_code` runs the code that HEAD's datasets name,
    which is left out otherwise. `rule` is a rule, or those of its fields that are not as BASE's settings say.
    `arguments` are the options that make the same review again.
    """

    base: str | None = None
    head: str | None = None
    is_base_as_it_is: bool = False
    models: Sequence[str] = ()
    rule: GateRule | Mapping[str, Any] = field(default_factory=dict)
    is_evaluated: bool = True
    replies: Replies = "cache"
    fails_on_breaking: bool = False
    arguments: Sequence[str] = ()

    @property
    def is_replayed(self) -> bool:
        """True if recordings answer or judge, whatever model a prompt names."""
        models = (*self.models, self.judge or "")
        return self.replies == "replay" or any(model.startswith(REPLAY) for model in models)

    def evaluation(self, ref: str, dataset: str) -> EvaluationRequest:
        """Return the request to evaluate one prompt over one dataset, as this review asks for it."""
        return EvaluationRequest(
            refs=[ref],
            datasets=[dataset],
            models=self.models,
            replies=self.replies,
            leaves_out_code=True,
            **self.terms,
        )
