"""The server over real HTTP: the shapes that clients read, and whom it refuses."""

from __future__ import annotations

import gc
import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from promptctl.serving import server
from promptctl.serving.repliers import EchoReplier
from tests.serving.conftest import BODY, HELLO, Served, serve


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve(EchoReplier()) as found:
        yield found


def test_the_official_client_reads_a_reply(served: Served) -> None:
    with served.client() as client:
        found = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, temperature=0)
    (choice,) = found.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", "Hello", "stop")
    assert (found.object, found.model) == ("chat.completion", "gpt-4o-mini")
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens, found.usage.total_tokens) == (2, 2, 4)


def test_the_official_client_reads_a_stream(served: Served) -> None:
    text = "one two  three\n" * 20
    with (
        served.client() as client,
        client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": text}], stream=True, stream_options={"include_usage": True}
        ) as stream,
    ):
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text
    assert len(chunks) > 20
    assert [chunk.usage is None for chunk in chunks] == [*[True] * (len(chunks) - 1), False]
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_schema_that_is_asked_for_is_filled(served: Served) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "found", "schema": schema}}
    with served.client() as client:
        found = client.chat.completions.create(model="m", messages=HELLO, response_format=wanted)
    assert json.loads(found.choices[0].message.content or "") == {"n": 0}


def test_a_path_without_its_version_is_the_same(served: Served) -> None:
    assert served.ask(path="/chat/completions").json == served.ask().json


def test_equal_requests_have_equal_answers_to_the_last_byte(served: Served) -> None:
    assert served.ask().text == served.ask().text
    streamed = {**BODY, "stream": True}
    assert served.ask(streamed).text == served.ask(streamed).text


def test_models_are_listed(served: Served) -> None:
    import openai

    with served.client() as client:
        assert [each.id for each in client.models.list()] == ["echo"]
        assert client.models.retrieve("echo").owned_by == "promptctl"
        with pytest.raises(openai.NotFoundError, match="nothing of the model `gpt-9` is recorded") as raised:
            client.models.retrieve("gpt-9")
    assert raised.value.code == "model_not_found"


WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "the body is not JSON: Expecting property name"),
    "no UTF-8": (b'"\xff"', "the body is not JSON: it is not UTF-8, nested too deeply, or has"),
    "nested": (b"[" * 100_000, "nested too deeply"),
    "digits": (b'{"seed": ' + b"1" * 5000 + b"}", "a number of too many digits"),
    "deep": (b"[" * 500 + b"]" * 500, "nested more than 100 levels"),
    "infinite": (b'{"model": "m", "messages": [{"role": "user", "content": "a"}], "top_p": Infinity}', "infinite"),
    "a list": ([], "the body is a JSON object, such as"),
    "no model": ({"messages": HELLO}, "`model` is the name of a model, not null"),
    "no messages": ({"model": "m", "messages": []}, "`messages` is a list of messages, such as"),
    "a role": ({"model": "m", "messages": [{"role": "king", "content": ""}]}, "`messages[0]` cannot be sent: its role"),
    "no content": ({"model": "m", "messages": [{"role": "user"}]}, "`messages[0]` cannot be sent: its content"),
    "two choices": ({**BODY, "n": 2}, "only one choice is answered"),
    "probabilities": ({**BODY, "logprobs": True}, "leave `logprobs` out"),
    "sound": ({**BODY, "modalities": ["text", "audio"]}, "recordings hold nothing but text"),
    "stream": ({**BODY, "stream": "yes"}, "`stream` is true or false, not `yes`"),
    "tools": ({**BODY, "tools": ["clock"]}, "`tools[0]` is an object, not `clock`"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_refused_with_what_is_wrong(served: Served, case: str) -> None:
    body, words = WRONG[case]
    answered = served.ask(body)
    assert (answered.status, answered.error["type"]) == (400, "invalid_request_error")
    assert words in answered.error["message"]
    assert set(answered.error) == {"message", "type", "param", "code"}
    assert answered.headers["x-should-retry"] == "false"


FOREIGN: dict[str, tuple[int, dict[str, Any]]] = {
    "a name that was bound anew": (421, {"Host": "evil.example:{port}"}),
    "a different port": (421, {"Host": "127.0.0.1:1"}),
    "no port": (421, {"Host": "127.0.0.1"}),
    "a page": (403, {"Origin": "https://evil.example"}),
    "a page of this machine": (403, {"Origin": "http://localhost:3000"}),
    "a page from a file": (403, {"Origin": "null"}),
    "a page of ours": (403, {"Origin": "http://127.0.0.1:{port}"}),
    "a different site's form": (403, {"Sec-Fetch-Site": "cross-site"}),
    "a form": (415, {"Content-Type": "text/plain"}),
    "a form that says nothing": (415, {"Content-Type": None}),
    "a form with a field": (415, {"Content-Type": "application/x-www-form-urlencoded"}),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_page_of_a_browser_is_refused(served: Served, case: str) -> None:
    status, headers = FOREIGN[case]
    given = {name: value and value.replace("{port}", str(served.port)) for name, value in headers.items()}
    answered = served.ask(**given)
    assert (answered.status, "Hello" in answered.text) == (status, False)
    assert answered.headers["Connection"] == "close"
    assert not [name for name in answered.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "localhost:{port}"},
        {"Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Content-Type": "application/json; charset=utf-8"},
    ],
)
def test_a_program_is_answered(served: Served, headers: dict[str, str]) -> None:
    assert served.ask(**{name: value.format(port=served.port) for name, value in headers.items()}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("OPTIONS", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/completions", 404),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/", 404),
        ("GET", "/v1/models/../../etc/passwd", 404),
    ],
)
def test_anything_else_is_refused_in_the_same_shape(served: Served, method: str, path: str, status: int) -> None:
    answered = served.ask(path=path, method=method)
    assert (answered.status, answered.headers.get("Allow") is not None) == (status, status == 405)
    assert answered.error["message"]


