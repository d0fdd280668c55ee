"""Changes of HEAD in `promptctl.yaml`, of which a review uses BASE's, and whose results they change once merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptctl.comparisons.rule import rule_of
from promptctl.datasets.index import DatasetIndex
from promptctl.differences.part_changes import ValueChange, compare_mappings
from promptctl.errors import WorkspaceError
from promptctl.files.names import SETTINGS
from promptctl.files.wording import count, name_some
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.settings_file import Settings
from promptctl.git.trees import CommitTree, WorkTree
from promptctl.prompts.loading import load_prompt
from promptctl.reviews.range import ReviewRange
from promptctl.versions.committed_settings import settings_of

_GATES = ("worse", "noninferior", "strict")
_NAMES = {"gate": "rule", "judged": "metrics"}
_Test = Callable[[Any, Any], bool]
_WEAKER: dict[str, _Test] = {
    "gate": lambda old, new: _GATES.index(new) < _GATES.index(old),
    "margin": lambda old, new: new > old,
    "min_effect": lambda old, new: new > old,
    "judged": lambda old, new: not {*old} <= {*new},
    "reruns": lambda old, new: new < old,
    "max_cost_increase": lambda old, new: old is not None and (new is None or new > old),
    "max_token_increase": lambda old, new: old is not None and (new is None or new > old),
}


@dataclass(frozen=True, slots=True)
class SettingsReview:
    """BASE's settings where HEAD left it, HEAD's own, and the values of the file that HEAD changed, if it can be read.

    `tip` are those of BASE now, which everything is evaluated with but for HEAD's default model.
    """

    tip: Settings
    before: Settings
    after: Settings
    values: tuple[ValueChange, ...] = ()

    @property
    def default_model(self) -> str | None:
        """The model that HEAD's prompts without one have once it is merged."""
        return self.tip.model if self.before.model == self.after.model else self.after.model

    @property
    def judging_model(self) -> tuple[str | None, str | None]:
        """The model of judges without one, now and once HEAD is merged."""
        is_own = self.before.judging_model != self.after.judging_model
        return self.tip.judging_model, self.after.judging_model if is_own else self.tip.judging_model

    def weaker_gate(self) -> Iterator[str]:
        """Yield each part of the gate's rule that asks for less, in a sentence without its full stop."""
        old, new = (rule_of(each.gate.rule, {}) for each in (self.before, self.after))
        for name, is_weaker in _WEAKER.items():
            sides = getattr(old, name), getattr(new, name)
            if is_weaker(*sides):
                before, after = map(_told, sides)
                yield f"{SETTINGS}: gate.{_NAMES.get(name, name)} {before} → {after}"

    def unmeasured(self, index: DatasetIndex) -> Iterator[str]:
        """Yield each model that HEAD has asked in a different way, with the prompts tested there that it answers for.

        Where and how a model is asked is BASE's to say, so a review cannot tell what becomes of the replies.
        """
        if self.before.models == self.after.models:
            return
        answering: dict[str, list[str]] = {}
        for id_ in index.tested_prompts(skips_broken=True):
            try:
                model = load_prompt(index.tree, id_).model or self.default_model
            except WorkspaceError:  # told where it is reviewed
                continue
            if model is not None:
                answering.setdefault(model, []).append(id_)
        for model, ids in answering.items():
            rules = (each.model_rule(model).of_replies for each in (self.before, self.after))
            yield from asked_otherwise(model, "answers for", ids, *rules)


def asked_otherwise(
    model: str, does: str, ids: Sequence[str], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what differs in how a model is asked, which does something for tested prompts; nothing if nothing does."""
    if names := [change.name for change in compare_mappings(before, after)]:
        which = f"{count(len(ids), 'tested prompt')} ({name_some(ids)})"
        yield f"HEAD changes how {model} is asked, which {does} {which}: {name_some(names)}"


def settings_review(tip: Settings, moments: ReviewRange, own: Settings | None) -> SettingsReview:
    """Return what HEAD, whose settings are `own`, changed of BASE's; nothing if either cannot be read."""
    try:
        before = settings_of(moments.base) or Settings()
        values = compare_mappings(_values(moments.base), _values(moments.head)) if own is not None else ()
    except WorkspaceError:
        own = None
    if own is None:
        return SettingsReview(tip, tip, tip)
    return SettingsReview(tip, before, own, values)


def _values(tree: CommitTree | WorkTree) -> Mapping[str, Any]:
    try:
        found = read_yaml(tree.read(SETTINGS), SETTINGS).data
    except FileNotFoundError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _told(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
