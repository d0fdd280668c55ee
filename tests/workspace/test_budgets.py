"""Budgets hold on every way to a model: nothing is sent that one does not admit, and what is spent is counted once."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path

import pytest

from promptctl import Execution
from promptctl.calls.budgets import BudgetGuard
from promptctl.calls.call import ASKING, Attempts
from promptctl.calls.plain import prepare_plain
from promptctl.catalogue import budgets
from promptctl.errors import BudgetReached, ModelError
from promptctl.evaluations.request import EvaluationRequest
from promptctl.files.tree import Tree
from promptctl.log.budgets import Admission, BudgetAccount, Charge, Refusal, Reservation, Settlement
from promptctl.models.gateway import Request
from promptctl.models.worst_case import WorstCase
from promptctl.prompts.loading import declared_ids
from promptctl.workspace import Workspace, open_workspace
from tests.openai_server import Answer, Exchange, OpenAIServer, failure, reply, usage

SETTINGS = """\
model: local/m
models:
  "local/*": {{api_base: "{url}", timeout_s: 5, max_attempts: {attempts}}}
prices:
  local/m: {{input: 1, output: 1}}
  local/free: {{input: 0, output: 0}}
budgets:
{budgets}
"""
PROMPTS = {
    "greet": 'inputs: {name: {type: string, default: Ada}}\nmessages: [{role: user, content: "Hi {{ name }}"}]\n'
    "parameters: {max_tokens: 10}\n",
    "data": "messages: [{role: user, content: Hi}]\nparameters: {max_tokens: 10}\n"
    "output: {schema: {type: object}, retries: 2}\n",
}
# 12 and 3 tokens, each of a thousandth of a millionth dollar.
COST = 15_000
# 16 of the request, 8 and the bytes of its message, 10 of the reply.
WORST = 44_000


class Desk:
    """A workspace with budgets, answered by the suite's own server."""

    def __init__(self, root: Path, server: OpenAIServer) -> None:
        self.root = root
        self.server = server
        self.warnings: list[str] = []
        for name, text in PROMPTS.items():
            self.write(f"prompts/{name}.prompt.yaml", text)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def settings(self, *budgets: str, more: str = "", attempts: int = 1) -> None:
        rules = "".join(f"  - {{{budget}}}\n" for budget in budgets)
        text = SETTINGS.format(url=self.server.url, budgets=rules, attempts=attempts)
        self.write("promptctl.yaml", text + more)

    def open(self, *budgets: str, more: str = "", attempts: int = 1) -> Workspace:
        self.settings(*budgets, more=more, attempts=attempts)
        return open_workspace(self.root, {}, on_warning=self.warnings.append)

    def accounts(self) -> dict[tuple[str, str], tuple[int, int]]:
        """What is spent and reserved, by budget and key."""
        with closing(sqlite3.connect(self.root / ".promptctl/log.db")) as log, log:
            rows = log.execute("SELECT budget, key, spent, reserved FROM budget_accounts").fetchall()
        return {(budget, key): (spent, reserved) for budget, key, spent, reserved in rows}


@pytest.fixture
def desk(tmp_path: Path, running: OpenAIServer) -> Iterator[Desk]:
    running.reset()
    yield Desk(tmp_path, running)
    running.reset()


def with_tokens(text: str = "Hello") -> Answer:
    return reply(text, tokens=usage(12, 3))


def ask(workspace: Workspace, way: str) -> None:
    if way == "run":
        workspace.run("greet")
    elif way == "arun":
        asyncio.run(awaited(workspace))
    elif way == "stream":
        list(workspace.stream("greet"))
    elif way == "call":
        workspace.call([{"role": "user", "content": "Hi Ada"}], prompt_type="greet", parameters={"max_tokens": 10})
    elif way == "stream_call":
        list(workspace.stream_call([{"role": "user", "content": "Hi Ada"}], parameters={"max_tokens": 10}))
    elif way == "record":
        workspace.run("greet", record=True)


async def awaited(workspace: Workspace) -> None:
    await workspace.arun("greet")
    await workspace.context.gateway.close()


