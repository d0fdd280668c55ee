"""The example examples/fastapi-chat: its service over HTTP, on SQLite and on a real PostgreSQL server."""

from __future__ import annotations

import asyncio
import importlib.resources
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from textwrap import indent
from typing import Any

import jsonschema
import pytest

from promptctl import open_workspace
from tests.cli.conftest import commit, git, write
from tests.docs_session import blocks
from tests.openai_server import Exchange, OpenAIServer, cut_stream, error_in_stream, failure, reply, usage

EXAMPLE = Path(__file__).parents[2] / "examples/fastapi-chat"
if str(EXAMPLE) not in sys.path:
    sys.path.append(str(EXAMPLE))  # its modules are `app` and `demo`; they are imported by the fixtures


@dataclass
class Chat:
    """A running service: its port, its database and the model that it asks."""

    port: int
    url: str
    prompts: Path
    model: Any

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any, dict[str, str]]:
        """Return status, parsed JSON and headers."""
        connection = self.send(method, path, body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content) if content else None, dict(response.getheaders())

    def send(self, method: str, path: str, body: Any = None) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        content = None if body is None else json.dumps(body)
        connection.request(method, f"/api/v1{path}", content, {"Content-Type": "application/json"})
        return connection

    def begin(self, lesson: str = "hash-tables", user: str = "ada") -> int:
        status, session, _ = self.call("POST", "/sessions", {"user_id": user, "lesson": lesson})
        assert status == 201
        return int(session["id"])

    def ask(self, session: int, content: str) -> list[tuple[str, Any]]:
        """Return the events of an answer."""
        connection = self.send("POST", f"/sessions/{session}/messages", {"content": content})
        response = connection.getresponse()
        assert response.status == 200
        assert response.getheader("content-type") == "text/event-stream; charset=utf-8"
        events = []
        for part in response.read().decode().split("\n\n")[:-1]:
            name, data = part.split("\n")
            events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        connection.close()
        return events

    def messages(self, session: int) -> list[dict[str, Any]]:
        return list(self.call("GET", f"/sessions/{session}/messages")[1])

    def query(self, name: str, **values: Any) -> list[dict[str, Any]]:
        from app.query import query

        return asyncio.run(query(self.url, name, values))

    def execute(self, sql: str, **values: Any) -> None:
        from app.database import make_engine
        from sqlalchemy import text

        async def execute() -> None:
            engine = make_engine(self.url)
            async with engine.begin() as connection:
                await connection.execute(text(sql), values)
            await engine.dispose()

        asyncio.run(execute())


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example after the first of its two commands."""
    folder = tmp_path_factory.mktemp("chat") / "fastapi-chat"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data", ".venv", "__pycache__"))
    environ = {**os.environ, "PYTHON": sys.executable}
    subprocess.run(["sh", str(folder / "setup.sh")], env=environ, stdout=subprocess.DEVNULL, check=True)
    return folder


@pytest.fixture(scope="module")
def prompts(example: Path) -> Path:
    """The prompts' repository, which that command made."""
    return example / "data/prompts"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server of the example's own script."""
    folder = tempfile.mkdtemp(prefix="chat-", dir="/tmp")  # short, as the system wants a socket's path
    script = ["sh", str(EXAMPLE / "demo/postgres.sh")]
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "POSTGRES_FOLDER": folder}

    def run(word: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*script, word], env=environ, capture_output=True, text=True, check=False)

    started = run("start")
    try:
        if started.returncode == 3:
            pytest.skip(started.stderr)
        assert started.returncode == 0, started.stderr
        yield run("url").stdout.strip()
    finally:
        run("stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def chat(
    request: pytest.FixtureRequest, prompts: Path, model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chat]:
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('database')}/chat.db"
    else:
        url = request.getfixturevalue("postgres")
    environ = {
        "DATABASE_URL": url,
        "PROMPTS": str(prompts),
        "CHAT_MODEL": "openai/demo-tutor",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": model.url,
    }
    from app.main import create_app

    with served(create_app(environ)) as port:
        yield Chat(port, url, prompts, model)


