"""A user and a session whose name a sensitive input holds: the plain name and its hash in the log are one person."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptctl import Filter, Workspace, open_workspace
from promptctl.dashboard.dashboard import DashboardRequest
from promptctl.errors import BudgetReached
from promptctl.log.keyed_hashes import hashes_of

ADA = "ada@example.com"
SETTINGS = """\
model: echo/echo
log: [{prompts: "*", content: full}]
budgets:
  - {name: each-user, each: user, per: day, limit: {calls: 3}}
  - {name: each-session, each: session, users: ["ada@*"], per: day, limit: {calls: 100}}
"""
PROMPT = """\
inputs: {ticket: {type: string}, email: {type: string, sensitive: true}}
messages: [{role: user, content: "{{ email }}: {{ ticket }}"}]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "promptctl.yaml").write_text(SETTINGS)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/t.prompt.yaml").write_text(PROMPT)
    with open_workspace(tmp_path, {}) as opened:
        yield opened


def ask(workspace: Workspace, email: str = "x@example.com", ticket: str = "Elm Street", **options: Any) -> str:
    return workspace.run("t", {"ticket": ticket, "email": email}, **{"user": ADA, **options}).id


def hashed(workspace: Workspace, name: str = ADA) -> str:
    return hashes_of(workspace.context.state_folder, [name])[name]


def sql(workspace: Workspace, text: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(workspace.log.file)) as connection, connection:
        return connection.execute(text, values).fetchall()


def test_a_filter_and_a_group_mean_both(workspace: Workspace) -> None:
    of_ada = {ask(workspace, ADA), ask(workspace), ask(workspace, "s-77", user="bob", session="s-77")}
    in_session = {ask(workspace, user="cyd", session="s-77")} | {max(of_ada)}
    of_ada -= in_session
    log = workspace.log
    for name, value, ids in (("user", ADA, of_ada), ("session", "s-77", in_session)):
        wanted = Filter(**{name: value})  # type: ignore[arg-type]
        assert {row.id for row in log.executions(wanted)} == ids
        assert {row.id for row in log.page(wanted).executions} == ids
        assert {row.id for row in log.page(wanted, words="Elm").executions} == ids
        [total] = log.totals(wanted, ())
        assert total.calls == 2
        assert {each.group[name]: each.calls for each in log.totals(Filter(), (name,))}[value] == 2
        assert {each.group[name]: each.calls for each in workspace.costs.table(by=(name,)).rows}[value] == 2
    assert [row.user for row in log.executions(Filter(user=hashed(workspace)))] == [hashed(workspace)]
    facts = workspace.dashboard(DashboardRequest(wanted=Filter(source="api"))).as_dict()
    assert sorted(facts["names"]["user"]) == [ADA, "bob", "cyd"]


def test_what_is_given_on_calls_counts_for_both(workspace: Workspace) -> None:
    for id_, score in ((ask(workspace, ADA), 1.0), (ask(workspace), 0.0)):
        workspace.feedback(id_, score=score)
    [total] = workspace.log.totals(Filter(), ("user",))
    [scores] = total.feedback.values()
    assert (total.group["user"], scores.calls) == (ADA, 2)


@pytest.mark.parametrize("emails", [[ADA, "o", ADA, "o"], ["o", ADA, "o", ADA], ["o", "o", "o", ADA]])
def test_a_budget_counts_both_on_one_account(workspace: Workspace, emails: list[str]) -> None:
    for email in emails[:3]:
        ask(workspace, email, session="s")
    with pytest.raises(BudgetReached):
        ask(workspace, emails[3])
    with pytest.raises(BudgetReached, match=f"of user {ADA} admits no more"):
        ask(workspace)
    [account] = workspace.budgets.budget("each-user").accounts
    assert (account.spent, account.key) == (3, ADA)
    [event, *_] = workspace.budgets.history("each-user")
    assert event.key == ADA
    assert {each.key: each.spent for each in workspace.budgets.budget("each-session").accounts}["s"] == 3


def test_a_new_account_begins_with_the_calls_of_both(workspace: Workspace) -> None:
    ask(workspace, ADA)
    ask(workspace)
    sql(workspace, "DELETE FROM budget_accounts")
    ask(workspace)
    [account] = workspace.budgets.budget("each-user").accounts
    assert account.spent == 3


@pytest.mark.parametrize("email", [ADA, "o"])
def test_accounts_of_both_in_an_old_log_become_one(workspace: Workspace, email: str) -> None:
    ask(workspace, "o", user="eve")
    ask(workspace, "fay", user="fay")
    sql(workspace, "UPDATE budget_accounts SET key = ? WHERE key = 'eve'", ADA)
    sql(workspace, "UPDATE budget_accounts SET key = ? WHERE key LIKE 'hmac%'", hashed(workspace))
    sql(workspace, "INSERT INTO budget_disabled VALUES ('each-session', ?, '2026-01-01T00:00:00.000Z')", ADA)
    ask(workspace, email)
    [account] = workspace.budgets.budget("each-user").accounts
    assert (account.key, account.spent, account.reserved) == (ADA if email == "o" else hashed(workspace), 3, 0)
    with pytest.raises(BudgetReached):
        ask(workspace)
    assert workspace.log.verify().problems == []


