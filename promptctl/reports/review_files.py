"""Writes a review to a file, in the format that its name asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from promptctl.errors import UsageError
from promptctl.evaluations.evaluation import Evaluation
from promptctl.git.outputs import replace_output
from promptctl.log.redaction import Redactor
from promptctl.log.store import Store
from promptctl.reports import review as words
from promptctl.reports.files import check_place
from promptctl.reports.prompt_diff import diff_lines
from promptctl.reports.wording import count
from promptctl.reviews.review import Review

SUFFIXES = (".md", ".markdown", ".json", ".html", ".xml")


def check_suffixes(paths: Sequence[Path]) -> None:
    """Raise for a file whose name asks for no format, or that could not be written, before anything is spent."""
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(
                f"{path.name or path}: no review has the suffix {path.suffix or '(none)'}",
                hint="use .md, .json, .html or .xml (JUnit)",
            )
        check_place(path)


def write_review(path: Path, log: Store, review: Review, redactor: Redactor) -> None:
    """Write the review, without the secrets that a prompt's text may hold.

    Raises `WorkspaceError` if the file cannot be written; it then stays as it was.
    """
    parts = _written(path.suffix.lower(), log, review, redactor)
    replace_output(path, (part.encode("utf-8", "replace") for part in parts))


def _written(suffix: str, log: Store, review: Review, redactor: Redactor) -> Iterator[str]:
    if suffix == ".json":
        from promptctl.reports.review_json import review_as_dict

        yield json.dumps(redactor.redact_data(review_as_dict(review)), ensure_ascii=False, indent=2) + "\n"
    elif suffix == ".html":
        yield from review_page(log, review, redactor)
    elif suffix == ".xml":
        yield from review_junit(log, review)
    else:
        from promptctl.reports.review_markdown import review_markdown

        yield redactor.redact(review_markdown(review))


def review_junit(log: Store, review: Review) -> Iterator[str]:
    """Yield a suite of the gates, and one for each evaluation of HEAD."""
    from promptctl.reports.junit import document, gate_suite, suite

    gates: list[tuple[str, int | None, str]] = []
    for found in review.measurements:
        is_skipped = found.decision.is_passed and not found.is_made
        code, reason = (None, found.why_not or "") if is_skipped else (found.decision.exit_code, found.decision.reason)
        gates.append((found.prompt, code, reason))
    is_skipped = review.state == "not evaluated"
    gates.append(("review", None if is_skipped else review.decision.exit_code, review.decision.reason))

    heads = (suite(log, evaluation, is_stable=True) for evaluation in _heads(review))
    yield from document(chain(gate_suite("promptctl review", gates, words.warnings(review)), *heads))


def review_page(log: Store, review: Review, redactor: Redactor) -> Iterator[str]:
    """Yield one self-contained page: the review above, the cases of both sides below."""
    from promptctl.reports.comparison_page import sides_page
    from promptctl.reports.sentences import of_review

    opening = of_review(review)
    about = {
        "title": "Review: " + " → ".join(words.sides(review)),
        **redactor.redact_data(opening.as_dict()),
        "about": words.counts(review),
        "review": redactor.redact_data(_page_part(review)),
    }
    yield from sides_page(log, review.compared, review.alone, about, is_stable=True)


def _page_part(review: Review) -> dict[str, Any]:
    from promptctl.reports.comparison_page import row_of

    outcomes = list(words.outcomes(review))
    rows = [
        {"dataset": row.dataset, "verdict": row.verdict, "reason": row.evaluation.reason if row.evaluation else ""}
        | (row_of(row.compared) if row.compared else {})
        | {"mark": row.mark, "prompt": name, "change": row.change}
        for row, name in zip(outcomes, words.row_names(outcomes), strict=True)
    ]
    return {
        "passed": review.decision.is_passed,
        "decision": " ".join(words.told_reasons(review)),
        "rows": rows,
        "breaks": words.told_breaks(review),
        "warnings": words.warnings(review),
        "notes": words.told_notes(review),
        "problems": [
            str(problem) + (f" ({problem.hint})" if problem.hint else "") for problem in words.told_problems(review)
        ],
        "files": [words.about_file(path, ids) for path, ids in review.files.items()],
        "diffs": list(_diffs(review)),
        "datasets": [words.about_dataset(dataset, 100) for dataset in review.datasets],
        "moves": [words.about_moves(move) for move in review.moves],
        "reproduce": words.reproduce(review),
        "evaluate": words.to_evaluate(review) if review.state == "not evaluated" else "",
    }


def _diffs(review: Review) -> Iterator[dict[str, Any]]:
    for prompt in review.prompts:
        if prompt.diff is not None and not prompt.diff.is_empty:
            was = f" (was {prompt.former_id})" if prompt.former_id else ""
            yield {"title": prompt.id + was, "lines": list(diff_lines(prompt.diff))}
        elif prompt.kind == "added" and prompt.head is not None:
            yield {"title": f"{prompt.id} (new)", "lines": words.new_lines(prompt.head)}
    for dataset in review.datasets:
        for edit in dataset.edits:
            if edit.hunks:
                yield {"title": words.edit_title(dataset, edit), "lines": words.edit_lines(edit)}
        if hidden := [edit for edit in dataset.edits if not edit.hunks]:
            title = f"{dataset.path}: {count(len(hidden), 'more edited case')}, too much to show"
            yield {"title": title, "lines": words.cut_lines([", ".join(edit.cases) for edit in hidden])}


def _heads(review: Review) -> Iterator[Evaluation]:
    for found in review.measurements:
        yield from (compared.head for compared in found.compared)
        yield from found.evaluations
