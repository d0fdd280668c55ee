"""Differences between the prompts of two evaluations, as far as their texts are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from promptctl.catalogue.difference import evaluated_prompt
from promptctl.comparisons.compared import Compared
from promptctl.context import Context
from promptctl.differences.diff import diff_prompts
from promptctl.evaluations.evaluation import Evaluation
from promptctl.log.results import EvaluationRow
from promptctl.reports.prompt_diff import diff_lines
from promptctl.reports.review import new_lines


@dataclass(frozen=True, slots=True)
class EvaluatedDiff:
    """The lines that differ between two prompts; of one that is not at hand, the sentence `why_not` alone."""

    title: str
    lines: tuple[str, ...] = ()
    why_not: str | None = None


def evaluated_diffs(
    context: Context, compared: Sequence[Compared], alone: Sequence[Evaluation]
) -> Iterator[EvaluatedDiff]:
    """Yield each difference once, whatever models and datasets it was measured with; a prompt without a base is new."""
    rows = {
        (base.prompt, base.digest, head.prompt, head.digest): (base, head)
        for base, head in ((each.base.row, each.head.row) for each in compared)
    }
    for base, head in rows.values():
        title = head.prompt if base.prompt == head.prompt else f"{base.prompt} → {head.prompt}"
        before, after = evaluated_prompt(context, base), evaluated_prompt(context, head)
        if before is not None and after is not None:
            yield from _shown(context, title, diff_lines(diff_prompts(before, after)))
        elif base.digest != head.digest:
            lost = f"before {_lost(base)}" if before is None else f"after {_lost(head)}"
            yield EvaluatedDiff(title, why_not=f"{title}: what changed is not shown, as the prompt {lost}")
    for row in {(each.row.prompt, each.row.digest): each.row for each in alone}.values():
        if (prompt := evaluated_prompt(context, row)) is not None:
            yield from _shown(context, f"{row.prompt} (new)", new_lines(prompt))
        else:
            yield EvaluatedDiff(row.prompt, why_not=f"{row.prompt} is new and is not shown, as the prompt {_lost(row)}")


def _shown(context: Context, title: str, lines: Iterable[str]) -> Iterator[EvaluatedDiff]:
    if text := context.redactor.redact("\n".join(lines)):
        yield EvaluatedDiff(title, tuple(text.split("\n")))


def _lost(row: EvaluationRow) -> str:
    why = "its files were changed since"
    if row.commit is not None and not row.is_dirty:
        why = f"this clone does not have it at commit {row.commit[:7]}"
    return f"({row.version_display or 'unversioned'}) is no longer at hand: {why}"