@pytest.mark.parametrize("way", ["run", "arun", "stream", "call", "stream_call", "record"])
def test_each_way_to_a_model_is_counted_and_blocked_before_a_request(desk: Desk, way: str) -> None:
    desk.server.default = with_tokens()
    with desk.open("name: money, limit: {usd: 0.00005}", "name: calls, limit: {calls: 5}") as workspace:
        ask(workspace, way)
        assert desk.accounts() == {("money", ""): (COST, 0), ("calls", ""): (1, 0)}
        with pytest.raises(BudgetReached) as caught:
            ask(workspace, way)
        assert (len(desk.server.requests), caught.value.exit_code, caught.value.budget) == (1, 5, "money")
        blocked, answered = list(workspace.log.executions())
        assert (answered.status, blocked.status, blocked.error_type) == ("ok", "blocked", "BudgetReached")
        assert blocked.id == caught.value.execution.id
        assert "promptctl.yaml:8:6: budget `money` admits no more" in (blocked.error_message or "")
    assert desk.accounts() == {("money", ""): (COST, 0), ("calls", ""): (1, 0)}


def test_retries_and_repairs_are_admitted_one_by_one(desk: Desk) -> None:
    desk.server.script(failure(500), with_tokens("no json"))
    with desk.open("name: calls, limit: {calls: 2}", attempts=2) as workspace:
        with pytest.raises(BudgetReached) as caught:
            workspace.run("data")
        assert [each.status for each in workspace.log.executions()] == ["blocked", "invalid_output", "error"]
        assert (caught.value.execution.reply, len(desk.server.requests)) == ("no json", 2)


def test_a_fallback_is_admitted_too(desk: Desk) -> None:
    desk.server.default = failure(401)
    with (
        desk.open("name: others, models: [local/n], limit: {calls: 0}") as workspace,
        pytest.raises(BudgetReached, match="`others`"),
    ):
        workspace.run("greet", fallbacks=["local/n"])
    assert len(desk.server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "spent"),
    [
        (failure(400), (0, 1)),
        (failure(429), (0, 1)),
        (failure(504), (WORST, 1)),
        (failure(408), (WORST, 1)),
        (reply("x", tokens=usage(12, 3)), (COST, 1)),
    ],
    ids=["400", "429", "504", "408", "ok"],
)
def test_a_failure_counts_with_what_it_may_have_cost(desk: Desk, answer: Answer, spent: tuple[int, int]) -> None:
    desk.server.default = answer
    budgets = "name: money, limit: {usd: 1}", "name: calls, limit: {calls: 9}"
    with desk.open(*budgets) as workspace, suppress(ModelError):
        workspace.run("greet")
    found = desk.accounts()
    assert (found["money", ""], found["calls", ""]) == ((spent[0], 0), (spent[1], 0))


def test_free_replayed_and_unmatched_calls_pass_always(desk: Desk) -> None:
    with desk.open("name: money, limit: {usd: 0}", "name: mine, users: [bob], limit: {calls: 0}") as workspace:
        assert workspace.run("greet", model="local/free", user="ada").status == "ok"
        assert workspace.run("greet", model="echo/echo").status == "ok"
        with pytest.raises(ModelError):
            workspace.run("greet", model="replay/local/m", user="bob")
        with pytest.raises(BudgetReached):
            workspace.run("greet", model="echo/echo", user="bob")


@pytest.mark.parametrize(
    ("rule", "is_refused"),
    [("", True), (", unpriced: allow", False), (", then: warn", False), (", then: warn, unpriced: refuse", True)],
)
def test_a_model_without_a_price_is_refused_unless_it_is_allowed(desk: Desk, rule: str, is_refused: bool) -> None:
    with desk.open(f"name: money, limit: {{usd: 1}}{rule}") as workspace:
        if is_refused:
            with pytest.raises(BudgetReached, match="it is not known what local/other costs"):
                workspace.run("greet", model="local/other")
        else:
            workspace.run("greet", model="local/other")
    assert len(desk.server.requests) == (0 if is_refused else 1)


