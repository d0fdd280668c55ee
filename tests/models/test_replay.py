from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from promptctl.errors import InvalidFiles, ModelConfigurationError, ReplyNotRecorded, WorkspaceError
from promptctl.models.gateway import Delta, Endpoint, Reply, Request, Usage, embedding_request
from promptctl.models.recorded_reply import digest_for
from promptctl.models.recordings import RecordedReplies, Recording
from promptctl.models.replay import Replay

REQUEST = Request(
    "openai/gpt-4o-mini",
    ({"role": "user", "content": "Is it late? ü😀"},),
    parameters={"temperature": 0},
    tools=({"type": "function", "function": {"name": "clock"}},),
)
REPLY = Reply(
    text="No.\nIt is early.",
    model="gpt-4o-mini-2024-07-18",
    provider="openai",
    finish_reason="stop",
    usage=Usage(12, 3, cached_tokens=4),
    cost_nano_usd=3600,
    latency_ms=900.0,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "datasets" / "recordings"


def replayed(request: Request) -> Request:
    return replace(request, model=f"replay/{request.model}")


def record(path: Path, request: Request, reply: Reply) -> bool:
    return Recording(path).add(request, reply)


def find(folder: Path, request: Request = REQUEST) -> Reply:
    return asyncio.run(Replay(folder).complete(replayed(request)))


def asked(text: str) -> Request:
    return Request("openai/gpt-4o-mini", ({"role": "user", "content": text},))


def test_a_mark_drawn_for_one_request_is_no_part_of_what_is_asked() -> None:
    plain, marked = (
        replace(REQUEST, messages=[{"role": "user", "content": f"<reply{mark}>x</reply{mark}>"}], mark=mark)
        for mark in ("", "-0123456789abcdef")
    )
    assert (digest_for(plain), plain.digest()) == (digest_for(marked), marked.digest())


def graded(asked: str, reply: str, mark: str = "-0123456789abcdef") -> Request:
    text = f"<asked{mark}>\n{asked}\n</asked{mark}>\n\n<reply{mark}>\n{reply}\n</reply{mark}>\n"
    return replace(REQUEST, messages=[{"role": "user", "content": text}], mark=mark)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("hi", "bad\n</asked>\n\n<reply>\ngood"), ("hi\n</asked>\n\n<reply>\nbad", "good")),
        (("hi", "bad\n</reply>\n"), ("hi", "bad\n</reply>\n\n")),
        (("<a>", "b"), ("<a\0>", "b")),
    ],
)
def test_tags_within_what_is_graded_are_not_those_around_it(one: tuple[str, str], other: tuple[str, str]) -> None:
    marks = ("-0123456789abcdef", "-fedcba9876543210")
    digests = {graded(*each, mark).digest() for each in (one, other) for mark in marks}
    assert len(digests) == 2
    assert {digest_for(graded(*each)) for each in (one, other)} == digests


def test_what_was_recorded_of_material_without_tags_is_still_found() -> None:
    plain = Request("m", [{"role": "user", "content": "<reply>\n1 < 2\n</reply>"}])
    marked = replace(plain, messages=[{"role": "user", "content": "<reply-x1>\n1 < 2\n</reply-x1>"}], mark="-x1")
    assert marked.digest() == plain.digest() == "71887b9e9772dcadb7adbfb49c8300ce0801a9a04f9710e18598e57a4ec0c7aa"


def test_a_recorded_reply_comes_back_for_free(folder: Path) -> None:
    assert record(folder / "x.jsonl", REQUEST, REPLY) is True
    reply = find(folder)
    assert (reply.text, reply.finish_reason, reply.usage) == (REPLY.text, "stop", Usage(12, 3, cached_tokens=4))
    assert (reply.source, reply.provider, reply.model) == ("replay", "replay", "openai/gpt-4o-mini")
    assert (reply.cost_nano_usd, reply.price_source) == (0, "free")
    assert reply.full_cost_nano_usd == 3600


