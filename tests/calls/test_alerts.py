"""Alerts of budgets go to the webhook of their rule: once each, again if they did not arrive, and nowhere else."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread

import pytest

from promptctl.calls import alerts
from promptctl.calls.alerts import send_due
from promptctl.errors import Place
from promptctl.formats.budget_rules import BudgetRule
from promptctl.log.budgets import Charge, Reservation
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import new_id, utc_now, utc_text
from promptctl.log.windows import window_of
from tests.json_schemas import fits
from tests.webhook import SECRET, Hook

RULE = BudgetRule(
    "extraction", "calls", 0, each="user", per="day", webhook_env="HOOK", place=Place("promptctl.yaml", 3, 5)
)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on how fast the machine is."""
    monkeypatch.setattr(alerts, "TIMEOUT_S", 60.0)
    monkeypatch.setattr(alerts, "_EAGER", timedelta(minutes=30))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "log.db") as store:
        yield store


def refused(log: SqliteStore, key: str | None = "alice", at: str | None = None, rule: BudgetRule = RULE) -> str:
    """Let the budget refuse a call, which is an event; return the id of the call."""
    at, execution = at or utc_now(), new_id()
    charge = Charge(rule, key, window_of(at, rule.per, rule.timezone), 1)
    assert log.reserve(Reservation(execution, at, "me", at, (charge,))).events
    return execution


def states(log: SqliteStore) -> list[str | None]:
    return [each.webhook for each in log.budget_events()]


def test_an_alert_says_what_happened_and_is_sent_once(log: SqliteStore, hook: Hook) -> None:
    execution = refused(log)
    environ = {"HOOK": hook.url, "OPENAI_API_KEY": "sk-secret"}
    assert send_due(log, [RULE], environ) is None
    assert send_due(log, [RULE], environ) is None
    ((path, headers, body),) = hook.got
    assert (path, headers["Content-Type"]) == (f"/{SECRET}", "application/json")
    assert states(log) == ["sent"]
    assert body["text"].startswith("budget `extraction` of alice lets no more through until ")
    told = {name: body[name] for name in ("kind", "budget", "account", "each", "unit", "limit", "spent", "execution")}
    assert told == {
        "kind": "blocked", "budget": "extraction", "account": "alice", "each": "user", "unit": "calls", "limit": 0,
        "spent": 0, "execution": execution,
    }  # fmt: skip
    assert (body["rule_place"], body["then"], body["per"]) == ("promptctl.yaml:3:5", "block", "day")
    fits("budget alert", body)
    assert not any(word in json.dumps([headers, body]) for word in (SECRET, "sk-secret", "HOOK"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<!channel> <https://h.example/|Sign in>", "`‹!channel› ‹https://h.example/|Sign in›`"),
        ("@all", "`@all`"),
        ("a`\n@here", "`a' @here`"),
        ("ada_1-é", "ada_1-é"),
    ],
)
def test_whoever_an_account_is_of_mentions_and_links_nothing(
    log: SqliteStore, hook: Hook, name: str, shown: str
) -> None:
    refused(log, name)
    assert send_due(log, [RULE], {"HOOK": hook.url}) is None
    body = hook.got[0][2]
    assert body["text"].startswith(f"budget `extraction` of {shown} lets no more through")
    assert body["account"] == name


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "the variable HOOK is not set"),
        ({"HOOK": " "}, "the variable HOOK is not set"),
        *(
            ({"HOOK": value}, "the variable HOOK holds no plain address that begins with https:// or http://")
            for value in (
                SECRET, f"file:///{SECRET}", f"ftp://127.0.0.1/{SECRET}", f"http:///{SECRET}", f"http://h\n/{SECRET}",
                "http://user:very-secret@h/", f"http://h:0/{SECRET}", f"http://h/ä{SECRET}",
                f"http://h:99999/{SECRET}", f"http://[::1/{SECRET}", f"http://h h/{SECRET}",
            )
        ),
        ({"HOOK": f"http://127.0.0.1:9/{SECRET}"}, "the address in HOOK could not be reached"),
        (
            {"HOOK": f"http://hook.example/{SECRET}", "http_proxy": f"socks5://{SECRET}"},
            "the proxy that the environment names for webhooks is not an HTTP proxy",
        ),
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_not_shown(log: SqliteStore, environ: dict[str, str], words: str) -> None:
    refused(log)
    assert send_due(log, [RULE], environ) == f"an alert of the budget `extraction` was not sent: {words}"
    assert states(log) == ["due"]


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_only_an_answer_of_success_counts_and_no_redirect_is_followed(
    log: SqliteStore, hook: Hook, status: int
) -> None:
    refused(log)
    hook.status = status
    words = send_due(log, [RULE], {"HOOK": hook.url})
    assert words == f"an alert of the budget `extraction` was not sent: the address in HOOK answered {status}"
    assert len(hook.got) == 1
    hook.status = 204
    assert send_due(log, [RULE], {"HOOK": hook.url}) is None
    assert (len(hook.got), states(log)) == (2, ["sent"])


