"""Times have one form in every pipe and every JSON document: ISO 8601 in UTC, with a Z."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Cli, commit, git, write
from tests.evaluation_lab import Lab

MOMENT = re.compile(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d\S*")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is two hours ahead of UTC."""
    monkeypatch.setenv("TZ", "XYZ-2")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
def test_times_have_one_form(lab: Lab, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.root)
    git(lab.root, "init", "-q", "-b", "main")
    budgets = 'budgets:\n  - {name: all, prompts: ["*"], per: day, limit: {calls: 100}}\n'
    write(lab.root, "promptctl.yaml", (lab.root / "promptctl.yaml").read_text() + budgets)
    write(
        lab.root, "datasets/triage.yaml", "prompts: [triage]\ncases:\n  - {id: a, inputs: {ticket: a}, expected: a}\n"
    )
    commit(lab.root, "Begin")
    for command in ("label set triage@production", "run triage -i ticket=x", "eval triage"):
        assert cli(*command.split()).exit_code in (0, 1)
    for command in (
        "label list", "label log triage@production", "label at triage@production 0m", "history triage", "show triage",
        "show triage@production --at 0m", "blame triage", "log list", "log stats", "log latest triage", "results list",
        "budget list", "budget show all", "dashboard", "status", "doctor", "snapshot write a.json",
        "snapshot show a.json",
    ):  # fmt: skip
        for arguments in (command.split(), [*command.split(), "--json"]):
            ran = cli(*arguments)
            assert ran.exit_code == 0, (arguments, ran.err)
            found = [each.strip('",:;.') for each in MOMENT.findall(ran.out)]
            wrong = [each for each in found if not re.fullmatch(r"\S{10}T\d\d:\d\d:\d\d(\.\d{3})?Z", each)]
            assert not wrong, arguments