def test_each_user_has_an_account_and_a_limit_of_one_call_counts_its_attempts(desk: Desk) -> None:
    desk.server.script(with_tokens(), with_tokens(), failure(500), with_tokens())
    budgets = "name: each, each: user, limit: {calls: 2}", "name: one, per: call, limit: {calls: 1}"
    with desk.open(*budgets, attempts=2) as workspace:
        workspace.run("greet", user="ada")
        workspace.run("greet", user="ada")
        with pytest.raises(BudgetReached, match="`each` of user ada admits no more"):
            workspace.run("greet", user="ada")
        with pytest.raises(BudgetReached, match="`one` admits no more: it has spent 1 of 1 call for one call"):
            workspace.run("greet", user="bob")
    assert len(desk.server.requests) == 3


def test_a_secret_in_the_name_of_a_user_does_not_reach_the_accounts(desk: Desk) -> None:
    desk.settings("name: users, each: user, limit: {calls: 1}, warn_at: 0.5")
    with open_workspace(desk.root, {"APP_TOKEN": "hunter2-hunter2"}, on_warning=desk.warnings.append) as workspace:
        workspace.run("greet", user="ada hunter2-hunter2")
        with pytest.raises(BudgetReached) as caught:
            workspace.run("greet", user="ada hunter2-hunter2")
    assert list(desk.accounts()) == [("users", "ada [redacted]")]
    assert "hunter2" not in f"{desk.warnings} {caught.value}"


def test_alerts_are_told_once_and_a_changed_limit_holds_at_the_next_call(desk: Desk) -> None:
    rule = "name: calls, limit: {calls: %d}, warn_at: 0.5"
    with desk.open(rule % 2) as workspace:
        workspace.run("greet")
        workspace.run("greet")
        with pytest.raises(BudgetReached):
            workspace.run("greet")
        desk.settings(rule % 3)
        workspace.run("greet")
        with pytest.raises(BudgetReached):
            workspace.run("greet")
        desk.write("promptctl.yaml", "budgets: 3\n")
        with pytest.raises(BudgetReached):
            workspace.run("greet")
        kinds = [each.kind for each in workspace.context.log.budget_events()]
    assert kinds == ["blocked", "warned", "changed", "blocked", "warned"]
    assert desk.warnings[:2] == [
        "budget `calls` has spent 1 of 2 calls",
        "budget `calls` has spent 3 of 3 calls",
    ]
    assert "budgets, prices, experiments and log rules hold as" in desk.warnings[2]


def test_a_budget_that_the_file_gets_holds_in_a_running_process(desk: Desk) -> None:
    desk.settings()
    desk.write("promptctl.yaml", (desk.root / "promptctl.yaml").read_text().replace("budgets:", ""))
    with open_workspace(desk.root, {}, on_warning=desk.warnings.append) as workspace:
        workspace.run("greet")
        desk.settings("name: calls, limit: {calls: 1}")
        with pytest.raises(BudgetReached):
            workspace.run("greet")
        with pytest.raises(BudgetReached):
            workspace.run("greet", record=True)
    assert len(desk.server.requests) == 1


def test_rules_follow_a_prompt_that_is_renamed(desk: Desk) -> None:
    log = "log: [{prompts: '*', content: full}, {prompts: greet, content: metadata}]\n"
    with desk.open("name: calls, prompts: [greet], limit: {calls: 2}", more=log) as workspace:
        workspace.run("greet")
        (desk.root / "prompts/greet.prompt.yaml").rename(desk.root / "prompts/hail.prompt.yaml")
        desk.write("prompts/hail.prompt.yaml", PROMPTS["greet"] + "formerly: [greet]\n")
        assert workspace.log.execution(workspace.run("hail").id).messages is None
        with pytest.raises(BudgetReached):
            workspace.run("hail")
        assert workspace.budgets.all()[0].prompts == ("hail",)
        rules = {each.prompt: each.rule.prompts for each in workspace.log.rules()}
        assert (rules["hail"], rules["data"]) == ("greet", "*")
        assert not workspace.validate().problems