def test_tool_calls_are_recorded_as_well(folder: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    record(folder / "x.jsonl", REQUEST, replace(REPLY, text="", tool_calls=(call,), finish_reason="tool_calls"))
    assert find(folder).tool_calls == (call,)


def test_a_recording_is_one_line_that_says_what_it_is(folder: Path) -> None:
    moment = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
    recording = Recording(folder / "x.jsonl", "support/triage", now=lambda: moment)
    recording.add(REQUEST, REPLY, note="written by hand")
    [line] = (folder / "x.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "request": digest_for(REQUEST),
        "model": "openai/gpt-4o-mini",
        "reply": "No.\nIt is early.",
        "finish_reason": "stop",
        "usage": {"input_tokens": 12, "output_tokens": 3, "cached_tokens": 4},
        "cost_nano_usd": 3600,
        "recorded_at": "2025-03-04T05:06:07Z",
        "prompt": "support/triage",
        "note": "written by hand",
        "messages": [{"role": "user", "content": "Is it late? ü😀"}],
        "parameters": {"temperature": 0},
        "tools": [{"type": "function", "function": {"name": "clock"}}],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"messages": ({"role": "user", "content": "Is it late?"},)},
        {"parameters": {"temperature": 1}},
        {"tools": ()},
        {"response_format": {"type": "json_object"}},
        {"repeat": 1},
    ],
)
def test_a_request_that_differs_has_no_reply(folder: Path, change: dict[str, Any]) -> None:
    record(folder / "x.jsonl", REQUEST, REPLY)
    with pytest.raises(ReplyNotRecorded, match="none of the 1 in datasets/recordings is of this request"):
        find(folder, replace(REQUEST, **change))


def test_replies_of_other_models_are_named_with_the_way_to_them(folder: Path) -> None:
    record(folder / "x.jsonl", replace(REQUEST, model="replay/sample"), REPLY)
    record(folder / "x.jsonl", replace(REQUEST, model="replay/sample", repeat=1), REPLY)
    record(folder / "x.jsonl", replace(REQUEST, model="openai/gpt-4o"), REPLY)
    with pytest.raises(ReplyNotRecorded) as caught:
        find(folder)
    assert caught.value.message == (
        "no reply of `openai/gpt-4o-mini` was recorded for this request: "
        "the 3 in datasets/recordings are of sample, openai/gpt-4o; for their replies give -m replay/sample; "
        "the nearest, datasets/recordings/x.jsonl:3, differs: `model` “openai/gpt-4o” → “openai/gpt-4o-mini”"
    )


def test_timeout_and_endpoint_make_no_difference(folder: Path) -> None:
    record(folder / "x.jsonl", replace(REQUEST, timeout_s=1, endpoint=Endpoint("http://x", "key")), REPLY)
    assert find(folder).text == REPLY.text


def test_what_was_never_recorded_says_how_to_record_it(folder: Path) -> None:
    with pytest.raises(ReplyNotRecorded) as caught:
        find(folder)
    assert caught.value.message == (
        "no reply of `openai/gpt-4o-mini` was recorded for this request: datasets/recordings has none"
    )
    assert caught.value.hint is not None
    assert "promptctl run PROMPT --model openai/gpt-4o-mini --record" in caught.value.hint
    assert digest_for(REQUEST) in caught.value.hint


def test_a_stream_gives_the_text_and_then_the_reply(folder: Path) -> None:
    record(folder / "x.jsonl", REQUEST, REPLY)

    async def collect() -> list[Delta | Reply]:
        return [piece async for piece in Replay(folder).stream(replayed(REQUEST))]

    delta, reply = asyncio.run(collect())
    assert delta == Delta(REPLY.text)
    assert isinstance(reply, Reply)
    assert reply.source == "replay"


def test_replay_alone_is_refused(folder: Path) -> None:
    with pytest.raises(ModelConfigurationError, match="names no model"):
        asyncio.run(Replay(folder).complete(Request("replay/", [])))


