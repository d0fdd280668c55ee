"""Log rules edited in the text of `promptctl.yaml`."""

from __future__ import annotations

import pytest

from promptctl.errors import InvalidFiles
from promptctl.formats.rule_editing import with_log_rules

HEAD = "# head\nmodel: echo/echo  # the model\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "log:\n  - {prompts: x/*, content: full}\n"),
        ("{model: a/b}\n", "{model: a/b, log: [{prompts: x/*, content: full}]}\n"),
        ("model: a/b\n...\n", "model: a/b\nlog:\n  - {prompts: x/*, content: full}\n...\n"),
        ("{}\n", "log:\n  - {prompts: x/*, content: full}\n"),
        ("# head\nmodel: a/b", "# head\nmodel: a/b\nlog:\n  - {prompts: x/*, content: full}"),
        ("log: []  # none\n", "log:  # none\n  - {prompts: x/*, content: full}\n"),
        (
            "log: [{prompts: '*'}]\nbranch: main\n",
            "log: [{prompts: '*'}, {prompts: x/*, content: full}]\nbranch: main\n",
        ),
        (
            "log:\n- {prompts: '*', active: false}  # off\n# rest\nbranch: main\n",
            "log:\n- {prompts: '*', active: false}  # off\n- {prompts: x/*, content: full}\n# rest\nbranch: main\n",
        ),
        (
            "log:\n    - prompts: a\n      content: full # a\n\n# b\nbranch: x",
            "log:\n    - prompts: a\n      content: full # a\n    - {prompts: x/*, content: full}\n\n# b\nbranch: x",
        ),
        ("log:\n  - prompts: a", "log:\n  - prompts: a\n  - {prompts: x/*, content: full}"),
        ("log:\n  - {prompts: x/*} # why\n", "log:\n  - {prompts: x/*, content: full} # why\n"),
        ("log:\n  - {content: 'metadata', prompts: x/*}\n", "log:\n  - {content: full, prompts: x/*}\n"),
        ("log:\n  - prompts: 'x/*'  # why\n", "log:\n  - prompts: 'x/*'  # why\n    content: full\n"),
        (
            "log:\n  - active: false\n    prompts: x/*\n    content: metadata # was\n",
            "log:\n  - active: false\n    prompts: x/*\n    content: full # was\n",
        ),
        (
            "log:\n  - {prompts: x/*, content: metadata}\n  - {prompts: x/*, content: metadata}\n",
            "log:\n  - {prompts: x/*, content: metadata}\n  - {prompts: x/*, content: full}\n",
        ),
        ("log:\r\n  - prompts: a\r\n", "log:\r\n  - prompts: a\r\n  - {prompts: x/*, content: full}\r\n"),
        ("\ufeffmodel: a/b\n", "\ufeffmodel: a/b\nlog:\n  - {prompts: x/*, content: full}\n"),
    ],
)
def test_only_the_rule_changes_in_the_text(before: str, after: str) -> None:
    assert with_log_rules(before.encode(), ["x/*"], {"content": "full"}).decode() == after
    assert with_log_rules(after.encode(), ["x/*"], {"content": "full"}).decode() == after, "once is enough"


def test_several_globs_and_keys_at_once() -> None:
    data = (HEAD + "log:\n  - {prompts: a, active: true}\n").encode()
    new = with_log_rules(data, ["a", "é'\"\\/*", "b", "b"], {"content": "metadata", "active": False}).decode()
    assert new == HEAD + (
        "log:\n  - {prompts: a, active: false, content: metadata}\n"
        '  - {prompts: "é\'\\"\\\\/*", content: metadata, active: false}\n'
        "  - {prompts: b, content: metadata, active: false}\n"
    )


def test_a_wrong_file_says_what_is_wrong() -> None:
    with pytest.raises(InvalidFiles, match="unknown key"):
        with_log_rules(b"modle: a/b\n", ["x"], {"content": "full"})
