"""Inputs marked `sensitive: true`: their values reach the model and who asked, and nothing that is stored."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl import Workspace, open_workspace
from promptctl.errors import InputError, PromptctlError
from promptctl.evaluations.asking import coverage
from promptctl.evaluations.request import EvaluationRequest
from promptctl.log.records import Content
from promptctl.models.gateway import Request
from tests.openai_server import Answer, Exchange, OpenAIServer, cut_stream, echo, failure, hang, reply, tool_call
from tests.repositories import Repo

NAME = "Canary McCanaryface"
INPUTS: Mapping[str, Any] = {"patient": NAME, "age": 471108154711, "note": f"re {NAME.upper()}"}
SETTINGS = """\
model: near/a
models:
  "near/*": {{api_base: "{url}", max_attempts: 2, timeout_s: {timeout}}}
log:
  - {{prompts: "*", content: full}}
"""
PROMPT = """\
inputs:
  patient: {type: string, sensitive: true}
  age: {type: integer, minimum: 18, sensitive: true}
  note: {type: string}
messages:
  - role: system
    content: "A letter of 42 lines.{% if age > 40 %} Of age.{% endif %}"
  - role: user
    content: "{{ patient | upper | replace(' ', '_') }} {{ patient[:9] }} {{ age }} {{ note }}
      {% for c in patient %}{{ c }}-{% endfor %}"
output: {schema: {type: object}, retries: 1}
"""


@pytest.fixture
def opened(running: OpenAIServer, tmp_path: Path) -> Iterator[Callable[..., Workspace]]:
    running.reset()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/intake.prompt.yaml").write_text(PROMPT)
    with contextlib.ExitStack() as stack:

        def make(timeout: float = 5) -> Workspace:
            (tmp_path / "promptctl.yaml").write_text(SETTINGS.format(url=running.url, timeout=timeout))
            return stack.enter_context(open_workspace(tmp_path, {}))

        yield make


def leaks(root: Path) -> list[str]:
    """Return the files below that hold the canary in any case, and the form that a filter of the template gives it."""
    found = []
    for path in root.rglob("*"):
        if path.is_file() and path.parts[len(root.parts)] not in ("prompts", "datasets"):
            text = path.read_bytes().lower()
            found += [f"{path}: {word!r}" for word in (b"canary", b"c-a-n", b"471108154711") if word in text]
    return found


ENDS: Mapping[str, tuple[Answer, ...]] = {
    "ok": (reply(json.dumps({"hello": NAME, "age": 471108154711}), reasoning={"reasoning_content": f"It is {NAME}"}),),
    "tool": (tool_call("send", {"to": NAME}),),
    "invalid": (reply(f"Dear {NAME}"), reply(f"Dear {NAME.upper()}")),
    "error": (failure(400, f"no such patient: {NAME}, 471108154711"),),
    "retried": (failure(500, f"busy with {NAME}"), reply(json.dumps({"x": NAME}))),
    "cut": (cut_stream(f"Dear {NAME}"), cut_stream(f"Dear {NAME}")),
}


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_no_store_holds_the_value_however_a_call_ends(
    opened: Callable[..., Workspace], running: OpenAIServer, tmp_path: Path, end: str, streams: bool
) -> None:
    workspace = opened()
    workspace.context.gateway  # noqa: B018 - nothing waits between attempts below
    running.script(*ENDS[end])
    told: list[str] = []
    options: dict[str, Any] = {"user": NAME, "metadata": {"who": NAME, "age": 471108154711}, "on_retry": told.append}
    words = ""
    try:
        if streams:
            *_, _last = workspace.stream("intake", INPUTS, **options)
        else:
            assert workspace.run("intake", INPUTS, **options).inputs == INPUTS, "who asked gets it as it is"
    except PromptctlError as error:
        words = f"{error} {error!r} {error.hint}"
    assert "canary" not in "".join([words, *told]).lower()
    sent = running.requests[0].body["messages"][-1]["content"]
    assert NAME.upper().replace(" ", "_") in sent
    rows = list(workspace.log.executions(with_content=True))
    assert rows
    for row in rows:
        assert row.inputs is not None
        assert row.inputs["patient"].startswith("hmac-sha256:")
        assert row.messages is not None
        assert row.messages[0]["content"] == "[sensitive]", "the template counts with the value"
        assert row.messages[1]["content"].startswith("[SENSITIVE:_PATIENT] [sensitiv")
        assert (row.user or "").startswith("hmac-sha256:"), "calls for one user can still be joined"
    assert leaks(tmp_path) == []


def test_a_call_that_is_refused_or_cancelled_leaves_no_value(
    opened: Callable[..., Workspace], running: OpenAIServer, tmp_path: Path
) -> None:
    workspace = opened()
    with pytest.raises(InputError) as refused:
        workspace.run("intake", {**INPUTS, "age": 7})
    assert "7" not in refused.value.message
    with pytest.raises(InputError):
        workspace.run("intake", {**INPUTS, "more": NAME})

    async def cancelled() -> None:
        asked, hanging = asyncio.Event(), hang()
        loop = asyncio.get_running_loop()

        async def answer(exchange: Exchange) -> None:
            loop.call_soon_threadsafe(asked.set)
            await hanging(exchange)

        running.script(answer)
        task = asyncio.ensure_future(workspace.arun("intake", INPUTS))
        await asked.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await workspace.aclose()

    asyncio.run(cancelled())
    with open_workspace(tmp_path, {}) as again:
        assert [row.status for row in again.log.executions()] == ["cancelled", "blocked", "blocked"]
    assert leaks(tmp_path) == []


def test_records_that_the_database_does_not_take_hold_no_value_either(
    opened: Callable[..., Workspace], running: OpenAIServer, tmp_path: Path
) -> None:
    workspace = opened()
    running.script(reply(json.dumps({"x": NAME})), reply(json.dumps({"x": NAME})))
    workspace.run("intake", INPUTS)
    workspace.close()
    log = tmp_path / ".promptctl/log.db"
    with contextlib.closing(sqlite3.connect(log, isolation_level=None)) as holder:
        holder.execute("DROP TABLE latest_calls")
    workspace.run("intake", INPUTS)
    workspace.close()
    assert list(tmp_path.glob(".promptctl/unsaved/*")) or list(tmp_path.glob(".promptctl/log.damaged-*"))
    assert leaks(tmp_path) == []


JUDGED = """\
prompts: [intake]
cases:
  - id: one
    inputs: {patient: Canary McCanaryface, age: 471108154711, note: about Canary McCanaryface}
    expected: {name: Canary McCanaryface}
    assert:
      - {type: contains, value: "{{ patient }} is well"}
      - {type: llm-rubric, value: "names {{ patient }}", model: near/judge}
