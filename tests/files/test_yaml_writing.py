"""Data that is written and read back, to the last blank."""

from __future__ import annotations

import pytest

from promptctl.files.yaml_reader import read_yaml
from promptctl.files.yaml_writing import yaml_text


@pytest.mark.parametrize("text", ["ends with a blank \nand goes on", "  \n  indented.  \n  ", "a\n   \nb", "\n \nx\n"])
def test_blanks_at_the_ends_of_lines_stay_within_lists_too(text: str) -> None:
    data = {"messages": [{"role": "user", "content": text}, [text]], "text": text}
    assert read_yaml(yaml_text(data).encode(), "x.yaml").data == data
