"""Foreign words in messages and commands: quoted for every shell, and nothing in them unseen."""

from __future__ import annotations

import copy
import pickle
import shutil
import subprocess
import traceback

import pytest

from promptctl.errors import UNSEEN, InputError, printable, quote

WORDS = [
    *(
        "",
        "\\",
        "\\'",
        "\\'\"; touch PWNED; #",
        "a\\\\b",
        "end\\",
        "'\\'",
        "it's",
        "=ls",
        "~",
        "%self",
        "$(id)",
        "`id`",
    ),
    *("{a,b}", "*", "\\n", "a\\\nb", "!x it's! '!y", "-x", "support/triage@v7", "naïve 東京"),
]


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish"])
def test_a_quoted_word_is_the_word_in_every_shell(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command = "; ".join(f"printf '%s\\0' {quote(word)}" for word in WORDS)
    found = subprocess.run([shell, "-c", command], capture_output=True, check=True).stdout.decode()
    assert found.split("\0")[:-1] == WORDS


def test_no_backslash_stands_within_quotes() -> None:
    assert quote("\\'\"; touch PWNED; #") == "\\\\''\"'\"'\"; touch PWNED; #'"
    assert [quote(word) for word in ("", "v7", "=ls", "a b", "a\\b")] == ["''", "v7", "'=ls'", "'a b'", "'a'\\\\'b'"]


@pytest.mark.parametrize(
    "character",
    [*"\u034f\u115f\u17b4\u180e\u200b\u2800\u3164\u00ad\ufeff\ufe01", "\U000e0041", "\U000e0100", "\U0001d173"],
)
def test_what_nobody_sees_is_escaped(character: str) -> None:
    assert printable(f"x{character}y") == f"x{character.encode('unicode_escape').decode()}y"


@pytest.mark.parametrize("text", ["👩‍❤️‍👨 ☎️ 1️⃣ ❤️‍🔥", "می‌خواهم", "क्‍ष", "naïve 東京 ㄅ"])
def test_what_words_and_pictures_need_stays(text: str) -> None:
    assert UNSEEN.search(text) is None


@pytest.mark.parametrize(
    ("text", "found"), [("a\u200db", 1), ("a\u200c\u200d", 2), ("☎\ufe0f\ufe0f", 1), ("a\ufe0f", 1)]
)
def test_a_joiner_or_selector_where_nothing_needs_it_is_unseen(text: str, found: int) -> None:
    assert len(UNSEEN.findall(text)) == found


def test_a_traceback_ends_with_what_to_do() -> None:
    error = InputError("`ticket` is missing", hint="give one")
    error.hint = "give it"
    copied = pickle.loads(pickle.dumps(error))
    for each in (error, copied):
        assert traceback.format_exception_only(each)[-2:] == [
            "promptctl.errors.InputError: `ticket` is missing\n",
            "hint: give it\n",
        ]
    error.hint = None
    assert len(traceback.format_exception_only(error)) == 1


def test_notes_of_others_stay_and_a_copy_has_its_own() -> None:
    error = InputError("`ticket` is missing", hint="give one")
    error.add_note("asked by a form")
    copied = copy.copy(error)
    copied.add_note("seen twice")
    error.hint = "give it"
    assert error.__notes__ == ["asked by a form", "hint: give it"]
    assert copied.__notes__ == ["hint: give one", "asked by a form", "seen twice"]
