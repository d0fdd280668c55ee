"""The mask of sensitive inputs: what it finds in texts, and the key of its hashes."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from promptctl.log.masking import Mask
from promptctl.prompts.prompt import Input, Prompt

NAME = 'Maria "Q" Ochoa-Ñ'


def mask(folder: Path, **values: Any) -> Mask:
    inputs = {name: Input(name, {}, is_sensitive=True) for name in values}
    return Mask.of(folder, Prompt("p", "", "", "p", (), inputs=inputs), values)


@pytest.mark.parametrize(
    "form",
    [
        NAME,
        NAME.upper(),
        NAME.lower(),
        NAME.title(),
        json.dumps(NAME),
        json.dumps(NAME, ensure_ascii=False),
        quote(NAME),
        base64.b64encode(f"u:{NAME}".encode()).decode(),
        NAME.replace('"', "&#34;").replace("&#34;", "&quot;"),
    ],
)
def test_a_value_is_hidden_in_the_forms_that_templates_and_replies_give_it(tmp_path: Path, form: str) -> None:
    hidden = mask(tmp_path, name=f"  {NAME}\n").text(f"to {form}, and again:{form}.")
    assert "maria" not in hidden.casefold()
    assert form not in hidden
    assert hidden.startswith("to ")
    assert hidden.count("[sensitive: name]") == 2


def test_a_short_value_is_hidden_as_a_word_and_never_inside_one(tmp_path: Path) -> None:
    hides = mask(tmp_path, age=42, grade="a", sex="male", town="東京")
    assert hides.text("a cat of 42, 142 or 4.42m: female, Male; 東京都") == (
        "[sensitive: grade] cat of [sensitive: age], 142 or 4.42m: female, [sensitive: sex]; [sensitive: town]都"
    )
    untouched = "nothing here"
    assert hides.text(untouched) is untouched
    assert hides.data({"n": 42, "m": True, "x": ["male"]}, numbers=True) == {
        "n": "[sensitive: age]", "m": True, "x": ["[sensitive: sex]"],
    }  # fmt: skip
    assert hides.data({"score": 42}) == {"score": 42}


def test_what_a_template_made_of_a_value_is_hidden_too(tmp_path: Path) -> None:
    hides = mask(tmp_path, number="abc-12-99", note="please call the number back")
    sent: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief, please."},
        {"role": "user", "content": [{"type": "text", "text": "For ABC1299 (abc): KCAB rebmun eht llac, 9"}]},
    ]
    stored: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief, please."},
        {"role": "user", "content": [{"type": "text", "text": "For [SENSITIVE: NUMBER] ([se): ]eton :evitisnes[, 24"}]},
    ]
    hides.learn(sent, stored)
    assert hides.text("ABC1299 is the number of abc1299, please") == "[sensitive] is the number of [sensitive], please"
    assert hides.text("KCAB, brief") == "KCAB, brief"


def test_parts_of_nested_values_and_excerpts_of_long_ones_are_hidden(tmp_path: Path) -> None:
    letter = "Dear doctor,\nmy left knee hurts badly when I climb the stairs to my flat"
    hides = mask(tmp_path, patient={"name": "Maria Ochoa", "ids": [1234567]}, letter=letter)
    assert hides.text("Maria Ochoas 1234567; 'My left knee hurts badly', so: “…when I climb the st…”") == (
        "[sensitive: patient]s [sensitive: patient]; '[sensitive: letter]', so: “…[sensitive: letter]…”"
    )
    named = {"kind": {"Maria Ochoa": 1}}
    assert mask(tmp_path, a=named).text("kind of Maria Ochoa") == "kind of [sensitive: a]", "a key of its own"
    assert mask(tmp_path, a="u-17 Ochoa").name("of u-17 Ochoa") == mask(tmp_path, a="u-17 Ochoa").name("of u-17 Ochoa")
    long = "".join(f"{number} " for number in range(9_999))
    assert mask(tmp_path, a=long).text(f"<{long}|{long[5:5_000]}|{long[20_000:20_040]}>") == (
        "<[sensitive: a] |[sensitive: a]|[sensitive: a]>"
    )


def test_equal_values_have_equal_hashes_in_one_workspace_alone(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    found = mask(one, a={"x": 1, "y": 2}).inputs({"a": {"x": 1, "y": 2}, "b": "free"})
    assert found["b"] == "free"
    assert found["a"].startswith("hmac-sha256:")
    assert mask(one, c={"y": 2, "x": 1}).inputs({"c": {"y": 2, "x": 1}})["c"] == found["a"]
    assert mask(other, a={"x": 1, "y": 2}).inputs({"a": {"x": 1, "y": 2}})["a"] != found["a"]
    assert (one / "sensitive.key").stat().st_mode & 0o777 == 0o600


def test_many_that_need_the_key_first_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: mask(tmp_path, a="x").inputs({"a": "x"})["a"], range(64)))
    assert len(found) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["sensitive.key"]


@pytest.mark.parametrize("key", [b"", b"short"])
def test_without_a_sound_key_there_is_no_hash(tmp_path: Path, key: bytes) -> None:
    (tmp_path / "sensitive.key").write_bytes(key)
    assert mask(tmp_path, a="x").inputs({"a": "x"}) == {"a": "[sensitive]"}
    assert mask(tmp_path / "missing", a="x").inputs({"a": "x"}) == {"a": "[sensitive]"}
