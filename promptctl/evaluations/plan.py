"""The plan of one evaluation, or of a comparison, as data: it can be shown, kept, sent to a process, and done."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from promptctl import __version__
from promptctl.assertions.preparing import CodeUse
from promptctl.calls.call import Target
from promptctl.context import Context
from promptctl.datasets.cases import Case
from promptctl.datasets.index import dataset_index
from promptctl.datasets.selection import Chosen
from promptctl.files.plain import canonical_json
from promptctl.formats.settings_file import CalibrationRule
from promptctl.log.results import EvaluationRow, EvaluationSpec
from promptctl.log.stamps import new_id, utc_now
from promptctl.prompts.prompt import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One evaluation to be done: the prompt's version and model, the spec, and the cases by id.

    `tests` is the prompt that the dataset was chosen for: its own file may be that. `code` says what becomes of
    assertions that run code, `calibrated` what is asked of judges that are to decide. `resumes` is the evaluation of
    the log that is taken up again; None begins a new one.
    """

    target: Target
    spec: EvaluationSpec
    chosen: Chosen
    tests: Prompt
    code: CodeUse = "refuse"
    calibrated: CalibrationRule | None = None
    resumes: EvaluationRow | None = None

    @property
    def results(self) -> int:
        """Number of results of the complete evaluation."""
        return self.chosen.count * self.spec.repeats

    def cases(self, context: Context) -> Iterator[Case]:
        """Yield the cases that were chosen, one at a time, as the prompt takes them."""
        dataset = dataset_index(context, self.code).open(self.spec.dataset, self.tests)
        return self.chosen.of(dataset.cases(self.target.prompt))

    def among(self, ids: frozenset[str]) -> Plan:
        """Return the plan of these of its cases alone."""
        return replace(self, chosen=Chosen(len(ids), ids), spec=replace(self.spec, cases=len(ids)))

    @property
    def is_asked(self) -> bool:
        """True if a model answers, rather than recordings."""
        return self.spec.replies != "replay" and not self.target.model.startswith("replay/")

    def row(self) -> EvaluationRow:
        """Return the row that the log keeps of a new evaluation."""
        target, version = self.target, self.target.version
        return EvaluationRow(
            id=new_id(),
            started_at=utc_now(),
            prompt=target.prompt.id,
            digest=version.digest,
            model=target.model,
            version=version.number,
            version_display=version.display,
            commit=version.commit,
            is_dirty=version.is_dirty,
            label=version.label,
            spec=self.spec,
            tool_version=__version__,
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """The head of a comparison, and its base over the same cases; None if it is evaluated by itself.

    `edited` are the cases that were edited together with head, `added` those that came with it. `shared` are the files
    besides the prompt's own, such as partials, that either side is made of and that differ.
    """

    head: Plan
    base: Plan | None = None
    edited: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()

    @classmethod
    def of(cls, head: Plan, base: Plan) -> Pair:
        """Return two plans as the sides of one comparison; where nothing is chance, no test looks at them in turn."""
        rows = head.row(), base.row()
        key, until = comparison_keys(*rows)[0], head.spec.until
        if until == "sequential" and not any(map(can_differ, rows)):
            until = "decided"
        own = replace(head.spec, side="head", comparison=key, until=until)
        other = replace(base.spec, side="base", drops_unknown_inputs=True, comparison=key, until=until)
        return cls(replace(head, spec=own), replace(base, spec=other))

    @property
    def sides(self) -> tuple[Plan, ...]:
        """The plans, base first."""
        return (self.head,) if self.base is None else (self.base, self.head)

    @property
    def is_same(self) -> bool:
        """True if both sides ask the same of one version, and take a reply that is known from the cache."""
        rows = [each.row() for each in self.sides]
        return self.base is not None and self.head.spec.replies == "cache" and ask_the_same(*rows)

    def again(self, ids: Collection[str], repeats: int) -> Pair:
        """Return the pair over these cases alone, so often: both sides are asked anew, nothing comes from the cache."""

        def fresh(side: Plan) -> Plan:
            wanted = side.among(frozenset(ids))
            spec = replace(wanted.spec, side="rerun", replies="ask", ids=tuple(sorted(ids)), at_least=None)
            return replace(wanted, spec=replace(spec, repeats=repeats))

        return Pair(fresh(self.head), fresh(self.base) if self.base is not None else None)


def ask_the_same(base: EvaluationRow, head: EvaluationRow) -> bool:
    """Return True if both evaluations asked the same of one version."""
    return (base.digest, base.model) == (head.digest, head.model) and not base.spec.unlike(head.spec)


def can_differ(row: EvaluationRow) -> bool:
    """Return True if the replies to one request, or what a judge says of them, may differ from each other."""
    models = (row.model, *([row.spec.judge_model] if row.spec.judge_model else []))
    return row.spec.replies != "replay" and not all(each.startswith(("echo/", "replay/")) for each in models)


ADDED_TO_KEY = ("dataset_beside", "judge", "shard", "left_out", "code_left_out", "server")


def comparison_keys(head: EvaluationRow, base: EvaluationRow) -> tuple[str, str]:
    """Return a digest that is equal for comparisons of the same versions, models and work.

    In what order the cases are asked does not matter, so the seed counts only where it draws a sample. The second is
    the digest of earlier versions of the program, in which the work of `ADDED_TO_KEY` did not count.
    """
    spec = head.spec
    asked: list[object] = [
        *([each.prompt, each.digest, each.model, dict(each.spec.parameters)] for each in (base, head)),
        *(spec.dataset_digest, spec.ids, spec.tags, spec.sample, spec.seed if spec.sample else 0, spec.first),
        *(spec.repeats, spec.passes_needed, spec.judge_model, spec.replies == "replay"),
    ]
    if spec.judge_parameters:  # only then: the keys of earlier comparisons stay as they are
        asked.append(dict(spec.judge_parameters))
    if spec.split:
        asked.append(dict(spec.split))
    if base.spec.rules or spec.rules:
        asked.append([dict(each.spec.rules) for each in (base, head)])
    both = [[each.spec.work[name] for name in ADDED_TO_KEY] for each in (base, head)]
    return _digest([*asked, both] if any(map(any, both)) else asked), _digest(asked)


def _digest(value: Any) -> str:
    return sha256(canonical_json(value).encode()).hexdigest()[:32]