"""


def test_an_evaluation_keeps_it_out_of_results_judges_cache_recordings_and_reports(
    opened: Callable[..., Workspace], running: OpenAIServer, tmp_path: Path
) -> None:
    workspace = opened()
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets/intake.yaml").write_text(JUDGED)
    verdict = {"pass": False, "score": 0, "reason": f"{NAME} is named, {NAME.lower()}"}
    running.script(reply(json.dumps({"x": NAME})), reply(json.dumps(verdict)))
    (evaluation,) = workspace.evaluate(EvaluationRequest(refs=("intake",), replies="record"))
    (row,) = workspace.context.log.results(evaluation.row.id)
    assert row.output == '{"x": "[sensitive: patient]"}'
    assert row.detail.inputs["note"] == "about [sensitive: patient]"
    assert [each["type"] for each in row.detail.assertions] == ["contains", "llm-rubric", "equals"]
    running.script(*[failure(400, f"no such patient: {NAME}")] * 2)
    (failed,) = workspace.evaluate(EvaluationRequest(refs=("intake",), replies="ask"))
    (row,) = workspace.context.log.results(failed.row.id)
    assert "no such patient: [sensitive: patient]" in (row.error_message or "")
    for suffix in ("html", "csv", "json", "xml", "md"):
        workspace.results.export([evaluation], tmp_path / f"report.{suffix}")
    workspace.close()
    recorded = (tmp_path / "datasets/recordings/intake.jsonl").read_text()
    assert "[sensitive: patient]" in recorded
    assert "canary" not in recorded.lower()
    assert leaks(tmp_path) == []


def test_messages_are_stored_as_they_would_be_of_a_value_of_the_same_form(
    opened: Callable[..., Workspace], running: OpenAIServer, tmp_path: Path
) -> None:
    (tmp_path / "prompts/rows.prompt.yaml").write_text("""\
