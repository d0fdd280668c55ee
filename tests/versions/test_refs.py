from __future__ import annotations

import pytest

from promptctl.errors import UsageError
from promptctl.versions.prompt_at_version import Ref, is_label, parse_ref


@pytest.mark.parametrize(
    ("text", "prompt", "at"),
    [
        ("triage", "triage", None),
        ("support/triage", "support/triage", None),
        ("support/triage@production", "support/triage", "production"),
        ("support/triage@v7", "support/triage", "v7"),
        ("triage@main@{yesterday}", "triage", "main@{yesterday}"),
        ("triage@@{u}", "triage", "@{u}"),
        ("triage@refs/heads/x", "triage", "refs/heads/x"),
        ("triage@:/fix the tone", "triage", ":/fix the tone"),
        ("triage@--output=x", "triage", "--output=x"),
    ],
)
def test_the_first_at_sign_parts_prompt_and_version(text: str, prompt: str, at: str | None) -> None:
    assert parse_ref(text) == Ref(prompt, at)
    assert str(parse_ref(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no prompt"),
        ("@production", "names no prompt"),
        ("triage@", "no version follows @"),
        ("triage@  ", "no version follows @"),
        ("triage@a\nb", "cannot name a version"),
        ("triage@a\0b", "cannot name a version"),
        ("../secret", "cannot be a prompt"),
        ("-n", "cannot be a prompt"),
        ("support//triage", "cannot be a prompt"),
        ("support/triage.lock", "cannot be a prompt"),
        ("support triage", "cannot be a prompt"),
        ("triage@v7+2", "names nothing"),
        ("triage@v7+dirty", "names nothing"),
        ("triage@v?", "names nothing"),
        ("triage@v0", "names nothing"),
    ],
)
def test_a_ref_that_can_name_nothing_is_a_wrong_argument(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        parse_ref(text)
    assert error.value.hint


def test_an_id_of_other_letters_is_answered_with_one_of_plain_ones() -> None:
    with pytest.raises(UsageError) as error:
        parse_ref("support/größe prüfen@v7")
    assert error.value.hint == "a prompt's id is its path below prompts/, such as support/grosse-prufen"
    with pytest.raises(UsageError) as error:
        parse_ref("support/*")
    assert error.value.hint == "globs are not taken here: name each prompt by its id"


def test_the_path_of_a_prompt_is_answered_with_its_id() -> None:
    with pytest.raises(UsageError) as error:
        parse_ref("prompts/support/triage.prompt.yaml@production")
    assert error.value.hint == "its id is support/triage@production"


def test_numbers_and_labels_are_told_apart_from_revisions() -> None:
    assert [parse_ref(f"a@{at}").number for at in ("v7", "v12", "7", "v07", "V7", "vv7")] == [
        7,
        12,
        None,
        None,
        None,
        None,
    ]
    assert [parse_ref(f"a@{at}").label for at in ("production", "v7", "abc", "main~2", "refs/heads/x", "Prod")] == [
        "production",
        *[None] * 5,
    ]
    assert not is_label("deadbeef")
    assert is_label("beef-eater")