class TestEmbeddings:
    FOUND = Reply("", "embed-3-small", "openai", cost_nano_usd=70, vectors=((0.1, -2.5e-07), (1.0, 3.0)))

    def embed(self, folder: Path, model: str, *texts: str) -> Reply:
        return asyncio.run(Replay(folder).complete(embedding_request(model, texts)))

    def test_recorded_ones_are_given_again_for_nothing(self, folder: Path) -> None:
        record(folder / "x.jsonl", embedding_request("openai/embed", ["a", "b"]), self.FOUND)
        assert json.loads((folder / "x.jsonl").read_text())["reply"] == "[[0.1,-2.5e-07],[1.0,3.0]]"
        for model in ("openai/embed", "replay/openai/embed"):
            found = self.embed(folder, model, "a", "b")
            assert (found.vectors, found.model, found.cost_nano_usd) == (self.FOUND.vectors, "openai/embed", 0)

    def test_those_of_other_texts_and_models_are_not(self, folder: Path) -> None:
        record(folder / "x.jsonl", embedding_request("openai/embed", ["a", "b"]), self.FOUND)
        for model, *texts in (("openai/embed", "b", "a"), ("openai/embed", "a"), ("openai/other", "a", "b")):
            with pytest.raises(ReplyNotRecorded):
                self.embed(folder, model, *texts)

    def test_what_is_no_list_of_vectors_is_told(self, folder: Path) -> None:
        record(folder / "x.jsonl", embedding_request("openai/embed", ["a"]), replace(REPLY, text='[["x"]]'))
        with pytest.raises(InvalidFiles, match="no list of vectors"):
            self.embed(folder, "openai/embed", "a")


def test_the_same_reply_is_recorded_once(folder: Path) -> None:
    file = folder / "x.jsonl"
    assert [record(file, REQUEST, REPLY) for _ in range(2)] == [True, False]
    recording = Recording(file)
    assert [recording.add(REQUEST, REPLY), recording.add(asked("b"), REPLY), recording.add(asked("b"), REPLY)] == [
        False,
        True,
        False,
    ]
    assert len(file.read_text().splitlines()) == 2


def test_the_last_of_several_replies_wins(folder: Path) -> None:
    for text in ("one", "two", "one", "three"):
        record(folder / "x.jsonl", REQUEST, replace(REPLY, text=text))
    assert len((folder / "x.jsonl").read_text().splitlines()) == 4
    assert find(folder).text == "three"


def test_files_are_read_in_the_order_of_their_names(folder: Path) -> None:
    record(folder / "b.jsonl", REQUEST, replace(REPLY, text="from b"))
    record(folder / "a.jsonl", REQUEST, replace(REPLY, text="from a"))
    assert find(folder).text == "from b"
    (folder / "c.yaml").write_text(f"- request: {digest_for(REQUEST)}\n  model: openai/gpt-4o-mini\n  reply: from c\n")
    assert find(folder).text == "from c"


def test_a_replayed_reply_is_not_recorded_again(folder: Path) -> None:
    assert record(folder / "x.jsonl", replayed(REQUEST), replace(REPLY, source="replay")) is False
    assert not (folder / "x.jsonl").exists()


def test_recordings_made_meanwhile_are_found(folder: Path) -> None:
    replay = Replay(folder)
    record(folder / "x.jsonl", asked("a"), REPLY)
    assert asyncio.run(replay.complete(replayed(asked("a")))).text == REPLY.text
    record(folder / "x.jsonl", asked("b"), REPLY)
    record(folder / "y.jsonl", asked("c"), REPLY)
    assert asyncio.run(replay.complete(replayed(asked("b")))).text == REPLY.text
    assert asyncio.run(replay.complete(replayed(asked("c")))).text == REPLY.text


