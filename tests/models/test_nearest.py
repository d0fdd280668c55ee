"""The nearest recording of a request that was not recorded, and the words for what differs."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptctl.errors import ReplyNotRecorded
from promptctl.log.redaction import Redactor
from promptctl.models.gateway import Reply, Request, embedding_request
from promptctl.models.recorded_reply import as_it_is
from promptctl.models.recordings import Recording
from promptctl.models.replay import Replay, difference

SYSTEM = "You triage tickets.\nBe kind.\nAnswer with one word."
REPLY = Reply("billing", "gpt-4o-mini", "openai", finish_reason="stop")
TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}


def asked(ticket: str, **more: Any) -> Request:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": ticket}]
    return replace(Request("openai/gpt-4o-mini", messages, {"temperature": 0}, [TOOL]), **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    recording = Recording(tmp_path / "datasets/recordings/a.jsonl")
    for ticket in ("My parcel is late.", "I was charged twice on 3 May.", "How do I log in?", "Where is my invoice?"):
        recording.add(asked(ticket), REPLY)
    return tmp_path / "datasets/recordings"


def miss(folder: Path, request: Request, redact: Any = as_it_is) -> str:
    with pytest.raises(ReplyNotRecorded) as caught:
        asyncio.run(Replay(folder, redact).complete(replace(request, model=f"replay/{request.model}")))
    assert caught.value.detail is None or caught.value.detail in caught.value.message
    return caught.value.message.partition("; the nearest, datasets/recordings/")[2]


CHARGED = "I was charged twice on 3 May."
SAID = {"role": "user", "content": CHARGED}
TIMER = {**TOOL, "function": {"name": "time", "parameters": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:" + "x" * 9000}}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


MISSES: dict[str, tuple[Request, str]] = {
    "one word": (
        asked("I was charged thrice on 3 May."),
        "`messages[1].content` “I was charged twice on 3 May.” → “I was charged thrice on 3 May.”",
    ),
    "a parameter": (asked(CHARGED, parameters={"temperature": 0.2}), "`parameters.temperature` 0 → 0.2"),
    "how a number is written": (asked(CHARGED, parameters={"temperature": 0.0}), "`parameters.temperature` 0 → 0.0"),
    "one more": (asked(CHARGED, parameters={"temperature": 0, "seed": 7}), "`parameters.seed` none → 7"),
    "no tools": (
        asked(CHARGED, tools=()),
        '`tools` [{"type": "function", "function": {"name": "clock", "parame… → none',
    ),
    "inside a tool": (asked(CHARGED, tools=[TIMER]), "`tools[0].function.name` “clock” → “time”"),
    "a line": (
        asked(CHARGED, messages=[system(SYSTEM.replace("kind", "brief")), SAID]),
        "`messages[0].content` line 2: “Be kind.” → “Be brief.”",
    ),
    "a line more": (
        asked(CHARGED, messages=[system(f"{SYSTEM}\nNo\nnames."), SAID]),
        "`messages[0].content` line 4 (and 1 more): none → “No”",
    ),
    "the model": (asked(CHARGED, model="openai/gpt-4o"), "`model` “openai/gpt-4o-mini” → “openai/gpt-4o”"),
}


@pytest.mark.parametrize("case", MISSES)
def test_a_miss_names_the_nearest_and_the_part_that_differs(folder: Path, case: str) -> None:
    request, words = MISSES[case]
    assert miss(folder, request) == f"a.jsonl:2, differs: {words}"


def test_an_image_is_named_by_its_digest(folder: Path) -> None:
    request = asked(CHARGED, messages=[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]}])
    Recording(folder / "i.jsonl").add(request, REPLY)
    assert "x" * 100 not in (folder / "i.jsonl").read_text()
    other = json.loads(json.dumps(request.messages).replace('xx"', 'xy"'))
    found = miss(folder, replace(request, messages=other))
    assert found.startswith("i.jsonl:1, differs: `messages[0].content[1].image_url.url` “")


def test_many_differences_are_counted(folder: Path) -> None:
    more = {"temperature": 1, "seed": 1, "top_p": 1, "stop": ["a"], "max_tokens": 3}
    assert miss(folder, asked(CHARGED, parameters=more)).endswith("`parameters.top_p` none → 1; and in 2 more parts")


def test_long_texts_are_shown_around_what_differs() -> None:
    old, new = ({"model": "m", "messages": [{"content": "a" * 500 + each + "b" * 500}]} for each in "xy")
    found = difference(old, new)
    assert len(found) < 200
    assert "ax" in found
    assert "ay" in found


def test_no_secret_is_quoted(folder: Path) -> None:
    redact = Redactor(["correct-horse-battery"]).redact_data
    found = miss(folder, asked("I was charged twice on correct-horse-battery."), redact)
    assert "charged twice" in found
    assert "horse" not in found


def test_what_cannot_be_printed_is_escaped(folder: Path) -> None:
    found = miss(folder, asked("I was charged twice on 3\x1b[2J\u202e May.", parameters={"a\x1b": 1}))
    assert found.isprintable()


def test_recordings_without_requests_are_passed_over(folder: Path) -> None:
    lines = (folder / "a.jsonl").read_text().splitlines()
    kept = [{key: value for key, value in json.loads(line).items() if key != "messages"} for line in lines]
    (folder / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in kept))
    assert miss(folder, asked("Hello")) == ""


def test_embeddings_keep_no_texts(folder: Path) -> None:
    Recording(folder / "e.jsonl").add(embedding_request("openai/e", ["one text"]), REPLY)
    assert "one text" not in (folder / "e.jsonl").read_text()


def test_a_mark_drawn_for_one_request_is_not_kept(folder: Path) -> None:
    request = replace(asked("<reply-0123>x</reply-0123>"), mark="-0123")
    Recording(folder / "m.jsonl").add(request, REPLY)
    assert '"<reply>x</reply>"' in (folder / "m.jsonl").read_text()


@pytest.mark.parametrize(
    "entry",
    [
        {"messages": [1, None, {"role": ["a"], "content": {"b": 1}}, {"content": [1]}]},
        {"messages": [], "parameters": {"a": [[]]}, "tools": [1]},
        {"messages": [{"role": "user", "content": "I was charged"}], "repeat": 3},
    ],
)
def test_odd_recordings_do_no_harm(folder: Path, entry: dict[str, Any]) -> None:
    line = {"request": "0" * 64, "model": "m", "reply": "", **entry}
    (folder / "odd.jsonl").write_text(json.dumps(line) + "\n")
    assert miss(folder, asked("I was charged twice")).startswith(("a.jsonl:2", "odd.jsonl:1"))


def test_one_written_by_hand_is_named_by_its_file(folder: Path) -> None:
    line = {"model": "m", "messages": [{"role": "user", "content": "By hand alone"}], "reply": "x"}
    (folder / "b.yaml").write_text(json.dumps([line]))
    assert miss(folder, Request("m", [{"role": "user", "content": "By hand"}])) == (
        "b.yaml, differs: `messages[0].content` “By hand alone” → “By hand”"
    )


def test_the_nearest_is_found_among_many(tmp_path: Path) -> None:
    folder = tmp_path / "datasets/recordings"
    recording = Recording(folder / "x.jsonl")
    for number in range(300):
        recording.add(asked(f"Ticket {number} says that parcel {number * 7} did not come."), REPLY)
    assert miss(folder, asked("Ticket 123 says that parcel 861 never came.")).startswith("x.jsonl:124, ")


def test_a_request_that_differs_in_one_part_is_nearer_than_one_of_like_texts(tmp_path: Path) -> None:
    file = tmp_path / "datasets/recordings/a.jsonl"
    hello = [system("S"), {"role": "user", "content": "hello"}]
    for request in (
        Request("openai/m", hello, {"temperature": 0.3}),
        Request("openai/m", [{"role": "user", "content": "hello stream"}]),
    ):
        Recording(file).add(request, REPLY)
    there = Request("openai/m", [system("S"), {"role": "user", "content": "hello there"}], {"temperature": 0.3})
    assert miss(file.parent, there) == "a.jsonl:1, differs: `messages[1].content` “hello” → “hello there”"
    alone = Request("openai/m", [{"role": "user", "content": "Hello"}])
    assert miss(file.parent, alone) == "a.jsonl:2, differs: `messages[0].content` “hello stream” → “Hello”"