inputs:
  rows: {type: array, items: {type: object, properties: {name: {type: string}}}, sensitive: true}
messages:
  - {role: user, content: "{% for row in rows %}{{ row.name }};{% endfor %}"}
""")
    workspace = opened()
    running.script(reply("ok"))
    workspace.run("rows", {"rows": [{"name": NAME}] * 2})
    (row,) = workspace.log.executions(with_content=True)
    assert row.messages == [{"role": "user", "content": "[sensitive: rows];"}]


@pytest.mark.parametrize("log", ["full", "metadata"])
def test_a_value_under_a_mistyped_name_is_stored_nowhere(
    opened: Callable[..., Workspace], tmp_path: Path, log: Content
) -> None:
    workspace = opened()
    given = {"patent": NAME, "age": 471108154711, "note": f"re {NAME}"}
    with pytest.raises(InputError) as refused:
        workspace.run("intake", given, log=log, metadata={"who": NAME})
    assert "canary" not in f"{refused.value!r} {refused.value}".lower()
    latest = workspace.log.latest_call("intake")
    assert latest is not None
    assert latest.inputs is not None
    assert latest.inputs["patent"].startswith("hmac-sha256:")
    assert latest.inputs["note"] == "re [sensitive: patent]"
    assert (
        latest.error_message
        == "inputs of intake: `patient` is missing; `patent` is not an input (did you mean `patient`?)"
    )
    workspace.close()
    assert leaks(tmp_path) == []


PIN = """\
inputs: {pin: {type: string, sensitive: true}}
messages: [{role: user, content: "{{ pin }} {{ pin | first }}"}]
"""


def test_neither_a_recording_nor_the_cache_has_a_digest_that_a_short_value_can_be_guessed_from(
    opened: Callable[..., Workspace], running: OpenAIServer, tmp_path: Path
) -> None:
    (tmp_path / "prompts/pin.prompt.yaml").write_text(PIN)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets/pin.yaml").write_text(
        "prompts: [pin]\ncases:\n  - {id: one, inputs: {pin: '4711'}, expected: fine}\n"
    )
    workspace = opened()
    running.script(reply("fine"))
    guess = Request("near/a", [{"role": "user", "content": "4711 4"}])
    for _ in range(2):
        (evaluation,) = workspace.evaluate(EvaluationRequest(refs=("pin",), replies="record"))
        assert evaluation.verdict == "passed"
    assert len(running.requests) == 1, "the second was answered by the cache"
    assert coverage(workspace.context, workspace.plan(EvaluationRequest(refs=("pin",)))).recorded == 1
    (replayed,) = workspace.evaluate(EvaluationRequest(refs=("pin",), replies="replay"))
    assert replayed.verdict == "passed"
    assert workspace.run("pin", {"pin": "0815"}, model="replay/near/a").reply == "fine", "the same recording"
    state = tmp_path / ".promptctl"
    workspace.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.suffix in (".jsonl", ".db"))
    assert guess.digest().encode() not in kept
    (state / "sensitive.key").unlink()
    with open_workspace(tmp_path, {}) as elsewhere:
        assert elsewhere.run("pin", {"pin": "4711"}, model="replay/near/a").reply == "fine", "no key is needed"


def test_a_reply_that_was_corrected_replays_with_its_correction(
    opened: Callable[..., Workspace], running: OpenAIServer, tmp_path: Path
) -> None:
    workspace = opened()
    running.script(reply(f"Dear {NAME}"), reply(json.dumps({"x": NAME})))
    assert workspace.run("intake", INPUTS, record=True).attempt == 2
    again = workspace.run("intake", {**INPUTS, "age": 40}, model="replay/near/a")
    assert (again.attempt, again.output) == (2, {"x": "[sensitive: patient]"})
    workspace.close()
    assert leaks(tmp_path) == []


MARKED = "inputs:\n  name: {type: string, sensitive: true}\nmessages: [{role: user, content: 'Hello {{ name }}'}]\n"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("greet", MARKED + "tgs: [a]\n"),
        ("greet", MARKED.replace("sensitive", "sensetive")),
        ("greet", MARKED.replace("sensitive: true", "sensitive: 'yes'")),
        ("greet", MARKED.replace("{type", "{{type")),
        ("greet", MARKED.replace("  name", "  person").replace("{{ name", "{{ person")),
        ("hello", MARKED + "formerly: [greet]\n"),
        ("hello", MARKED),
    ],
)
def test_a_mark_fails_closed_for_earlier_versions(tmp_path: Path, path: str, text: str) -> None:
    repo = Repo(tmp_path)
    repo.git("init", "--quiet")
    repo.write("promptctl.yaml", 'model: echo/echo\nlog: [{prompts: "*", content: full}]\n')
    repo.write("prompts/greet.prompt.yaml", MARKED.replace(", sensitive: true", ""))
    repo.commit("one")
    (tmp_path / "prompts/greet.prompt.yaml").unlink()
    repo.write(f"prompts/{path}.prompt.yaml", text)
    if path == "hello":
        repo.commit("two")
    with open_workspace(repo.path, {}) as workspace:
        for ref in ("greet@v1", "greet@HEAD~1" if path == "hello" else "greet@HEAD"):
            assert workspace.run(ref, {"name": NAME}).reply == f"Hello {NAME}"
        rows = list(workspace.log.executions(with_content=True))
        assert [row.reply for row in rows] == ["Hello [sensitive: name]"] * 2
    assert leaks(tmp_path) == []


def test_a_mark_holds_for_earlier_versions_at_once(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    repo.git("init", "--quiet")
    repo.write("promptctl.yaml", 'model: echo/echo\nlog: [{prompts: "*", content: full}]\n')
    plain = "inputs:\n  name: {type: string}\nmessages: [{role: user, content: 'Hello {{ name }}'}]\n"
    repo.write("prompts/greet.prompt.yaml", plain)
    repo.commit("one")
    repo.write("prompts/greet.prompt.yaml", plain.replace("string", "string, sensitive: true"))
    repo.commit("two")
    with open_workspace(repo.path, {}) as workspace:
        new, old = workspace.prompt("greet"), workspace.prompt("greet@HEAD~1")
        assert new.version.digest == old.version.digest, "what is logged is no part of a version"
        for ref in ("greet", "greet@HEAD~1", "greet@v1"):
            assert workspace.run(ref, {"name": NAME}).reply == f"Hello {NAME}"
        rows = list(workspace.log.executions(with_content=True))
        assert {row.reply for row in rows} == {"Hello [sensitive: name]"}
        assert len({row.inputs["name"] for row in rows if row.inputs}) == 1, "equal values can be joined"


def test_a_workspace_without_sensitive_inputs_never_loads_the_mask(tmp_path: Path, running: OpenAIServer) -> None:
    running.reset()
    running.default = echo
    prompt = PROMPT.replace(", sensitive: true", "").replace("output: {schema: {type: object}, retries: 1}", "")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/intake.prompt.yaml").write_text(prompt)
    (tmp_path / "promptctl.yaml").write_text(SETTINGS.format(url=running.url, timeout=5))
    with open_workspace(tmp_path, {}) as workspace:
        (call,) = [workspace.run("intake", INPUTS)]
    assert call.mask is None


def test_the_mark_is_checked_shown_and_compared(tmp_path: Path) -> None:
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\n")
    (tmp_path / "prompts").mkdir()
    text = "inputs: {{name: {{type: string{}}}}}\nmessages: [{{role: user, content: '{{{{ name }}}}'}}]\n"
    for id_, more in (("plain", ""), ("marked", ", sensitive: true"), ("typo", ", sensitve: true")):
        (tmp_path / f"prompts/{id_}.prompt.yaml").write_text(text.format(more))
    with open_workspace(tmp_path, {}) as workspace:
        (problem,) = workspace.validate().problems
        assert (problem.place and problem.place.path, problem.hint) == (
            "prompts/typo.prompt.yaml",
            "did you mean `sensitive`?",
        )
        assert workspace.page("marked").as_dict()["inputs"][0]["sensitive"] is True
        difference = json.dumps(workspace.diff("marked", "plain").as_dict())
        assert "inputs.name.sensitive" in difference


def test_a_case_made_of_a_masked_call_is_told(tmp_path: Path) -> None:
    (tmp_path / "promptctl.yaml").write_text('model: echo/echo\nlog: [{prompts: "*", content: full}]\n')
    for folder in ("prompts", "datasets"):
        (tmp_path / folder).mkdir()
    prompt = "inputs: {name: {type: string, sensitive: true}}\nmessages: [{role: user, content: '{{ name }}'}]\n"
    (tmp_path / "prompts/greet.prompt.yaml").write_text(prompt)
    (tmp_path / "datasets/greet.yaml").write_text(
        "prompts: [greet]\ncases:\n  - {id: a, inputs: {name: x}, expected: x}\n"
    )
    told: list[str] = []
    with open_workspace(tmp_path, {}, on_warning=told.append) as workspace:
        execution = workspace.run("greet", {"name": NAME})
        added = workspace.datasets.add("greet", execution.id, expects_reply=True)
    assert added.is_masked
    assert told == [
        f"case {added.case_id} holds marks for sensitive inputs, which the log never had; put made-up values"
    ]
    assert "anary" not in (tmp_path / "datasets/greet.yaml").read_text()


def test_a_misspelt_mark_stops_the_call_before_anything_is_sent(
    opened: Callable[..., Workspace], running: OpenAIServer, tmp_path: Path
) -> None:
    (tmp_path / "prompts/intake.prompt.yaml").write_text(PROMPT.replace("sensitive", "sensetive", 1))
    with pytest.raises(PromptctlError, match="unknown key `sensetive`"):
        opened().run("intake", INPUTS)
    assert running.requests == []
    assert leaks(tmp_path) == []


WORDS = st.sampled_from(["user", "assistant", "tool", "content", "role", "type", "text", "Ada", "canary", "x y", "1"])
MESSAGES = st.lists(
    st.one_of(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": WORDS}),
        st.builds(lambda text: {"role": "user", "content": [{"type": "text", "text": text}]}, WORDS),
        st.builds(lambda id_, text: {"role": "tool", "tool_call_id": id_, "content": text}, WORDS, WORDS),
        st.builds(lambda text: {"role": "assistant", "content": None, "tool_calls": [called(text)]}, WORDS),
    ),
    max_size=4,
)


def called(text: str) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": "send", "arguments": json.dumps({"to": text})}}


def said(data: Any, name: str = "") -> Iterator[str]:
    """Yield what messages or inputs say beside the words of the protocol, without marks."""
    if isinstance(data, Mapping):
        yield from (text for key, each in data.items() if key not in ("role", "type") for text in said(each))
    elif isinstance(data, list):
        yield from (text for each in data for text in said(each))
    elif data is not None:
        yield re.sub(r"\[sensitive[^]]*\]|hmac-sha256:\w+", "", str(data))


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    root = tmp_path_factory.mktemp("chats")
    (root / "promptctl.yaml").write_text("model: echo/echo\nlog: [{prompts: '*', content: full}]\n")
    (root / "prompts").mkdir()
    for prompt, marked in (("name", "name"), ("history", "history")):
        marks = {each: ", sensitive: true" * (each == marked) for each in ("name", "history")}
        (root / f"prompts/{prompt}.prompt.yaml").write_text(
            f"inputs:\n  history: {{type: array, default: []{marks['history']}}}\n"
            f"  name: {{type: string{marks['name']}}}\nmessages:\n  - {{role: system, content: Be kind.}}\n"
            "  - placeholder: history\n  - {role: user, content: '{{ name }}? {{ history | length > 1 }}'}\n"
        )
    with open_workspace(root, {}) as workspace:
        yield workspace


@settings(max_examples=60, deadline=None)
@given(prompt=st.sampled_from(["name", "history"]), history=MESSAGES, name=WORDS)
def test_of_any_chat_as_many_messages_are_stored_as_sent_with_their_roles_and_without_the_values(
    chats: Workspace, prompt: str, history: list[dict[str, Any]], name: str
) -> None:
    ran = chats.run(prompt, {"history": history, "name": name})
    row = chats.log.execution(ran.id)
    assert ran.messages is not None
    assert row.messages is not None
    assert row.inputs is not None
    assert [each["role"] for each in row.messages] == [each["role"] for each in ran.messages]
    values = [name] if prompt == "name" else [*said(history)]
    texts = [*said(row.messages), *said(row.inputs), *said(row.reply)]
    found = [(each, text) for each in values for text in texts if re.search(rf"\b{each}\b", text, re.IGNORECASE)]
    assert found == []
    if prompt == "name":
        assert [[*each] for each in row.messages] == [[*each] for each in ran.messages], "keys are the protocol's"
        assert [[*each] for each in row.inputs["history"]] == [[*each] for each in history]