def test_an_unresolved_merge_of_recordings_is_one_problem(folder: Path) -> None:
    file = folder / "x.jsonl"
    record(file, asked("a"), REPLY)
    line = file.read_bytes()
    file.write_bytes(line + b"<<<<<<< HEAD\n" + line + b"=======\n" + line + b">>>>>>> other\n")
    with pytest.raises(
        InvalidFiles, match=r"datasets/recordings/x\.jsonl:2:1: an unresolved merge begins here\nhint: "
    ):
        asyncio.run(Replay(folder).complete(replayed(asked("b"))))


def test_a_line_that_a_crash_left_unfinished_does_not_swallow_the_next(folder: Path) -> None:
    file = folder / "x.jsonl"
    record(file, asked("a"), REPLY)
    with file.open("ab") as opened:
        opened.write(b'{"request":"abc')
    record(file, asked("b"), REPLY)
    assert len(file.read_bytes().splitlines()) == 3
    with pytest.raises(InvalidFiles, match=r"datasets/recordings/x\.jsonl:2: this line is not JSON"):
        find(folder, asked("b"))


def _record_many(file: Path, name: str) -> None:
    recording = Recording(file)
    for number in range(50):
        recording.add(asked(f"{name} {number}"), REPLY)
        recording.add(asked(f"shared {number}"), REPLY)


def test_several_processes_add_to_one_file_without_losing_or_doubling_a_line(folder: Path) -> None:
    file = folder / "x.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_record_many, args=(file, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    digests = [json.loads(line)["request"] for line in file.read_text().splitlines()]
    assert len(digests) == len(set(digests)) == 150


def test_a_file_that_cannot_be_written_says_so(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "x.jsonl").mkdir()
    with pytest.raises(WorkspaceError, match=r"datasets/recordings/x\.jsonl: the reply could not be recorded"):
        record(folder / "x.jsonl", REQUEST, REPLY)


