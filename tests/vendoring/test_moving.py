"""Files at new paths say the same: whatever is included, however it is written, from whichever folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptctl.files.tree import MemoryTree
from promptctl.prompts.loading import load_prompt_file
from promptctl.vendoring.licences import spdx_of
from promptctl.vendoring.moving import Moves, moved
from promptctl.vendoring.offering import _words
from promptctl.vendoring.outdated import newer_tags
from tests.prompts.conftest import render

PATHS = ["prompts/a.j2", "prompts/s/b.j2", "prompts/s/a.j2", "prompts/s/t/c.j2", "prompts/u/a-b.j2"]
PROMPT = "prompts/s/p.prompt.yaml"
STYLES = ('{{% include "{}" %}}', "{{%- include '{}' -%}}", '{{% include "{0}" %}} {0} {{% include "{0}" %}}')


@st.composite
def libraries(draw: st.DrawFn) -> dict[str, str]:
    """A prompt and partials that include each other, later ones only, each reference in one of the ways there are."""
    files = {}
    for number, path in enumerate([PROMPT, *PATHS]):
        lines = [f"Text {number} about a.j2 and s/b.j2."]
        for target in draw(st.lists(st.sampled_from(PATHS[number:]), max_size=2)) if PATHS[number:] else ():
            folder = path.rpartition("/")[0]
            reference = target.removeprefix("prompts/")
            if target.startswith(f"{folder}/") and draw(st.booleans()):
                reference = f"./{target.removeprefix(f'{folder}/')}"
            lines.append(draw(st.sampled_from(STYLES)).format(reference))
        files[path] = "\n".join(lines) + "\n"
    body = "".join(f"      {line}\n" for line in files[PROMPT].splitlines())
    return {**files, PROMPT: f"messages:\n  - role: user\n    content: |\n{body}"}


def said(files: dict[str, str | bytes], path: str) -> str:
    """The prompt's message as a model would get it."""
    return str(render(load_prompt_file(MemoryTree(files), path), {}).messages[0]["content"])


@pytest.mark.parametrize("own", ["prompts/kit/s/p.prompt.yaml", "prompts/kit.prompt.yaml", "prompts/x/y.prompt.yaml"])
@given(libraries())
def test_a_prompt_says_the_same_at_its_new_path(own: str, files: dict[str, str]) -> None:
    tree = MemoryTree(files)
    paths = {path: path.replace("prompts/", "prompts/kit/", 1) for path in PATHS} | {PROMPT: own}
    moves = Moves("prompts", paths, {"s/p": "kit"})
    here: dict[str, str | bytes] = {
        paths[path]: moved(tree, path, moves, text.encode()) for path, text in files.items()
    }
    assert said(here, own) == said({**files}, PROMPT)


def test_tags_of_higher_versions() -> None:
    assert newer_tags("v1.2", ["v1.10", "v1.3.1", "v1.2", "v1.1", "kit-v2", "v2.0-rc1", "latest"]) == (
        "v1.10",
        "v1.3.1",
    )
    assert newer_tags("kit-1", ["kit-2", "other-3", "3"]) == ("kit-2",)
    assert newer_tags("v2.0-rc.2", ["v2.0-rc.10", "v2.0", "v2.0-rc.1", "v1.9"]) == ("v2.0", "v2.0-rc.10")
    assert newer_tags("latest", ["v1"]) == ()
    assert newer_tags("v1", [f"v{'9' * 200}", "v2"]) == ("v2",)
    assert newer_tags("v1.0-rc1", ["v1.0-" + "1" * 5000, "v1.0-rc2"]) == ("v1.0-rc2",)


def test_a_licence_is_named_if_its_text_leaves_no_doubt() -> None:
    apache = (Path(__file__).parents[2] / "LICENSE").read_bytes()
    assert spdx_of(apache) == "Apache-2.0"
    assert spdx_of(apache.replace(b"perpetual", b"temporary")) is None
    assert spdx_of(b"// SPDX-License-Identifier: MIT OR Apache-2.0\r\n") == "MIT OR Apache-2.0"
    assert spdx_of(b"You may do what you want.") is None
    assert spdx_of(b"\xff\xfe") is None
    assert spdx_of(b"") is None