def test_a_budget_of_some_users_counts_their_calls_by_hash(workspace: Workspace) -> None:
    ask(workspace, "eve", user="eve")
    ask(workspace, ADA)
    path = workspace.context.root / "promptctl.yaml"
    for number, glob in enumerate((ADA, "ada@*"), start=2):
        rule = f'  - {{name: of-{number}, users: ["{glob}"], limit: {{calls: 100}}}}\n'
        path.write_text(SETTINGS.split("  - {name: each-user")[0] + rule)
        ask(workspace, "o")
        [account] = workspace.budgets.budget(f"of-{number}").accounts
        assert account.spent == number, "a row has the plain name, or the rule itself"


def test_no_call_reads_all_names_of_the_log(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    path, told = workspace.context.root / "promptctl.yaml", list[str]()
    rules = (
        '  - {name: warns, each: user, users: ["ada@*"], limit: {calls: 2}, warn_at: 1.0, then: warn}\n'
        '  - {name: each-session, each: session, users: ["ada@*"], limit: {calls: 3}}\n'
        '  - {name: of-all, users: ["ada@*"], limit: {calls: 100}}\n'
    )
    ask(workspace, ADA, session="s")
    path.write_text(SETTINGS.split("  - {name: each-user")[0] + rules)
    with monkeypatch.context() as patch:
        patch.setattr("promptctl.log.sqlite.persons._NAMES", "no names are read")
        patch.setattr(workspace.context, "warn", told.append)
        ask(workspace, ADA, session="s")
        ask(workspace, session="s")
        with pytest.raises(BudgetReached, match="of session s admits no more"):
            ask(workspace, ADA, session="s")
    names = [words.split("`warns` of ")[1].split()[0] for words in told]
    assert names == [hashed(workspace), ADA], "each by the name that the call came with"
    for name in ("warns", "of-all"):
        [account] = workspace.budgets.budget(name).accounts
        assert account.spent == 3


def test_a_name_that_no_row_has_in_plain_stays_a_hash(workspace: Workspace) -> None:
    for _ in range(3):
        ask(workspace, ADA)
    with pytest.raises(BudgetReached, match=f"of user {hashed(workspace)} admits no more"):
        ask(workspace, ADA)
    [account] = workspace.budgets.budget("each-user").accounts
    assert account.key == hashed(workspace)


def test_a_disabled_account_is_enabled_by_the_plain_name(workspace: Workspace) -> None:
    path = workspace.context.root / "promptctl.yaml"
    path.write_text(SETTINGS.replace("calls: 3}", "calls: 1}, then: disable"))
    ask(workspace, ADA)
    with pytest.raises(BudgetReached):
        ask(workspace)
    assert len(workspace.budgets.enable("each-user", "asked for", ADA)) == 1
    ask(workspace)


def test_an_erasure_takes_both_everywhere(workspace: Workspace) -> None:
    ids = [ask(workspace, ADA, session=f"of {ADA}"), ask(workspace, session=f"of {ADA}")]
    other = ask(workspace, ADA, user="bob", session=ADA, ticket="Oak Lane")
    for by in (ADA, "bob"):
        workspace.feedback(ids[0], score=1.0, by=by)
        workspace.feedback(other, score=0.0, by=by)
    both = [ADA, hashed(workspace)]
    sql(workspace, "UPDATE budget_accounts SET key = ? WHERE key = ?", *both)
    ask(workspace, ADA, user="zoe", session=None)
    sql(workspace, "INSERT INTO budget_disabled VALUES ('each-user', ?, '2026-01-01T00:00:00.000Z')", both[1])
    erased = workspace.log.redact(user=ADA)
    assert erased.executions >= 2
    assert {row.id for row in workspace.log.executions(Filter(search="Elm"))}.isdisjoint(ids)
    rows = {row.id: row for row in workspace.log.executions()}
    assert {rows[each].user for each in ids} == {erased.marker}
    data = workspace.log.file.read_bytes()
    assert [name for name in both if name.encode() in data] == []
    assert workspace.log.verify().problems == []
    assert {each.group["user"]: each.calls for each in workspace.costs.table(by=("user",)).rows}[erased.marker] == 2


def test_an_erasure_of_hashed_calls_alone_finds_them(workspace: Workspace) -> None:
    ask(workspace, ADA)
    ask(workspace, "s-77", user="bob", session="s-77")
    assert workspace.log.redact(user=ADA).executions == 1
    assert workspace.log.redact(session="s-77").executions == 1
    assert all(row.messages is None for row in workspace.log.executions(with_content=True))


def test_a_workspace_without_a_key_is_asked_for_none(workspace: Workspace) -> None:
    ask(workspace, "o")
    (workspace.context.state_folder / "sensitive.key").unlink()
    assert len(list(workspace.log.executions(Filter(user=ADA)))) == 1
    workspace.log.redact(user=ADA)
    assert not (workspace.context.state_folder / "sensitive.key").exists()
