"""The mask of sensitive inputs: what it finds in texts, and the key of its hashes."""

from __future__ import annotations

import base64
import errno
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from promptctl.log.keyed_hashes import hash_of, hashes_of
from promptctl.log.masking import Mask
from promptctl.log.records import Execution
from promptctl.log.results import ResultDetail, ResultRow
from promptctl.prompts.prompt import Input, Placeholder, Prompt

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
    assert mask(tmp_path, code="1 1").text("11 1 1") == "11 [sensitive: code]"
    untouched = "nothing here"
    assert hides.text(untouched) is untouched
    assert hides.data({"n": 42, "m": True, "x": ["male"]}, numbers=True) == {
        "n": "[sensitive: age]", "m": True, "x": ["[sensitive: sex]"],
    }  # fmt: skip
    assert hides.data({"score": 42}) == {"score": 42}
    assert mask(tmp_path, count=1).data([True, 1, 1.5], numbers=True) == [True, "[sensitive: count]", 1.5]
    assert mask(tmp_path, flag=True, none=None).data([True, 1, "None"], numbers=True) == [True, 1, "None"]


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
    assert hides.text("ABC1299") == "ABC1299"
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


ADDRESS = 'Zeta Str. 12\nQuito "4471"\nOmega Lane 9\n'
ONCE = json.dumps(ADDRESS)[1:-1]


@pytest.mark.parametrize(
    "quoted",
    [
        ADDRESS.replace("\n", "\r\n"),
        ADDRESS.split("\n")[0],
        ADDRESS.split("\n")[2].upper(),
        " ".join(ADDRESS.split()),
        *(cut for whole in (ADDRESS, ONCE, " ".join(ADDRESS.split())) for cut in (whole[:-5], whole[3:], whole[6:-8])),
        ADDRESS.replace("\n", "\r\n")[5:-7],
        json.dumps(ADDRESS.replace("\n", "\r\n"))[:-9],
        json.dumps(ONCE)[1:-1],
        json.dumps(json.dumps({"address": ADDRESS}))[20:-12],
        quote(ADDRESS)[:-9],
        base64.b64encode(ADDRESS.encode()).decode()[:40],
    ],
)
def test_a_value_of_several_lines_is_hidden_in_every_form_whole_or_cut(tmp_path: Path, quoted: str) -> None:
    hidden = mask(tmp_path, address=ADDRESS).text(f"bad: <{quoted}> end")
    assert hidden.startswith("bad: ")
    assert hidden.endswith("> end")
    assert not [word for word in ("Str", "str", "Quito", "uito", "4471", "mega", "Lan", "LAN") if word in hidden]
    assert "".join(quoted.split())[:6] not in "".join(hidden.split())


def test_a_text_of_one_letter_costs_no_more_than_any_other(tmp_path: Path) -> None:
    assert mask(tmp_path, a="a" * 9_000).text("a" * 20_000) == "[sensitive: a]"


# Fields of an execution that no model, provider or caller writes freely.
NAMES = (
    *("id", "call_id", "started_at", "source", "prompt", "prompt_name", "version_display", "digest", "commit"),
    *("label", "provider", "model", "price_source", "reply_source", "status", "error_type", "evaluation_id"),
    *(
        "case_id",
        "tool_version",
        "experiment",
        "arm",
        "arm_key",
        "kept_content",
        "corrections",
        "output",
        "mask",
        "keeps",
    ),
)


def test_every_field_of_an_execution_that_is_written_freely_is_masked(tmp_path: Path) -> None:
    given: dict[str, Any] = {each.name: "x" for each in fields(Execution) if each.name in NAMES}
    for each in fields(Execution):
        kind = str(each.type)
        if each.name in NAMES or kind.split(" ")[0] in ("int", "float", "bool"):
            continue
        text = f"to {NAME}"
        given[each.name] = {text: [text]} if "Mapping" in kind else [text] if "Sequence" in kind else text
    stored = mask(tmp_path, name=NAME).execution(Execution(**given))
    assert {name: getattr(stored, name) for name in given if "maria" in repr(getattr(stored, name)).lower()} == {}
    assert (stored.model_resolved, stored.usage_details) == (
        "to [sensitive: name]",
        {"to [sensitive: name]": ["to [sensitive: name]"]},
    )


def test_a_keyed_digest_is_the_same_for_who_has_the_key_alone(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one = mask(tmp_path, pin="4711").keyed("ab")
    assert one == mask(tmp_path, pin="4711").keyed("ab")
    assert one not in (mask(tmp_path / "other", pin="4711").keyed("ab"), mask(tmp_path, pin="4711").keyed("ac"))
    assert len(mask(tmp_path / "missing", pin="4711").keyed("ab")) == 64


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


def test_the_key_is_read_once_until_its_file_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hash_of(tmp_path, "x")
    reads: list[Path] = []
    read_bytes = Path.read_bytes

    def counted(path: Path) -> bytes:
        reads.append(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    assert {hash_of(tmp_path, "x") for _ in range(9)} == {first}
    assert reads == []
    (tmp_path / "new").write_bytes(b"k" * 32)
    (tmp_path / "new").replace(tmp_path / "sensitive.key")
    assert len({first, *(hash_of(tmp_path, "x") for _ in range(9))}) == 2
    assert len(reads) == 1


@pytest.mark.parametrize("key", [b"", b"short"])
def test_without_a_sound_key_there_is_no_hash(tmp_path: Path, key: bytes) -> None:
    (tmp_path / "sensitive.key").write_bytes(key)
    assert mask(tmp_path, a="x").inputs({"a": "x"}) == {"a": "[sensitive]"}
    assert mask(tmp_path / "missing", a="x").inputs({"a": "x"}) == {"a": "[sensitive]"}


def test_words_of_the_protocol_and_of_outcomes_are_no_values(tmp_path: Path) -> None:
    hides = mask(tmp_path, a="function", b="user", c="passed", d="contains")
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"to": "user"}'}}]
    turns = [{"role": "user", "content": None, "tool_calls": calls}]
    row = Execution(id="", call_id="", started_at="", source="api", prompt="", prompt_name="", digest="", model="",
                    status="ok", messages=turns, tool_calls=calls)  # fmt: skip
    stored = hides.execution(row)
    kept = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"to": "[sensitive: b]"}'}}]
    assert stored.messages == [{"role": "user", "content": None, "tool_calls": kept}]
    assert stored.tool_calls == kept
    graded = {"type": "contains", "passed": False, "reason": "it contains user", "parts": [{"type": "contains"}]}
    result = ResultRow(evaluation_id="", case_id="", status="failed", detail=ResultDetail(assertions=[graded]))
    said = {**graded, "reason": "it [sensitive: d] [sensitive: b]"}
    assert hides.result(result).detail.assertions == [said]


def test_a_sensitive_chat_hides_what_was_said_and_not_that_it_was(tmp_path: Path) -> None:
    history = [{"role": "assistant", "content": "Maria Ochoa"}]
    inputs = {"history": Input("history", {"type": "array"}, is_sensitive=True)}
    hides = Mask.of(tmp_path, Prompt("p", "", "", "p", (Placeholder("history"),), inputs=inputs), {"history": history})
    assert hides.text("the content of an assistant, Maria Ochoa") == (
        "the content of an assistant, [sensitive: history]"
    )


def test_a_key_that_could_not_be_read_once_is_read_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sensitive.key").write_bytes(b"k" * 32)

    def fails(_path: Path) -> bytes:
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fails)
        assert hashes_of(tmp_path, ["ada"]) == {}
    assert hashes_of(tmp_path, ["ada"]).keys() == {"ada"}
