"""Annotations of a review: which cases fail now, at a file that the branch changed."""

from __future__ import annotations

from promptctl.reports.annotations import annotation_lines
from tests.reviews.conftest import Pull


def test_they_say_which_cases_fail_now_at_the_partial_that_changed(pull: Pull) -> None:
    pull.edit("prompts/shared/tone.j2", "Be kind.", "Be WORSE.")
    (line,) = [each for each in annotation_lines(pull.data(), "apps/") if "triage" in each]
    assert line.startswith(
        "::error file=apps/prompts/shared/tone.j2,line=1::triage: Worse: 0 of 8 cases pass, 8 did. 8 now fail"
    )
    assert "case-1" in line
    assert "fresh pairs" not in line


def test_they_stand_at_the_prompt_if_it_changed_too(pull: Pull) -> None:
    pull.edit("prompts/shared/tone.j2", "Be kind.", "Be WORSE.")
    pull.edit("prompts/triage.prompt.yaml", "Say one word.", "Say a word.")
    (line,) = [each for each in annotation_lines(pull.data()) if "triage: " in each]
    assert line.startswith("::error file=prompts/triage.prompt.yaml,line=7::triage: Worse")


def test_a_break_that_fails_the_review_is_an_error(pull: Pull) -> None:
    pull.edit("prompts/triage.prompt.yaml", "ticket: {type: string}", "ticket: {type: string}\n  tone: {type: string}")
    for fails, kind in ((False, "warning"), (True, "error")):
        arguments = ("--fail-on-breaking",) if fails else ()
        lines = list(annotation_lines(pull.data(fails_on_breaking=fails, arguments=arguments)))
        (broken,) = [each for each in lines if "breaks callers" in each]
        assert broken.startswith(f"::{kind} file=prompts/triage.prompt.yaml,line=4::")


def test_what_is_wrong_with_a_file_is_said_once(pull: Pull) -> None:
    pull.edit("prompts/triage.prompt.yaml", "messages:", "mesages:")
    lines = [each for each in annotation_lines(pull.data()) if "prompts/triage.prompt.yaml" in each]
    assert len(lines) == len({each.partition("line=")[2].partition(":")[0] for each in lines})
    assert all(each.startswith("::error ") for each in lines)
