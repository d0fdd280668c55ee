from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from promptctl.calls.account import spent
from promptctl.calls.loop import UnderWay
from promptctl.errors import (
    AuthenticationFailed,
    BudgetReached,
    ContentFiltered,
    CostLimitReached,
    InvalidOutput,
    MissingKey,
    ModelError,
    ModelTimeout,
    PromptctlError,
    ProviderFailed,
    ProviderUnreachable,
    RateLimited,
    ReplyNotRecorded,
    ReplyWithheld,
    RequestRejected,
    WorkspaceError,
)
from promptctl.log.records import Execution
from promptctl.models.gateway import Reply, Usage
from tests.calls.conftest import SCHEMA, KeptRecords, QueuedGateway, make_call

LOOKUP = {"type": "function", "function": {"name": "lookup"}}


def test_a_call_is_recorded_once_with_everything_that_made_it(make_runner: Any, records: KeptRecords) -> None:
    call = make_call(user="u1", session="s1", metadata={"ticket": 7})
    execution = asyncio.run(make_runner(QueuedGateway("Hello")).run(call))

    assert records.executions == [execution]
    assert (execution.reply, execution.status, execution.attempt) == ("Hello", "ok", 1)
    assert (execution.prompt, execution.digest, execution.commit) == ("support/triage", "1:abc", "c" * 40)
    assert (execution.input_tokens, execution.output_tokens, execution.cost_nano_usd) == (10, 5, 100)
    assert (execution.model, execution.model_resolved) == ("openai/gpt-4o-mini", "gpt-4o-mini-2024")
    assert execution.call_metadata == {"content_type": "text", "owner": "support", "ticket": 7}
    assert (execution.user, execution.session, execution.content_type) == ("u1", "s1", "text")


def test_a_lane_that_fails_in_itself_leaves_nothing_that_is_under_way(make_runner: Any, records: KeptRecords) -> None:
    under_way = UnderWay()
    runner = make_runner(QueuedGateway(WorkspaceError("no file"), WorkspaceError("no file")), under_way=under_way)

    async def streamed() -> None:
        async for _ in runner.stream(make_call()):
            pass

    for asked in (runner.run(make_call()), streamed()):
        with pytest.raises(WorkspaceError):
            asyncio.run(asked)
    under_way.cancel_left()
    assert records.executions == []