@contextmanager
def served(app: Any) -> Iterator[int]:
    """An application behind a real uvicorn on a thread; its port."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def until(is_so: Callable[[], Any]) -> Any:
    """Wait for a condition; only a test that fails waits long."""
    end = time.monotonic() + 30
    while not (found := is_so()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


def answer(text: str, **options: Any) -> Callable[[Exchange], Any]:
    return reply(text, tokens=usage(1000, 500), **options)


def test_an_answer_is_streamed_and_stored_once_with_its_metadata(chat: Chat) -> None:
    session = chat.begin()
    chat.model.script(answer("A hash function names the bucket.", pieces=["A hash ", "function ", "names the bucket."]))
    events = chat.ask(session, "What does the hash function do?")
    assert [name for name, _ in events] == ["meta", "text", "text", "text", "done"]
    assert [data for name, data in events if name == "text"] == ["A hash ", "function ", "names the bucket."]
    asked, said = chat.messages(session)
    assert (asked["role"], asked["content"], asked["meta"]) == ("user", "What does the hash function do?", {})
    assert (said["role"], said["content"]) == ("assistant", "A hash function names the bucket.")
    assert events[-1][1] == {"id": said["id"], "meta": said["meta"]}
    meta = said["meta"]
    with open_workspace(chat.prompts) as workspace:
        assert meta == workspace.log.execution(meta["execution_id"]).metadata
    schema = importlib.resources.files("promptctl.reports") / "json/message-metadata.schema.json"
    jsonschema.validate(meta, json.loads(schema.read_text()))
    expected = {
        "prompt_version": 1,
        "prompt_name": "Video Tutor",
        "prompt_label": "production",
        "content_type": "video",
    }
    expected |= {"model": "demo-tutor", "provider": "openai", "prompt": "tutor/video"}
    expected |= {"input_tokens": 1000, "output_tokens": 500, "cost_nano_usd": 450_000}
    assert meta.items() >= expected.items()
    assert meta["latency_ms"] > 0
    # the document's keys are there when the first word is, and what the end completes is null until then
    opening = events[0][1]
    assert opening | {key: meta[key] for key, value in opening.items() if value is None} == meta

    chat.ask(session, "And then?")
    sent = chat.model.requests[-1].body["messages"]
    assert [message["content"] for message in sent[1:]] == [asked["content"], said["content"], "And then?"]


def test_the_queries_of_the_document_find_their_rows(chat: Chat) -> None:
    session = chat.begin(lesson="big-o")
    with open_workspace(chat.prompts) as workspace:
        chat.model.script(answer("abcd"), answer("abcdef"))
        for question in ("1", "2"):
            chat.ask(session, question)
        workspace.labels.set("tutor/quiz@production", "v2")
        try:
            chat.model.script(answer("abc"))
            until(lambda: chat.ask(session, "3")[0][1]["prompt_version"] == 2)
        finally:
            workspace.labels.rollback("tutor/quiz@production")
        digests = [workspace.prompt(f"tutor/quiz@v{number}").version.digest for number in (1, 2)]
    said = [message for message in chat.messages(session) if message["role"] == "assistant"]
    trail = chat.query("audit_trail", session_id=session)
    assert [row["id"] for row in trail] == [message["id"] for message in said]
    assert [(row["prompt_name"], str(row["prompt_version"])) for row in trail][:2] == [("Quiz Tutor", "1")] * 2
    assert str(trail[-1]["prompt_version"]) == "2"
    lengths: dict[tuple[str, str], Any] = {}
    for row in chat.query("ab_testing"):
        lengths[row["prompt_name"], str(row["version"])] = row["message_count"], float(row["avg_response_length"])
    ours = [[m for m in said if m["meta"]["prompt_id"] == digest] for digest in digests]
    for number, wanted in enumerate(ours, 1):
        average = sum(len(message["content"]) for message in wanted) / len(wanted)
        assert lengths["Quiz Tutor", str(number)] == (len(wanted), pytest.approx(average))
        rows = chat.query("debugging", prompt="tutor/quiz", prompt_id=digests[number - 1])
        assert [(row["session_id"], row["content"]) for row in rows] == [(session, m["content"]) for m in wanted]
        assert chat.query("debugging", prompt="tutor/copy", prompt_id=digests[number - 1]) == []


def test_a_query_that_lacks_a_value_names_it(chat: Chat) -> None:
    from app.query import main

    with pytest.raises(SystemExit, match=r"^debugging needs prompt_id=…$"):
        main("debugging", "prompt=tutor/quiz")


def test_the_debugging_query_finds_messages_from_before_the_move_by_the_id_of_a_row(chat: Chat) -> None:
    """Their `prompt_id` is a number, which SQLite never finds equal to a text."""
    session = chat.begin()
    old = "INSERT INTO chat_messages (session_id, role, content, meta) VALUES (:session, 'assistant', 'Old', :meta)"
    chat.execute(old, session=session, meta='{"prompt_id": 5, "prompt_version": 3, "prompt_name": "Old Tutor"}')
    rows = chat.query("debugging", prompt="tutor/quiz", prompt_id="5")
    assert [(row["session_id"], row["content"]) for row in rows] == [(session, "Old")]


def test_the_stream_of_the_document_brings_the_metadata_of_an_answer_without_text(tmp_path: Path) -> None:
    """As a reply of tool calls alone is; else it would be stored like one from before prompts were tracked."""
    page = (EXAMPLE.parents[1] / "docs/from-chat-metadata.md").read_text()
    names: dict[str, Any] = {}
    exec(next(block.text for block in blocks(page) if "async def stream_response" in block.text), names)
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    prompt = "inputs: {question: {type: string}}\nmessages: [{role: user, content: '{{ question }}'}]\n"
    write(tmp_path, "prompts/tutor/video.prompt.yaml", prompt)
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, "Ask")

    async def pieces(question: str) -> list[tuple[str, Any]]:
        async with open_workspace(tmp_path) as workspace:
            workspace.labels.set("tutor/video@production", "v1")
            return [each async for each in names["stream_response"](workspace, "video", {"question": question})]

    [(text, meta)] = asyncio.run(pieces(""))
    assert (text, meta["prompt_version"], meta["latency_ms"] is None) == ("", 1, False)


def test_the_check_of_the_document_prints_the_metadata(chat: Chat) -> None:
    """As the page of the move shows it, on the database of the service."""
    page = (EXAMPLE.parents[1] / "docs/from-chat-metadata.md").read_text()
    check = next(block.text for block in blocks(page) if "from app.models.chat import" in block.text)
    chat.ask(chat.begin(), "Was it stored?")
    printed: list[str] = []

    async def run() -> None:
        from app.database import make_engine, make_sessions

        names: dict[str, Any] = {"print": printed.append}
        exec("async def check(db):\n" + indent(check, "    "), names)
        engine = make_engine(chat.url)
        async with make_sessions(engine)() as db:
            await names["check"](db)
        await engine.dispose()

    asyncio.run(run())
    assert printed[0].startswith("Message ")
    assert "'prompt_name': 'Video Tutor'" in printed[0]


def test_messages_from_before_prompts_were_tracked_keep_working(chat: Chat) -> None:
    session = chat.begin()
    old = "INSERT INTO chat_messages (session_id, role, content) VALUES (:session, 'assistant', 'From before')"
    chat.execute(old, session=session)
    before = {(row["prompt_name"], row["version"]): row["message_count"] for row in chat.query("ab_testing")}
    assert all(name for name, _ in before)
    (message,) = chat.messages(session)
    assert (message["content"], message["meta"]) == ("From before", {})
    assert [row["prompt_name"] for row in chat.query("audit_trail", session_id=session)] == [None]
    chat.ask(session, "Go on")
    assert chat.model.requests[-1].body["messages"][1] == {"role": "assistant", "content": "From before"}


def test_a_reader_who_leaves_half_way_leaves_what_had_arrived(chat: Chat) -> None:
    async def unending(exchange: Exchange) -> None:
        await exchange.start_stream()
        for piece in ("Half ", "of it"):
            chunk = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
            await exchange.event({"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [chunk]})
        await asyncio.sleep(60)

    session = chat.begin()
    chat.model.script(unending)
    connection = chat.send("POST", f"/sessions/{session}/messages", {"content": "Tell me all"})
    response = connection.getresponse()
    received = b""
    while b'"of it"' not in received:
        received += response.readline()
    response.close()
    connection.close()
    _, said = until(lambda: len(found := chat.messages(session)) == 2 and found)
    assert said["content"] == "Half of it"
    assert said["meta"]["status"] == "cancelled"
    assert said["meta"]["latency_ms"] > 0
    with open_workspace(chat.prompts) as workspace:
        execution = workspace.log.execution(said["meta"]["execution_id"])
    assert execution.status == "cancelled"
    assert {**execution.metadata, "status": "cancelled"} == said["meta"]


def test_a_thumb_is_kept_with_the_call_of_the_answer(chat: Chat) -> None:
    session = chat.begin(user="grace")
    _, (said, *_) = chat.ask(session, "Is it helpful?"), chat.messages(session)[1:]

    def rate(message: int, **body: Any) -> tuple[int, Any]:
        return chat.call("POST", f"/messages/{message}/feedback", body)[:2]

    assert rate(said["id"], thumb="up") == (201, {"score": 1.0})
    assert rate(said["id"], thumb="down", comment="It was not.") == (201, {"score": 0.0})
    with open_workspace(chat.prompts) as workspace:
        execution = workspace.log.execution(said["meta"]["execution_id"])
    assert execution.scores == {"helpful": 0.0}
    assert [(row.by, row.score) for row in execution.feedback] == [("grace", 1.0), ("grace", 0.0)]
    assert rate(said["id"] - 1, thumb="up")[0] == 409  # the reader's own message
    assert rate(999999, thumb="up")[0] == 404
    assert rate(said["id"], thumb="sideways")[0] == 422


def test_streams_at_the_same_time_lose_nothing(chat: Chat) -> None:
    import aiohttp

    sessions = [chat.begin(user=f"reader-{number}") for number in range(12)]

    async def ask_all() -> None:
        async with aiohttp.ClientSession() as client:
            await asyncio.gather(*(ask(client, session) for session in sessions))

    async def ask(client: aiohttp.ClientSession, session: int) -> None:
        url = f"http://127.0.0.1:{chat.port}/api/v1/sessions/{session}/messages"
        async with client.post(url, json={"content": f"Question {session}"}) as response:
            assert b"event: done" in await response.read()

    asyncio.run(ask_all())
    stored = {session: chat.messages(session) for session in sessions}
    ids = set()
    for session, (asked, said) in stored.items():
        assert asked["content"] == said["content"] == f"Question {session}"
        assert said["meta"]["prompt_label"] == {"control": "production", "kind": "kinder"}[said["meta"]["arm"]]
        ids.add(said["meta"]["execution_id"])
    with open_workspace(chat.prompts) as workspace:
        kept = {execution.id: execution for execution in workspace.log.executions() if execution.id in ids}
    assert len(kept) == len(sessions)
    for session, (_, said) in stored.items():
        execution = kept[said["meta"]["execution_id"]]
        assert (execution.session, execution.metadata) == (str(session), said["meta"])


def test_a_reader_sees_the_same_arm_of_the_experiment_in_every_conversation(chat: Chat) -> None:
    wanted = {"ada": ("control", "production", 1), "u1": ("kind", "kinder", 2)}
    for user, (arm, label, version) in wanted.items():
        for session in (chat.begin(user=user), chat.begin(user=user)):
            meta = chat.ask(session, "Which arm?")[-1][1]["meta"]
            assert meta == chat.messages(session)[1]["meta"]
            found = [meta[key] for key in ("experiment", "arm", "prompt_label", "prompt_version")]
            assert found == ["tone", arm, label, version]
    assert "experiment" not in chat.ask(chat.begin(lesson="big-o"), "And here?")[-1][1]["meta"]


@pytest.mark.parametrize(
    ("broken", "status", "words"),
    [
        (failure(400, "secret words of the provider"), 502, "could not answer"),
        (failure(401, "no such key sk-12"), 502, "could not answer"),
        (failure(429, retry_after=3600), 503, "is busy"),
    ],
    ids=["rejected", "key", "busy"],
)
def test_what_fails_before_the_answer_begins_has_a_status_and_stores_nothing(
    chat: Chat, broken: Callable[[Exchange], Any], status: int, words: str
) -> None:
    session = chat.begin()
    chat.model.script(broken)
    got, body, headers = chat.call("POST", f"/sessions/{session}/messages", {"content": "Hello"})
    assert got == status
    assert words in body["detail"]
    assert "secret" not in body["detail"]
    assert ("retry-after" in {name.lower() for name in headers}) == (status == 503)
    assert chat.messages(session) == []
    assert [name for name, _ in chat.ask(session, "Hello")][-1] == "done"


def test_what_fails_after_it_began_is_an_event_and_is_stored_as_far_as_it_came(chat: Chat) -> None:
    for broken in (cut_stream("Half "), error_in_stream("Half ", message="secret words")):
        session = chat.begin()
        chat.model.script(broken)
        *_, (name, data) = chat.ask(session, "Hello")
        _, said = chat.messages(session)
        assert name == "error"
        assert data["error"] == "The tutor could not answer. Please try again."
        assert (data["id"], data["meta"]) == (said["id"], said["meta"])
        assert (said["content"], said["meta"]["status"]) == ("Half ", "error")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/sessions", {"user_id": "ada", "lesson": "no-such"}, 404),
        ("/sessions", {"user_id": "a b\0", "lesson": "big-o"}, 422),
        ("/sessions/999999/messages", {"content": "Hello"}, 404),
        ("/sessions/99999999999999999999/messages", {"content": "Hello"}, 422),
        ("/sessions/1/messages", {"content": "  "}, 422),
        ("/sessions/1/messages", {"content": "a\0b"}, 422),
        ("/sessions/1/messages", {"content": "x" * 4001}, 422),
    ],
)
def test_wrong_requests_are_refused(chat: Chat, path: str, body: Any, status: int) -> None:
    assert chat.call("POST", path, body)[0] == status


def test_a_reply_that_no_database_takes_is_stored(chat: Chat) -> None:
    session = chat.begin()
    chat.model.script(answer("", pieces=["nul \0, half \ud83d", "\ude00 and \ud83d alone"]))
    chat.ask(session, "Strange signs?")
    assert chat.messages(session)[1]["content"] == "nul \ufffd, half \U0001f600 and \ufffd alone"


def test_the_stand_in_answers_from_the_material(prompts: Path, model: OpenAIServer, monkeypatch: Any) -> None:
    from app.services.lessons import LESSONS
    from demo import model as stand_in

    monkeypatch.setattr(stand_in, "PAUSE_S", 0)
    material = LESSONS["hash-tables"].material
    with served(stand_in.app) as port:
        environ = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}
        with open_workspace(prompts, environ) as workspace:

            def ask(ref: str, question: str) -> str:
                inputs = {"title": "Hash tables", "material": material, "question": question}
                *_, execution = workspace.stream(ref, inputs, model="openai/demo-tutor")
                assert not isinstance(execution, str | dict)
                assert execution.cost_nano_usd
                return execution.reply or ""

            assert "[01:30] Two keys in one bucket are a collision" in ask("tutor/video@production", "A collision?")
            assert ask("tutor/video@kinder", "Collisions?").startswith("Good question! The lesson says: [01:30]")
            assert "does not say" in ask("tutor/video@production", "Wie spät ist es?")


def test_the_service_answers_from_a_snapshot(prompts: Path, tmp_path: Path) -> None:
    from app.main import create_app

    file, url = tmp_path / "prompts.json", f"sqlite+aiosqlite:///{tmp_path}/chat.db"
    with open_workspace(prompts) as workspace:
        workspace.snapshots.write(file, ["production"])
        digest = workspace.prompt("tutor/video@production").version.digest
    environ = {"DATABASE_URL": url, "PROMPTS_SNAPSHOT": str(file), "CHAT_MODEL": "echo/echo"}
    with served(create_app(environ)) as port:
        chat = Chat(port, url, prompts, None)
        ids = {chat.ask(chat.begin(user=user), "Hello")[-1][1]["meta"]["prompt_id"] for user in ("ada", "u1")}
    assert len(ids) == 2
    assert digest in ids


def test_the_second_command_starts_the_chat_and_ends_it(example: Path) -> None:
    environ = {**os.environ, "PYTHON": sys.executable, "PORT": "0", "CHAT_MODEL": "echo/echo"}
    start = ["sh", str(example / "start.sh")]
    with subprocess.Popen(start, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        try:
            lines = iter(running.stdout.readline, "")
            address = next(line for line in lines if "Uvicorn running on" in line)
            chat = Chat(int(address.split("127.0.0.1:")[1].split()[0]), "", example, None)
            events = chat.ask(chat.begin(), "Is anybody there?")
            assert "".join(data for name, data in events if name == "text") == "Is anybody there?"
            page = HTTPConnection("127.0.0.1", chat.port, timeout=20)
            page.request("GET", "/")
            assert b"<title>Tutor</title>" in page.getresponse().read()
            page.close()
        finally:
            running.terminate()
        running.wait()
    with pytest.raises(ConnectionRefusedError):
        chat.call("GET", "/lessons")