def test_many_budgets_read_each_prompt_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(tree: Tree, id_: str) -> tuple[str, ...]:
        read.append(id_)
        return declared_ids(tree, id_)

    monkeypatch.setattr(budgets, "declared_ids", counted)
    rules = [f"name: b{number}, prompts: ['g*', b{number}], limit: {{calls: 2}}" for number in range(5)]
    with desk.open(*rules, "name: all, limit: {calls: 9}") as workspace:
        found = workspace.budgets.all()
    assert [each.prompts for each in found] == [("greet",)] * 5 + [("data", "greet")]
    assert sorted(read) == ["data", "greet"]


def test_a_warning_that_is_not_taken_loses_no_reply(desk: Desk) -> None:
    def refuse(words: str) -> None:
        raise ValueError(words)

    desk.settings("name: calls, limit: {calls: 1}, warn_at: 1.0")
    with open_workspace(desk.root, {}, on_warning=refuse) as workspace:
        assert workspace.run("greet").status == "ok"
    assert desk.accounts() == {("calls", ""): (1, 0)}


def test_a_limit_in_tokens_refuses_what_nobody_can_bound(desk: Desk) -> None:
    with (
        desk.open("name: tokens, limit: {tokens: 1000000}") as workspace,
        pytest.raises(BudgetReached, match=r"takes with `extra_body.max_completion_len`"),
    ):
        workspace.run("greet", parameters={"extra_body": {"max_completion_len": 100_000}})
    assert not desk.server.requests


def test_a_reservation_without_a_row_is_settled_once_the_log_can_be_written(desk: Desk) -> None:
    rule = "name: calls, limit: {calls: 5}"
    with desk.open(rule) as workspace:
        workspace.run("greet")
        impatient(workspace)
        lock = broken(desk.root / ".promptctl", "locked")

        async def fail(*_: object) -> None:
            lock.__enter__()
            raise ZeroDivisionError

        tried, settle_left = threading.Event(), BudgetGuard._settle_left

        def settle(guard: BudgetGuard) -> None:
            settle_left(guard)
            tried.set()

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(workspace.context.gateway, "complete", fail)
            patched.setattr(BudgetGuard, "_settle_left", settle)
            with pytest.raises(ZeroDivisionError):
                workspace.run("greet")
            assert tried.wait(30), "a thread tries while the log is locked"
        lock.__exit__()
        assert desk.accounts()["calls", ""] == (1, 1)
        workspace.run("greet")
    assert desk.accounts()["calls", ""] == (3, 0)


def test_evaluations_judges_and_embeddings_count_and_cached_replies_do_not(desk: Desk) -> None:
    async def answer(exchange: Exchange) -> None:
        is_judge = "<rubric" in exchange.request.body["messages"][-1]["content"]
        await with_tokens('{"pass": true, "score": 1, "reason": "good"}' if is_judge else "good")(exchange)

    desk.server.default = answer
    desk.write(
        "datasets/d.yaml",
        "prompts: [greet]\ncases:\n  - {id: a, inputs: {name: A}, assert: [{type: llm-rubric, value: polite}]}\n"
        "  - {id: b, inputs: {name: B}, assert: [{type: contains, value: good}]}\n",
    )
    with desk.open(
        "name: evals, sources: [eval], limit: {calls: 3}", "name: runs, sources: [run, api], limit: {calls: 0}"
    ) as w:
        (first,) = w.evaluate(EvaluationRequest(refs=("greet",), judge="local/m"))
        assert (first.summary.is_unfinished, desk.accounts()) == (False, {("evals", ""): (3, 0)})
        (again,) = w.evaluate(EvaluationRequest(refs=("greet",), judge="local/m"))
        assert (again.summary.is_unfinished, len(desk.server.requests)) == (False, 3)
        (more,) = w.evaluate(EvaluationRequest(refs=("greet",), judge="local/m", parameters={"max_tokens": 11}))
        assert (more.stopped, more.summary.is_unfinished, len(desk.server.requests)) == ("budget", True, 3)
    assert any("budget `evals` admits no more" in warning for warning in desk.warnings)