def test_a_body_has_its_limit(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptctl.serving.server._LARGEST_BODY", 10_000)
    long = {**BODY, "messages": [{"role": "user", "content": "x" * 20_000}]}
    answered = served.ask(long)
    assert (answered.status, answered.error["code"]) == (413, "too_large")


def test_a_compressed_body_has_the_same_limit(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert served.ask(gzip.compress(json.dumps(BODY).encode()), Content_Encoding="gzip").status == 200
    assert served.ask(b"{}", Content_Encoding="gzip").status == 400
    monkeypatch.setattr("promptctl.serving.server._LARGEST_BODY", 10_000)
    assert served.ask(gzip.compress(b" " * 10_000_000), Content_Encoding="gzip").status == 413


def test_a_client_that_waits_to_be_told_is_told_to_go_on(served: Served) -> None:
    body = json.dumps(BODY).encode()
    head = ["POST /v1/chat/completions HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Content-Type: application/json"]
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as client:
        client.sendall("\r\n".join([*head, f"Content-Length: {len(body)}", "Expect: 100-continue", "", ""]).encode())
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_client_that_leaves_in_the_middle_is_forgotten(served: Served) -> None:
    head = ["POST /v1/chat/completions HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Content-Type: application/json"]
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall("\r\n".join([*head, "Content-Length: 100", "", '{"a":']).encode())
    assert served.ask().status == 200
    assert not any("in promptctl" in words for words in served.told)


def test_what_is_refused_is_told(served: Served) -> None:
    served.ask(path="/v1/odd")
    assert served.told[-1].startswith("POST /v1/odd: 404 there is no /v1/odd: this server has POST")


HEAD = {"created": 0, "model": "gpt-4o-mini"}
USAGE = {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}


def test_the_shapes_on_the_wire_are_those_of_the_protocol(served: Served) -> None:
    found = served.ask({**BODY, "stream": True, "stream_options": {"include_usage": True}})
    assert found.headers["Content-Type"] == "text/event-stream"
    *events, last, rest = found.text.split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    head = HEAD | {"id": chunks[0]["id"]}
    choice = {"index": 0, "logprobs": None, "finish_reason": None}
    deltas: list[dict[str, Any]] = [
        {**choice, "delta": {"role": "assistant", "content": "", "refusal": None}},
        {**choice, "delta": {"content": "Hello"}},
        {**choice, "delta": {}, "finish_reason": "stop"},
    ]
    chunk = {**head, "object": "chat.completion.chunk"}
    assert chunks == [
        *({**chunk, "choices": [each], "usage": None} for each in deltas),
        {**chunk, "choices": [], "usage": USAGE},
    ]
    message = {"role": "assistant", "content": "Hello", "refusal": None}
    assert served.ask().json == {
        **head,
        "object": "chat.completion",
        "choices": [{**choice, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    assert str(head["id"]).startswith("chatcmpl-")


def test_whoever_is_turned_away_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_MOST_CONNECTIONS", 2)
    with serve(EchoReplier()) as served:
        opened = [socket.create_connection(("127.0.0.1", served.port), timeout=20) for _ in range(2)]
        turned_away = [socket.create_connection(("127.0.0.1", served.port), timeout=20) for _ in range(3)]
        assert {each.recv(12) for each in turned_away} == {b"HTTP/1.1 503"}
        assert [each.recv(200)[-4:] for each in turned_away] == [b"\r\n\r\n"] * 3
        for each in (*opened, *turned_away):
            each.close()
    gc.collect()
    assert caplog.records == []
