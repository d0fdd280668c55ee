"""A review as one comment of a pull request: what stands against it first, everything long folded, never too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from promptctl.reports import review as words
from promptctl.reports.comparison import comparison_markdown
from promptctl.reports.markdown import code, folded, html, inline
from promptctl.reports.prompt_diff import diff_lines, hunk_lines
from promptctl.reports.verdict import MARKS
from promptctl.reports.wording import count
from promptctl.reviews.review import Review

T = TypeVar("T")
MARKER = "<!-- promptctl-review -->"
LONGEST = 65_000


@dataclass(frozen=True, slots=True)
class _Detail:
    """Amount shown: flipped cases for each comparison, lines of each diff, ids of cases, rows and items."""

    cases: int
    lines: int
    ids: int
    rows: int


_DETAILS = (
    _Detail(20, 400, 30, 200),
    _Detail(10, 120, 20, 200),
    _Detail(5, 50, 10, 150),
    _Detail(2, 20, 5, 100),
    _Detail(1, 8, 3, 60),
    _Detail(0, 0, 0, 200),
    _Detail(0, 0, 0, 40),
)


@dataclass(frozen=True, slots=True)
class _Space:
    """Room for details: of prompts that stand against the review, which come first, and of the rest."""

    failing: frozenset[str]
    of_failing: _Detail
    of_rest: _Detail

    def of(self, prompt: str) -> _Detail:
        return self.of_failing if prompt in self.failing else self.of_rest

    def sorted(self, found: Iterable[T], id_of: Callable[[T], str]) -> list[T]:
        """Return what is of prompts with those that fail first."""
        return sorted(found, key=lambda each: id_of(each) not in self.failing)


def review_markdown(review: Review) -> str:
    """Return the comment, at most 65,000 characters: as much in detail as there is space for, of what fails first."""
    rows = list(words.outcomes(review))
    failing = frozenset(
        row.prompt for row in rows if row.mark in ("❌", "⚠️") or words.is_lost_together(review, row.compared)
    )
    text = ""
    for of_failing in _DETAILS:
        text = "".join(_parts(review, rows, _Space(failing, of_failing, _DETAILS[-1])))
        if len(text) > LONGEST:
            continue
        for of_rest in _DETAILS[_DETAILS.index(of_failing) : -1]:
            fuller = "".join(_parts(review, rows, _Space(failing, of_failing, of_rest)))
            if len(fuller) <= LONGEST:
                return fuller
        return text
    end = f"\n\n… the rest is left out here; see it with {code(words.reproduce(review))}\n"
    kept = text[: LONGEST - len(end)]
    return kept[: kept.rfind("\n")] + end


def _parts(review: Review, rows: Iterable[words.ReviewRow], space: _Space) -> Iterator[str]:
    detail = space.of_rest
    yield f"{MARKER}\n### {_title(review)}\n\n"
    yield f"{' → '.join(map(inline, words.sides(review)))}: {words.counts(review)}.\n"
    if not review.decision.is_passed:
        yield f"\n**{' '.join(map(_inline, words.decision_pieces(review)))}**\n"
    yield from (f"\n**⚠️ {_inline(warning)}**\n" for warning in words.warning_pieces(review))
    yield from _table(space.sorted(rows, lambda row: row.prompt), detail)
    yield from _notes(review)
    yield from _breaks(review, detail)
    yield from _problems(review, detail)
    yield from _results(review, space)
    yield from _diffs(review, space)
    yield from _datasets(review, detail)
    yield from _moves(review, detail)
    yield f"\n<sub>{code(words.reproduce(review))}</sub>\n"


def _inline(text: words.Pieces) -> str:
    return f"{inline(text.before)} {'; '.join(map(inline, text.pieces))}".strip()


def _title(review: Review) -> str:
    mark = {"incomplete": "⚠️", "failed": "❌", "undecided": "➖", "not evaluated": "➖"}.get(review.state, "✅")
    return f"{mark} Prompt review: {review.state}"


def _table(rows: Sequence[words.ReviewRow], detail: _Detail) -> Iterator[str]:
    if not rows:
        return
    yield "\n| | Prompt | Change | Result | Dataset | Passed | Difference [95 %] | Cost | Median latency |\n"
    yield "|---|---|---|---|---|--:|--:|--:|--:|\n"
    for row, name in zip(rows[: detail.rows], words.row_names(rows), strict=False):
        cells = (
            row.mark,
            code(name),
            inline(row.change),
            inline(row.verdict),
            code(row.dataset) if row.dataset else "",
            *words.numbers(row),
        )
        yield f"| {' | '.join(cells)} |\n"
    yield from _rest(rows, detail.rows, "\n", " rows.")


def _notes(review: Review) -> Iterator[str]:
    notes = words.told_notes(review)
    if notes:
        yield "\n"
        yield from (f"- {inline(note)}\n" for note in notes)


def _breaks(review: Review, detail: _Detail) -> Iterator[str]:
    if not review.breaking:
        return
    yield "\n#### Breaking changes\n\n"
    most = max(3, detail.ids)
    for prompt in review.breaking[: detail.rows]:
        breaks = list(prompt.breaks())
        for whose, what, why in breaks[:most]:
            yield f"- {code(prompt.id)}, {whose}: {f'{code(what)}: ' if what else ''}{inline(why)}\n"
        yield from _rest(breaks, most, f"- {code(prompt.id)}: ")
    yield from _rest(review.breaking, detail.rows, after=" prompts")


def _problems(review: Review, detail: _Detail) -> Iterator[str]:
    found = words.told_problems(review)
    if not found:
        return
    yield "\n#### Files that cannot be used\n\n"
    for problem in found[: detail.rows]:
        where = f"{code(str(problem.place))}: " if problem.place else ""
        hint = f" ({inline(problem.hint)})" if problem.hint else ""
        yield f"- {where}{inline(problem.message)}{hint}\n"
    yield from _rest(found, detail.rows)


def _results(review: Review, space: _Space) -> Iterator[str]:
    for found in space.sorted(review.measurements, lambda found: found.prompt):
        detail = space.of(found.prompt)
        if not detail.lines:
            continue
        for compared in sorted(found.compared, key=lambda each: each.decision.is_passed):
            told = "".join(comparison_markdown(words.readable(compared), most_cases=detail.cases))
            if compared.decision.is_passed and not words.is_lost_together(review, compared):
                title = f"{compared.head.row.prompt}: {compared.verdict.kind}"
                told = f"<details><summary>{html(title)}</summary>\n\n{told}\n</details>\n"
            yield f"\n{told}"
        for evaluation in found.evaluations:
            row, mark = evaluation.row, MARKS[evaluation.verdict]
            yield f"\n#### {mark} {code(row.prompt)}: {evaluation.verdict}\n\n{inline(evaluation.reason)}. "
            yield f"Model {code(row.model)}, dataset {code(row.spec.dataset)}.\n"
            failing = [*evaluation.summary.failing, *evaluation.summary.errored]
            if failing:
                more = f" and {len(failing) - detail.cases} more" if len(failing) > detail.cases else ""
                yield f"\nNot passed: {inline(', '.join(failing[: detail.cases]))}{more}.\n"


def _diffs(review: Review, space: _Space) -> Iterator[str]:
    detail = space.of_rest
    shown = [prompt for prompt in space.sorted(review.prompts, lambda prompt: prompt.id) if space.of(prompt.id).lines]
    changed = [prompt for prompt in shown if prompt.diff is not None and not prompt.diff.is_empty]
    new = [prompt.head for prompt in shown if prompt.kind == "added" and prompt.head is not None]
    files = list(review.files.items()) if detail.lines else []
    if not (changed or new or files):
        return
    yield "\n#### What changed\n"
    several = {path for path, ids in review.files.items() if len(ids) > 1}
    for path, ids in files[: detail.rows]:
        yield from folded(
            words.about_file(path, ids), _file_lines(review, path) if path in several else [], detail.lines
        )
    bases = {side.base for prompt in review.prompts for side in (prompt.base, prompt.head) if side is not None}
    elsewhere = {path.removeprefix(f"{base}/") for path in several for base in bases}
    told = {f"! partial {path} changed" for path in elsewhere}
    for prompt in changed[: detail.rows]:
        assert prompt.diff is not None
        lines = list(diff_lines(prompt.diff, leaves_out=elsewhere))
        if not told.issuperset(lines):
            yield from folded(prompt.id, lines, space.of(prompt.id).lines)
    for head in new[: detail.rows]:
        yield from folded(f"{head.id} (new)", words.new_lines(head), space.of(head.id).lines)


def _file_lines(review: Review, path: str) -> list[str]:
    """Return the lines of a partial that several prompts include, shown once."""
    for prompt in review.prompts:
        for partial in prompt.diff.partials if prompt.diff is not None else ():
            if prompt.head is not None and path == f"{prompt.head.base}/{partial.path}":
                return list(hunk_lines(partial.hunks))
    return []


def _datasets(review: Review, detail: _Detail) -> Iterator[str]:
    if not review.datasets:
        return
    yield "\n#### Datasets\n\n"
    for dataset in review.datasets[: detail.rows]:
        was = f" from {inline(dataset.former_path)}" if dataset.former_path else ""
        parts = words.dataset_parts(dataset, detail.ids)
        # One by one: long ids of some cases cannot push what became of the others out of sight.
        told = f": {'; '.join(map(inline, parts))}" if parts and dataset.kind != "removed" else ""
        if dataset.kind == "added" and not dataset.problems:
            told = f", {count(len(dataset.added), 'case')}"
        yield f"- {code(dataset.path)} {dataset.kind}{was}{told}\n"
    yield from _rest(review.datasets, detail.rows)
    edits = [(dataset, edit) for dataset in review.datasets for edit in dataset.edits] if detail.lines else []
    for dataset, edit in edits[: detail.ids]:
        yield from folded(words.edit_title(dataset, edit), list(hunk_lines(edit.hunks)), detail.lines)
    yield from _rest(edits, detail.ids, "\n", " edited cases.")


def _moves(review: Review, detail: _Detail) -> Iterator[str]:
    if not review.moves:
        return
    yield "\n#### Labels moved meanwhile\n\n"
    for move in review.moves[: detail.rows]:
        why = f": {inline(move.event.reason)}" if move.event.reason else ""
        yield f"- {inline(words.about_moves(move))} on {move.event.date:%Y-%m-%d}{why}\n"
    yield from _rest(review.moves, detail.rows)


def _rest(found: Sequence[object], most: int, before: str = "- ", after: str = "") -> Iterator[str]:
    """Yield a line on how many are left out, if any are."""
    if len(found) > most:
        yield f"{before}… and {len(found) - most} more{after}\n"