MIT = """\
MIT License

Copyright (c) 2026 Acme, Inc. and contributors. All rights reserved.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


@pytest.mark.parametrize(
    "line",
    [
        "(c) 2015-2018 Zoë Kögl <zoe@example.com> (https://example.com), Ingrid van der Berg",
        "Copyright (c) [year] [fullname]",
        "Copyright 2016 The ruler authors (see AUTHORS file).",
        "Copyright (c) 2020 王小明",
        "Copyright (c) 2019 김영희",
        "Copyright 2018 山田 太郎",
        "Copyright (c) 2020 Иван Петров",
        "Copyright (c) 2021 evan you",
        "Copyright (c) 2017-2021 Ingy döt Net",
        "SPDX-FileCopyrightText: 2026 Acme\n// SPDX-License-Identifier: MIT",
    ],
)
def test_a_line_that_names_a_holder_leaves_no_doubt(line: str) -> None:
    assert spdx_of(f"{line}\n{MIT}".encode()) == "MIT"


@pytest.mark.parametrize(
    "text",
    [
        f"{MIT}\n(c) Acme 2026: commercial use is forbidden without a written contract.\n",
        f"Copyright notice: NOT to be used by competitors, nor to train models.\n{MIT}",
        f"Copyright 2026 Acme\nCopyright 2026 NOT FOR COMMERCIAL USE\n{MIT}",
        f"{MIT}\nКоммерческое использование запрещено.\n",
        f"{MIT}\n禁止商业用途。\n",
        f"{MIT}\n(c) 禁止商业用途\n",
        f"{MIT}\nCopyright 2020 禁止商用\n",
        f"{MIT}\nCopyright 2020 王小明 不得商用\n",
        f"{MIT}\nCopyright 2020 Acme. Запрещено коммерческое использование\n",
        f"{MIT}\nCopyright 2020 Acme, for evaluation purposes\n",
        f"{MIT}\nCopyright (c) 2024 internal evaluation\n",
        f"{MIT}\nCopyright (c) 2024 学术研究\n",
        "All rights reserved. Copy nothing, but for examples/, which is\nSPDX-License-Identifier: MIT\n",
        "SPDX-License-Identifier: MIT\nSPDX-License-Identifier: GPL-3.0-only\n",
        "SPDX-License-Identifier: MIT\nYou need a contract.\n",
        f"SPDX-License-Identifier: GPL-3.0-only\n{MIT}",
        "This is NOT under SPDX-License-Identifier: MIT\n",
    ],
)
def test_a_licence_with_more_to_say_is_not_named(text: str) -> None:
    assert spdx_of(text.encode()) is None
    assert spdx_of(text.encode("utf-16")) is None


def test_a_sign_in_an_old_encoding_is_no_condition_and_a_word_is() -> None:
    assert spdx_of(MIT.replace("(c)", "©").encode("latin-1")) == "MIT"
    assert spdx_of(MIT.encode() + "\nЗапрещено\n".encode("koi8-r")) is None


@pytest.mark.parametrize(
    ("readme", "title", "about"),
    [
        ("# Kit\n\nFirst.\n\nSecond.", "Kit", "First."),
        ("Kit\n===\n\nFirst *words*\nof two lines.", "Kit", "First words of two lines."),
        ("[![b](b.svg)](x)\n\n## `Kit`\nDirectly below.\n", "Kit", "Directly below."),
        ("", "", ""),
        ("# Kit\n\n- a list\n\n<p>\n", "Kit", ""),
    ],
)
def test_the_first_words_of_a_readme(readme: str, title: str, about: str) -> None:
    assert _words(readme) == (title, about)


def test_a_mass_of_signs_is_read_in_time() -> None:
    assert re.fullmatch(r"(\[ ?)*", _words("[" * 5000)[1])