def test_a_silent_webhook_is_given_up_on(log: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "TIMEOUT_S", 0.05)
    refused(log)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        words = send_due(log, [RULE], {"HOOK": f"http://127.0.0.1:{silent.getsockname()[1]}/"})
    assert words is not None
    assert words.endswith("the address in HOOK did not answer within 0 s")


def test_an_answer_that_comes_byte_by_byte_is_given_up_on(log: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dripping(BaseRequestHandler):
        def handle(self) -> None:
            while not is_over.wait(0.01):
                self.request.sendall(b"H")

    monkeypatch.setattr(alerts, "TIMEOUT_S", 0.2)
    is_over = Event()
    refused(log)
    with ThreadingTCPServer(("127.0.0.1", 0), Dripping) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        words = send_due(log, [RULE], {"HOOK": f"http://127.0.0.1:{server.server_address[1]}/"})
        is_over.set()
        server.shutdown()
    assert "the address in HOOK did not answer within" in str(words)


def test_an_address_that_fails_is_tried_once_and_holds_up_no_other(log: SqliteStore, hook: Hook) -> None:
    other = replace(RULE, name="other", webhook_env="OTHER")
    hook.status = 500
    for key in ("alice", "bob"):
        refused(log, key, rule=other)
    assert send_due(log, [RULE, other], {"OTHER": hook.url}) is not None
    assert (len(hook.got), states(log)) == (1, ["due", "due"])
    refused(log)
    hook.status = 200
    words = send_due(log, [RULE, other], {"HOOK": hook.url})
    assert words == "an alert of the budget `other` was not sent: the variable OTHER is not set"
    assert [body["budget"] for _, _, body in hook.got[1:]] == ["extraction"]
    assert states(log) == ["sent", "due", "due"]
    assert send_due(log, [RULE, other], {"OTHER": hook.url}) is None
    assert set(states(log)) == {"sent"}


def test_an_old_alert_is_tried_less_and_less_in_silence_and_then_no_more(log: SqliteStore, hook: Hook) -> None:
    refused(log, "an hour", utc_text(datetime.now(UTC) - timedelta(hours=1)))
    assert send_due(log, [RULE], {}) is None
    assert send_due(log, [RULE], {"HOOK": hook.url}) is None
    assert (hook.got, states(log)) == ([], ["due"]), "not before six minutes have passed"
    refused(log, "two days", utc_text(datetime.now(UTC) - timedelta(days=2)))
    assert send_due(log, [RULE], {}) is None
    assert states(log) == ["failed", "due"]


def test_an_alert_of_a_rule_that_is_gone_is_sent_nowhere(log: SqliteStore, hook: Hook) -> None:
    refused(log)
    for rules in ([], [replace(RULE, webhook_env=None)], [replace(RULE, name="other")]):
        words = send_due(log, rules, {"HOOK": hook.url})
        assert words == "an alert of the budget `extraction` was not sent: its rule names no webhook"
    assert hook.got == []


def test_a_log_that_cannot_be_written_is_no_error_of_the_sender(tmp_path: Path) -> None:
    (tmp_path / "log.db").mkdir()
    with SqliteStore(tmp_path / "log.db") as store:
        assert send_due(store, [RULE], {}) is None