def test_requests_of_an_evaluation_wait_for_what_others_give_back(desk: Desk) -> None:
    desk.server.default = with_tokens()
    cases = "".join(f"  - {{id: c{n}, inputs: {{name: A{n}}}, expected: Hello}}\n" for n in range(6))
    desk.write("datasets/d.yaml", f"prompts: [greet]\ncases:\n{cases}")
    with desk.open("name: money, limit: {usd: 0.00013}") as workspace:
        (found,) = workspace.evaluate(EvaluationRequest(refs=("greet",)))
    assert (found.summary.is_unfinished, desk.accounts()["money", ""]) == (False, (6 * COST, 0))


@pytest.mark.parametrize("is_settled", [True, False])
def test_what_was_settled_while_the_log_was_asked_is_asked_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, is_settled: bool
) -> None:
    with desk.open("name: calls, limit: {calls: 1}") as workspace:
        guard = BudgetGuard(workspace.context)
        charge = Charge(workspace.context.settings.budgets[0], None, ("2026-05-03T00:00:00.000Z", None), 1)
        account = BudgetAccount("calls", None, "calls", *charge.window, limit=1, spent=0, kept=0, reserved=1)
        answers = [Admission((account,)), Admission((account,), (Refusal(charge, account),))]

        async def asked(_: Reservation) -> Admission:
            found = answers.pop()
            if found.refusals and is_settled:
                guard._written(Settlement("other", {"calls": 0}))
            return found

        async def reserve() -> None:
            ASKING.set(Attempts(prepare_plain(workspace.context, [{"role": "user", "content": "x"}], {})[0]))
            await guard.reserve(Request("local/m", []), WorstCase(), nullcontext)

        monkeypatch.setattr(guard, "_asked", asked)
        with nullcontext() if is_settled else pytest.raises(BudgetReached):
            asyncio.run(reserve())
        assert len(answers) == (0 if is_settled else 1)


