"""An experiment stopped in the text of `promptctl.yaml`."""

from __future__ import annotations

import pytest

from promptctl.errors import InvalidFiles, WorkspaceError
from promptctl.formats.rule_editing import with_stopped
from promptctl.formats.settings_file import read_settings

BLOCK = """\
model: echo/echo  # the default
experiments:
  # kinder or not
  tone:  # begun in May
    prompt: triage
    arms:
      control: {ref: "@a", share: 50}
      kind: {ref: "@b", share: 50}  # new
    primary: {feedback: resolved}
  other: {prompt: b, arms: {control: {ref: "@a", share: 50}, kind: {ref: "@b", share: 50}}, primary: {cost: mean},}
"""


@pytest.mark.parametrize(
    ("text", "name", "before", "after"),
    [
        (BLOCK, "tone", "    prompt: triage", '    stopped: "to: long \\"é\\" #1"\n    prompt: triage'),
        (BLOCK.replace("\n", "\r\n"), "tone", "    prompt", '    stopped: "to: long \\"é\\" #1"\r\n    prompt'),
        (BLOCK, "other", "{prompt: b", '{stopped: "to: long \\"é\\" #1", prompt: b'),
        (BLOCK.replace("    primary: {f", "    stopped: false # yet\n    primary: {f"), "tone", "false # yet",
         '"to: long \\"é\\" #1" # yet'),
    ],
)  # fmt: skip
def test_one_edit_and_everything_else_as_written(text: str, name: str, before: str, after: str) -> None:
    new = with_stopped(text.encode(), name, 'to: long "é" #1').decode()
    assert new == text.replace(before, after)
    stopped = {each.name: each.stopped for each in read_settings(new.encode()).experiments}
    assert stopped == {"tone": None, "other": None} | {name: 'to: long "é" #1'}


def test_a_file_that_is_wrong_is_not_edited() -> None:
    with pytest.raises(InvalidFiles):
        with_stopped(BLOCK.replace("share: 50}  #", "share: 90}  #").encode(), "tone", "x")
    with pytest.raises(WorkspaceError, match="has no experiment `tune`"):
        with_stopped(BLOCK.encode(), "tune", "x")