def test_an_error_between_a_reply_and_its_record_leaves_nothing_that_is_under_way(
    make_runner: Any, records: KeptRecords
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    under_way = UnderWay()
    runner = make_runner(QueuedGateway("Hello"), under_way=under_way)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(runner.run(make_call(on_reply=fail)))
    under_way.cancel_left()
    assert records.executions == []


def test_a_retry_is_a_second_row_of_the_same_call(make_runner: Any, records: KeptRecords, naps: list[float]) -> None:
    gateway = QueuedGateway(RateLimited("slow down", status=429, retry_after_s=2.0), "Hello")
    execution = asyncio.run(make_runner(gateway).run(make_call()))

    first, second = records.executions
    assert first.call_id == second.call_id
    assert (first.status, first.error_type, first.attempt) == ("error", "RateLimited", 1)
    assert (second.status, second.attempt) == ("ok", 2)
    assert first.id != second.id
    assert execution.id == second.id
    assert naps[0] >= 2.0


@pytest.mark.parametrize(
    ("error", "cost"),
    [
        (RateLimited("slow down", status=429), 0),
        (AuthenticationFailed("no", status=401), 0),
        (RequestRejected("no such model", status=404), 0),
        (ProviderFailed("too early", status=425), 0),
        (ReplyNotRecorded("nothing of the kind"), 0),
        (MissingKey("KEY is not set"), 0),
        (ProviderUnreachable("closed"), None),
        (ProviderFailed("down", status=503), None),
        (ProviderFailed("gave up", status=408), None),
        (ModelTimeout("late"), None),
        (ContentFiltered("read, and refused", status=400), None),
    ],
    ids=str,
)
def test_a_request_that_was_refused_cost_nothing_and_one_that_broke_off_nobody_knows_what(
    make_runner: Any, records: KeptRecords, error: ModelError, cost: int | None
) -> None:
    with pytest.raises(type(error)):
        asyncio.run(make_runner(QueuedGateway(*[error] * 9)).run(make_call()))
    assert {each.cost_nano_usd for each in records.executions} == {cost}


def test_a_refusal_does_not_say_that_a_call_was_free(make_runner: Any, records: KeptRecords) -> None:
    failures = RateLimited("slow down", status=429), *[ProviderFailed("down", status=503)] * 2
    with pytest.raises(ProviderFailed) as caught:
        asyncio.run(make_runner(QueuedGateway(*failures)).run(make_call()))
    assert [each.cost_nano_usd for each in records.executions] == [0, None, None]
    assert caught.value.execution.cost_nano_usd is None


@pytest.mark.parametrize(
    "failures",
    [
        (ModelTimeout("late"), RequestRejected("no", status=400)),
        (ModelTimeout("late"), BudgetReached("nothing is left")),
        (ProviderFailed("down", status=500), RequestRejected("no", status=400)),
        (RateLimited("slow down", status=429), ModelTimeout("late"), RateLimited("slow down", status=429)),
    ],
    ids=str,
)
def test_a_refusal_at_last_does_not_say_that_a_call_was_free(
    make_runner: Any, records: KeptRecords, failures: tuple[PromptctlError, ...]
) -> None:
    with pytest.raises(type(failures[-1])) as caught:
        asyncio.run(make_runner(QueuedGateway(*failures)).run(make_call()))
    assert records.executions[-1].cost_nano_usd == 0
    assert caught.value.execution is not None
    assert caught.value.execution.cost_nano_usd is None
    assert spent(caught.value.execution, caught.value) is None


def test_a_free_reply_says_that_a_call_was_free(make_runner: Any) -> None:
    free = Reply("Hello", "m", "local", usage=Usage(10, 5), cost_nano_usd=0)
    execution = asyncio.run(make_runner(QueuedGateway(ModelTimeout("late"), free)).run(make_call()))
    assert execution.cost_nano_usd == 0


def test_an_attempt_that_a_budget_refuses_after_others_cost_nothing(make_runner: Any, records: KeptRecords) -> None:
    gateway = QueuedGateway("no JSON", BudgetReached("nothing is left"))
    with pytest.raises(BudgetReached) as caught:
        asyncio.run(make_runner(gateway).run(make_call(schema=SCHEMA, retries=1)))
    assert [(each.status, each.cost_nano_usd) for each in records.executions] == [
        ("invalid_output", 100),
        ("blocked", 0),
    ]
    assert caught.value.execution.cost_nano_usd == 100


@pytest.mark.parametrize(
    ("first", "cost"), [("no JSON", 100), (ModelTimeout("late"), None), (RateLimited("slow down", status=429), 0)]
)
def test_a_limit_of_one_command_that_refuses_a_later_attempt_has_the_earlier_ones(
    make_runner: Any, records: KeptRecords, first: Any, cost: int | None
) -> None:
    gateway = QueuedGateway(first, CostLimitReached("too little is left"))
    with pytest.raises(CostLimitReached) as caught:
        asyncio.run(make_runner(gateway).run(make_call(schema=SCHEMA, retries=1)))
    [record] = records.executions
    assert (caught.value.execution.id, caught.value.execution.cost_nano_usd) == (record.id, cost)
    assert spent(caught.value.execution, caught.value) == cost


def test_a_limit_that_refuses_the_first_attempt_has_no_execution(make_runner: Any, records: KeptRecords) -> None:
    with pytest.raises(CostLimitReached) as caught:
        asyncio.run(make_runner(QueuedGateway(CostLimitReached("too little is left"))).run(make_call()))
    assert (caught.value.execution, records.executions) == (None, [])


def test_retries_are_bounded(make_runner: Any, records: KeptRecords) -> None:
    gateway = QueuedGateway(*[ProviderFailed("down", status=500)] * 9)
    with pytest.raises(ProviderFailed) as caught:
        asyncio.run(make_runner(gateway).run(make_call()))

    assert len(records.executions) == len(gateway.requests) == 3
    assert caught.value.execution.id == records.executions[-1].id


def test_a_rejected_request_is_not_sent_again(make_runner: Any, records: KeptRecords) -> None:
    gateway = QueuedGateway(RequestRejected("no such model", status=404), "never")
    with pytest.raises(RequestRejected):
        asyncio.run(make_runner(gateway).run(make_call()))
    assert [each.status for each in records.executions] == ["error"]


def test_an_invalid_reply_is_asked_for_again_with_its_problems(make_runner: Any, records: KeptRecords) -> None:
    gateway = QueuedGateway('{"label": "other"}', '{"label": "bug"}')
    execution = asyncio.run(make_runner(gateway).run(make_call(schema=SCHEMA, retries=2)))

    assert execution.output == {"label": "bug"}
    assert [each.status for each in records.executions] == ["invalid_output", "ok"]
    asked_again = gateway.requests[1].messages
    assert asked_again[-2] == {"role": "assistant", "content": '{"label": "other"}'}
    assert "label" in asked_again[-1]["content"]
    assert execution.cost_nano_usd == 200, "the call's cost is that of both attempts"
    assert (execution.metadata["input_tokens"], execution.metadata["output_tokens"]) == (20, 10), "beside it its tokens"
    assert (records.executions[-1].input_tokens, records.executions[-1].output_tokens) == (10, 5)
    assert records.executions[-1].cost_nano_usd == 100, "the row's cost is its own"


def test_a_reply_that_never_fits_is_kept_and_raised(make_runner: Any, records: KeptRecords) -> None:
    gateway = QueuedGateway("no json", "still none")
    with pytest.raises(InvalidOutput) as caught:
        asyncio.run(make_runner(gateway).run(make_call(schema=SCHEMA, retries=1)))

    assert [each.status for each in records.executions] == ["invalid_output"] * 2
    assert caught.value.execution.reply == "still none"
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("text", ["", "Let me look.", '{"label": "nonsense"}'])
def test_a_tool_call_needs_no_output_whatever_is_said_beside_it(make_runner: Any, text: str) -> None:
    calls = ({"id": "1", "type": "function", "function": {"name": "lookup", "arguments": "{}"}},)
    execution = asyncio.run(
        make_runner(QueuedGateway(Reply(text, "m", "openai", tool_calls=calls))).run(
            make_call(schema=SCHEMA, tools=[LOOKUP])
        )
    )
    assert execution.status == "ok"
    assert execution.tool_calls == calls


@pytest.mark.parametrize("tools", [(), ({"type": "function", "function": {"name": "other"}},)])
@pytest.mark.parametrize("name", ["lookup", ["lookup"]])
def test_a_call_of_a_tool_that_the_prompt_lacks_is_no_output(make_runner: Any, name: Any, tools: Any) -> None:
    calls = ({"id": "1", "type": "function", "function": {"name": name, "arguments": "{}"}},)
    gateway = QueuedGateway(Reply("", "m", "openai", tool_calls=calls), '{"label": "bug"}')
    execution = asyncio.run(make_runner(gateway).run(make_call(schema=SCHEMA, retries=1, tools=tools)))
    assert execution.output == {"label": "bug"}
    said, asked = gateway.requests[1].messages[-2:]
    assert "lookup" in said["content"]
    assert f"calls the tool {name}" in asked["content"]


ENDS: dict[str, tuple[Reply, str, str]] = {
    "cut": (Reply('{"la', "m", "openai", finish_reason="length"), "ReplyCut", "cut at max_tokens=5"),
    "cut by another name": (Reply("x", "m", "openai", finish_reason="MAX_TOKENS"), "ReplyCut", "cut at max_tokens=5"),
    "spent on reasoning": (
        Reply("", "m", "openai", finish_reason="length", usage=Usage(10, 5, reasoning_tokens=5)),
        "ReplyCut",
        "cut at max_tokens=5, all of it spent on reasoning",
    ),
    "nothing but reasoning": (
        Reply(" ", "m", "openai", finish_reason="stop", usage=Usage(10, 5, reasoning_tokens=5)),
        "ReplyCut",
        "is empty: all of its tokens were spent on reasoning",
    ),
    "withheld": (Reply("", "m", "openai", finish_reason="content_filter"), "ReplyWithheld", "withheld by the provider"),
    "broken off": (Reply("a", "m", "openai", finish_reason="error"), "ReplyCut", "broken off by the provider"),
}


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("case", ENDS)
def test_a_reply_that_is_not_whole_says_so(
    make_runner: Any, records: KeptRecords, case: str, is_streamed: bool
) -> None:
    reply, error_type, words = ENDS[case]
    call = make_call()
    call = replace(call, request=replace(call.request, parameters={"max_tokens": 5}))
    runner = make_runner(QueuedGateway([reply] if is_streamed else reply))
    execution = asyncio.run(_collect(runner.stream(call)))[-1] if is_streamed else asyncio.run(runner.run(call))
    assert (execution.status, execution.error_type, execution.reply) == ("invalid_output", error_type, reply.text)
    assert words in execution.error_message
    assert records.executions == [execution]


@pytest.mark.parametrize("case", ENDS)
def test_data_that_is_not_whole_is_not_asked_for_again(make_runner: Any, records: KeptRecords, case: str) -> None:
    reply, error_type, _ = ENDS[case]
    gateway = QueuedGateway(reply, "never")
    with pytest.raises(InvalidOutput) as caught:
        asyncio.run(make_runner(gateway).run(make_call(schema=SCHEMA, retries=2)))
    assert type(caught.value).__name__ == records.executions[-1].error_type == error_type
    assert len(records.executions) == len(gateway.requests) == 1


def test_a_refusal_is_a_reply_in_words_and_no_data(make_runner: Any) -> None:
    refusal = Reply("Je ne peux pas.", "m", "openai", finish_reason="refusal")
    assert asyncio.run(make_runner(QueuedGateway(refusal)).run(make_call())).status == "ok"
    with pytest.raises(ReplyWithheld, match="is a refusal: Je ne peux pas"):
        asyncio.run(make_runner(QueuedGateway(refusal, "never")).run(make_call(schema=SCHEMA, retries=2)))


def test_an_unknown_cost_stays_unknown(make_runner: Any) -> None:
    execution = asyncio.run(make_runner(QueuedGateway(Reply("Hi", "m", "openai"))).run(make_call()))
    assert execution.cost_nano_usd is None


def test_a_cancelled_call_is_recorded(make_runner: Any, records: KeptRecords) -> None:
    class Hanging(QueuedGateway):
        async def complete(self, request: Any) -> Reply:
            await asyncio.sleep(60)
            raise AssertionError

    async def cancel_soon() -> None:
        task = asyncio.create_task(make_runner(Hanging()).run(make_call()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancel_soon())
    assert [each.status for each in records.executions] == ["cancelled"]


async def _collect(stream: Any) -> list[Any]:
    return [piece async for piece in stream]


def test_a_stream_gives_metadata_then_text_then_the_execution(make_runner: Any, records: KeptRecords) -> None:
    gateway = QueuedGateway(["Hel", "lo"])
    pieces = asyncio.run(_collect(make_runner(gateway).stream(make_call())))

    metadata, *text, execution = pieces
    assert metadata["execution_id"] == execution.id
    assert metadata == execution.metadata
    assert text == ["Hel", "lo"]
    assert execution.reply == "Hello"
    assert records.executions == [execution]


def test_a_stream_is_asked_again_only_before_its_first_word(make_runner: Any, records: KeptRecords) -> None:
    gateway = QueuedGateway([ProviderFailed("down")], ["Hello"])
    pieces = asyncio.run(_collect(make_runner(gateway).stream(make_call())))
    assert pieces[1:-1] == ["Hello"]
    assert pieces[0]["execution_id"] == pieces[-1].id == records.executions[1].id

    broken = QueuedGateway(["Hel", ProviderFailed("cut off")], ["never"])
    with pytest.raises(ProviderFailed):
        asyncio.run(_collect(make_runner(broken).stream(make_call())))
    assert len(broken.requests) == 1


def test_a_stream_that_breaks_keeps_what_had_arrived(make_runner: Any, records: KeptRecords) -> None:
    cut = ProviderFailed("cut off")
    cut.partial = Reply("Hel", "gpt-4o-mini", "openai")
    with pytest.raises(ProviderFailed):
        asyncio.run(_collect(make_runner(QueuedGateway(["Hel", cut])).stream(make_call())))
    assert records.executions[0].reply == "Hel"
    assert records.executions[0].status == "error"


def test_a_stream_closed_early_is_recorded_as_cancelled(make_runner: Any, records: KeptRecords) -> None:
    async def read_one_piece() -> None:
        stream = make_runner(QueuedGateway(["Hel", "lo"])).stream(make_call())
        await anext(stream)
        await anext(stream)
        await stream.aclose()

    asyncio.run(read_one_piece())
    assert [(each.status, each.reply) for each in records.executions] == [("cancelled", "Hel")]


def test_the_chat_metadata_has_exactly_the_documented_keys(make_runner: Any) -> None:
    execution: Execution = asyncio.run(make_runner(QueuedGateway("Hi")).run(make_call()))
    assert execution.metadata == {
        "prompt_id": "1:abc",
        "prompt_version": None,
        "prompt_name": "Support triage",
        "prompt_label": None,
        "content_type": "text",
        "model": "gpt-4o-mini",
        "provider": "openai",
        "prompt": "support/triage",
        "commit": "c" * 40,
        "parameters": {"temperature": 0},
        "execution_id": execution.id,
        "latency_ms": execution.latency_ms,
        "input_tokens": execution.input_tokens,
        "output_tokens": execution.output_tokens,
        "cost_nano_usd": execution.cost_nano_usd,
    }


@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_reasoning_in_a_reply_is_dropped_if_the_models_rule_says_so(
    make_runner: Any, drops: bool, is_streamed: bool
) -> None:
    call = make_call()
    call = replace(call, target=replace(call.target, drops_reasoning=drops))
    kept: list[str] = []
    pieces = ["<think>hm", "</think>\n", "Hello"]
    gateway = QueuedGateway(pieces if is_streamed else "".join(pieces))
    runner = make_runner(gateway, on_reply=lambda _request, reply: kept.append(reply.text))
    found = asyncio.run(_collect(runner.stream(call)))[1:] if is_streamed else [asyncio.run(runner.run(call))]
    assert found[-1].reply == ("Hello" if drops else "".join(pieces))
    assert found[:-1] == ((["Hello"] if drops else pieces) if is_streamed else [])
    assert kept == ["".join(pieces)], "what is recorded is the whole reply"


def test_a_failed_attempt_took_time_from_when_it_was_sent(make_runner: Any, records: KeptRecords) -> None:
    refused = RequestRejected("no", status=400)
    refused.asked_at = time.perf_counter() - 100
    with pytest.raises(RequestRejected):
        asyncio.run(make_runner(QueuedGateway(refused)).run(make_call()))
    assert (records.executions[0].latency_ms or 0) >= 100_000