def test_a_call_that_is_cancelled_counts_with_its_worst_case(desk: Desk) -> None:
    arrived = threading.Event()

    async def hang(exchange: Exchange) -> None:
        arrived.set()
        await asyncio.sleep(30)

    async def cancel(workspace: Workspace) -> None:
        task = asyncio.create_task(workspace.arun("greet"))
        await asyncio.to_thread(arrived.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await workspace.context.gateway.close()

    desk.server.default = hang
    with desk.open("name: money, limit: {usd: 1}") as workspace:
        asyncio.run(cancel(workspace))
    assert desk.accounts() == {("money", ""): (WORST, 0)}


def test_a_price_that_is_changed_holds_from_the_next_call_on(desk: Desk) -> None:
    desk.server.default = with_tokens()
    with desk.open("name: money, limit: {usd: 1}") as workspace:
        assert workspace.run("greet").cost_nano_usd == COST
        file = desk.root / "promptctl.yaml"
        file.write_text(file.read_text().replace("local/m: {input: 1, output: 1}", "local/m: {input: 2, output: 2}"))
        [priced] = workspace.log.reprice(is_dry_run=True).models
        assert priced.after_nano_usd == 2 * COST
        assert workspace.run("greet").cost_nano_usd == 2 * COST
        [last] = list(workspace.stream("greet"))[-1:]
        assert isinstance(last, Execution)
        assert last.cost_nano_usd == 2 * COST
    assert desk.accounts() == {("money", ""): (5 * COST, 0)}


def test_a_model_that_is_priced_as_another_from_now_on_is_so_in_a_running_process(desk: Desk) -> None:
    desk.server.default = with_tokens()
    with desk.open("name: money, limit: {usd: 1}") as workspace:
        workspace.run("greet")
        file = desk.root / "promptctl.yaml"
        for alias in ("openai/gpt-4o", "openai/gpt-4"):
            text = file.read_text().replace("local/m: {input: 1, output: 1}", "none/m: {input: 1, output: 1}")
            text = re.sub(r"\{(priced_as: [^,]*, )?api_base", f"{{priced_as: {alias}, api_base", text)
            file.write_text(text)
            cost = workspace.run("greet").cost_nano_usd
            with open_workspace(desk.root, {}) as anew:
                assert cost == anew.run("greet").cost_nano_usd is not None


def test_a_reservation_that_is_cancelled_is_given_back_by_a_thread(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[threading.Thread] = []

    async def cancel(workspace: Workspace) -> None:
        log = workspace.context.log
        reserve, settle = log.reserve, log.settle
        is_asked, go_on, is_settled = threading.Event(), threading.Event(), threading.Event()

        def slow(wanted: Reservation) -> Admission:
            is_asked.set()
            go_on.wait()
            return reserve(wanted)

        def noted(*settlements: Settlement) -> None:
            settled.append(threading.current_thread())
            settle(*settlements)
            is_settled.set()

        monkeypatch.setattr(log, "reserve", slow)
        monkeypatch.setattr(log, "settle", noted)
        task = asyncio.create_task(workspace.arun("greet"))
        await asyncio.to_thread(is_asked.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        assert await asyncio.to_thread(is_settled.wait, 30)
        await workspace.context.gateway.close()

    with desk.open("name: money, limit: {usd: 1}") as workspace:
        asyncio.run(cancel(workspace))
    assert len(settled) == 1
    assert settled[0] is not threading.main_thread()
    assert desk.accounts() == {("money", ""): (0, 0)}


def test_a_stream_that_is_left_early_counts_with_its_worst_case(desk: Desk) -> None:
    desk.server.default = reply("one two three", tokens=usage(12, 3), pause_s=0.02)
    with desk.open("name: money, limit: {usd: 1}") as workspace:
        pieces = workspace.stream("greet")
        next(pieces)
        next(pieces)
        pieces.close()  # type: ignore[attr-defined]
    assert desk.accounts() == {("money", ""): (WORST, 0)}


@pytest.mark.parametrize("kind", ["read-only", "corrupt", "locked"])
def test_without_a_log_budgets_that_block_let_nothing_through(desk: Desk, kind: str) -> None:
    rule = "name: calls, limit: {calls: 9}"
    with desk.open(rule) as workspace:
        workspace.run("greet")
    with broken(desk.root / ".promptctl", kind), desk.open(rule) as workspace:
        impatient(workspace)
        with pytest.raises(BudgetReached, match="`calls` cannot be checked, so nothing was sent: the log"):
            workspace.run("greet")
    assert len(desk.server.requests) == 1


def test_fifty_streams_at_once_never_pass_a_limit_in_dollars(desk: Desk) -> None:
    async def ask(workspace: Workspace) -> list[str]:
        found = await asyncio.gather(*(streamed(workspace) for _ in range(50)))
        await workspace.context.gateway.close()
        return found

    desk.server.default = with_tokens()
    most = 10 * WORST
    with desk.open(f"name: money, limit: {{usd: {most / 1e9}}}") as workspace:
        ends = asyncio.run(ask(workspace))
        ((spent, reserved),) = desk.accounts().values()
        assert (spent, reserved) == (COST * ends.count("ok"), 0)
        assert (len(desk.server.requests), ends.count("ok")) == (ends.count("ok"), 50 - ends.count("blocked"))
        assert 10 <= ends.count("ok") <= most // COST
        assert spent <= most


def test_a_server_that_counts_more_passes_a_limit_by_the_difference_alone(desk: Desk) -> None:
    told = 3 * WORST
    desk.server.default = reply("Hello", tokens=usage(told // 1000 - 3, 3))
    with desk.open(f"name: money, limit: {{usd: {4 * WORST / 1e9}}}") as workspace:
        while True:
            try:
                workspace.run("greet")
            except BudgetReached:
                break
    assert desk.accounts() == {("money", ""): (2 * told, 0)}
    assert 2 * told <= 4 * WORST + (told - WORST)


async def streamed(workspace: Workspace) -> str:
    try:
        async for _ in workspace.astream("greet"):
            pass
    except BudgetReached:
        return "blocked"
    return "ok"


def test_a_call_whose_row_waits_in_a_file_counts_with_its_cost(desk: Desk) -> None:
    rule = "name: money, limit: {usd: 1}"
    desk.server.default = with_tokens()
    lock = broken(desk.root / ".promptctl", "locked")

    async def lock_first(exchange: Exchange) -> None:
        lock.__enter__()
        await with_tokens()(exchange)

    with desk.open(rule) as workspace:
        workspace.run("greet")
        desk.server.default = lock_first
        impatient(workspace)
        assert workspace.run("greet").reply == "Hello"
        lock.__exit__()
    with desk.open(rule) as workspace:
        desk.server.default = with_tokens()
        workspace.run("greet")
    assert desk.accounts() == {("money", ""): (3 * COST, 0)}
    assert not any("of a process that ended" in warning for warning in desk.warnings)


@pytest.mark.parametrize("more", ["budgets_without_log: open\n", "then: warn"])
def test_without_a_log_calls_pass_where_they_may(desk: Desk, more: str) -> None:
    rule = f"name: calls, limit: {{calls: 9}}{', then: warn' if more == 'then: warn' else ''}"
    with desk.open(rule) as workspace:
        workspace.run("greet")
    setting = more if more.startswith("budgets") else ""
    with broken(desk.root / ".promptctl", "locked"), desk.open(rule, more=setting) as workspace:
        impatient(workspace)
        assert workspace.run("greet").status == "ok"
    assert any("calls are not counted by budgets" in warning for warning in desk.warnings)


def impatient(workspace: Workspace) -> None:
    database = workspace.context.log.database  # type: ignore[attr-defined]
    database.busy_timeout_s = database.patience_s = 0.0


class broken:  # noqa: N801 - used like a function
    """The log in a state that it cannot be written in."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.log = folder / "log.db"
        self.kind = kind
        self.other: sqlite3.Connection | None = None

    def __enter__(self) -> None:
        if self.kind == "locked":
            self.other = sqlite3.connect(self.log, isolation_level=None, check_same_thread=False)
            self.other.execute("BEGIN IMMEDIATE")
        elif self.kind == "corrupt":
            self.log.write_bytes(b"no database any more" * 1000)
        else:
            self.log.unlink()
            self.log.mkdir()

    def __exit__(self, *_: object) -> None:
        if self.other is not None:
            self.other.close()


CALLS = """
import os, sys
from promptctl.errors import BudgetReached
from promptctl.workspace import open_workspace
with open_workspace(sys.argv[1], {}) as workspace:
    for number in range(30):
        try:
            workspace.run("greet", {"name": str(os.getpid())}, log="off")
        except BudgetReached:
            break
"""


def test_processes_that_are_killed_never_pass_the_limit(desk: Desk) -> None:
    async def answer(exchange: Exchange) -> None:
        if len(desk.server.requests) % 10 == 0:  # whoever asks this is killed while it waits for the answer
            os.kill(int(exchange.request.body["messages"][0]["content"].removeprefix("Hi ")), signal.SIGKILL)
        else:
            await with_tokens()(exchange)

    desk.server.default = answer
    desk.settings("name: calls, limit: {calls: 30}")
    command = [sys.executable, "-c", CALLS, str(desk.root)]
    running = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(3)]
    assert [each.wait() for each in running] == [-signal.SIGKILL] * 3
    assert len(desk.server.requests) == 30
    with desk.open("name: calls, limit: {calls: 30}") as workspace:
        with pytest.raises(BudgetReached):
            workspace.run("greet")
        expired = [each for each in workspace.context.log.budget_events() if each.kind == "expired"]
    assert (len(desk.server.requests), desk.accounts()) == (30, {("calls", ""): (30, 0)})
    assert len(expired) == 3
    assert any("counts 1 call of a process that ended" in warning for warning in desk.warnings)