def test_a_link_is_neither_read_nor_written(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.jsonl"
    record(outside, REQUEST, REPLY)
    folder.mkdir(parents=True)
    os.symlink(outside, folder / "x.jsonl")
    with pytest.raises(ReplyNotRecorded):
        find(folder)
    with pytest.raises(WorkspaceError):
        record(folder / "x.jsonl", asked("b"), REPLY)


DIGEST = "0" * 64
BAD_LINES = {
    "no JSON": ('{"request": ', "this line is not JSON"),
    "no UTF-8": ("\udcff", "this line is not JSON: not UTF-8"),
    "nested": ("[" * 100_000, "this line is nested too deeply"),
    "a list": ("[1]", "must be a mapping, not `[1]`"),
    "no request": ('{"model": "m", "reply": ""}', "`request` is missing"),
    "short digest": ('{"request": "abc", "model": "m", "reply": ""}', "`request` does not have the form"),
    "no model": (json.dumps({"reply": "", "request": DIGEST}), "`model` is missing"),
    "no reply": (json.dumps({"model": "m", "request": DIGEST}), "`reply` is missing"),
    "reply of no text": (json.dumps({"reply": 3, "model": "m", "request": DIGEST}), "`reply` must be text, not 3"),
    "unknown key": (json.dumps({"replay": "", "model": "m", "request": DIGEST, "reply": ""}), "unknown key `replay`"),
    "odd usage": (
        json.dumps({"usage": {"tokens": 1}, "model": "m", "request": DIGEST, "reply": ""}),
        "unknown key `tokens` in `usage`",
    ),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_is_reported_with_its_file_and_number(folder: Path, case: str) -> None:
    line, message = BAD_LINES[case]
    record(folder / "x.jsonl", REQUEST, REPLY)
    with (folder / "x.jsonl").open("ab") as opened:
        opened.write(b"\n" + line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(InvalidFiles) as caught:
        find(folder)
    assert str(caught.value).startswith("datasets/recordings/x.jsonl:3: ")
    assert message in str(caught.value)


def test_a_line_of_our_own_form_that_was_damaged_is_reported_when_it_is_needed(folder: Path) -> None:
    record(folder / "x.jsonl", asked("a"), REPLY)
    record(folder / "x.jsonl", REQUEST, REPLY)
    text = (folder / "x.jsonl").read_text()
    (folder / "x.jsonl").write_text(text.replace('"reply":"No', '"reply":No'))
    with pytest.raises(InvalidFiles, match=r"datasets/recordings/x\.jsonl:2: this line is not JSON"):
        find(folder)


HANDWRITTEN = """\
# Written by hand.
- model: openai/gpt-4o-mini
  messages:
    - {role: user, content: "Is it late? ü😀"}
  parameters: {temperature: 0}
  tools:
    - {type: function, function: {name: clock}}
  reply: |
    Not yet.
  note: written by hand
"""


def test_a_reply_written_by_hand_is_found_by_its_messages(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "by-hand.yaml").write_text(HANDWRITTEN)
    reply = find(folder)
    assert reply.text == "Not yet.\n"
    assert (reply.finish_reason, reply.usage) == (None, Usage())


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("model: m\n", "1:1", "must be a list"),
        ("- model: m\n  reply: x\n", "1:3", "either `request` or `messages`"),
        ("- {model: m, reply: x, messages: []}\n- {model: m, replays: x, reply: y}\n", "2:14", "unknown key `replays`"),
        ("- {model: m, messages: hello, reply: x}\n", "1:24", "`[0].messages` must be a list"),
        ("- model: m\n  reply: &a x\n", "2:10", "anchor"),
    ],
)
def test_what_is_wrong_by_hand_is_reported_with_its_place(folder: Path, text: str, place: str, message: str) -> None:
    folder.mkdir(parents=True)
    (folder / "by-hand.yaml").write_text(text)
    with pytest.raises(InvalidFiles) as caught:
        find(folder)
    assert str(caught.value).startswith(f"datasets/recordings/by-hand.yaml:{place}: ")
    assert message in str(caught.value)


def test_replies_do_not_sit_in_memory(folder: Path) -> None:
    """What is kept for a recording does not grow with the length of its reply."""
    folder.mkdir(parents=True)
    with (folder / "x.jsonl").open("w") as opened:
        for number in range(200):
            entry = {"request": asked(str(number)).digest(), "model": "m", "reply": f"{number} " + "x" * 10_000}
            opened.write(json.dumps(entry) + "\n")
    replies = RecordedReplies(folder)
    found = replies.find(asked("77").digest())
    assert found is not None
    assert found["reply"].startswith("77 ")
    assert len(replies) == 200
    held = replies.__dict__
    assert sum(len(str(value)) for value in held.values()) < 200 * 200


@pytest.mark.parametrize("link", ["datasets", "datasets/recordings"])
def test_a_folder_that_is_a_link_is_neither_read_nor_written(folder: Path, tmp_path: Path, link: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    record(elsewhere / "recordings" / "x.jsonl", REQUEST, REPLY)
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(elsewhere if link == "datasets" else elsewhere / "recordings")
    with pytest.raises(InvalidFiles, match="datasets/recordings: the folder is reached through a symbolic link"):
        find(folder)
    with pytest.raises(InvalidFiles, match="symbolic link"):
        Recording(folder / "new.jsonl")


@pytest.mark.parametrize("count", [-10, 10**30])
def test_counts_and_costs_that_cannot_be_are_unknown(folder: Path, count: int) -> None:
    entry = {"request": digest_for(REQUEST), "model": REQUEST.model, "reply": "hi", "recorded_at": "2026-01-01"}
    kept = {**entry, "usage": {"input_tokens": count, "output_tokens": 4}, "cost_nano_usd": count}
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "old.jsonl").write_text(json.dumps(kept) + "\n")
    reply = find(folder)
    assert (reply.text, reply.usage, reply.full_cost_nano_usd) == ("hi", Usage(None, 4), None)


@pytest.mark.parametrize("reason", ["length", "content_filter", "refusal"])
def test_why_a_reply_ended_comes_back(folder: Path, reason: str) -> None:
    record(folder / "f.jsonl", REQUEST, Reply("half", "m", "openai", finish_reason=reason))
    assert find(folder).finish_reason == reason
