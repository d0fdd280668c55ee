"""`promptctl experiment`: what it prints, and how it ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, write
from tests.experiments.conftest import EXPERIMENT, HEAD, root
from tests.experiments.test_ending import ENDS, better
from tests.json_schemas import fits

__all__ = ["better", "root"]


@pytest.fixture
def there(better: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose log says that `kind` is better, as the current folder."""
    new = tmp_path / "desk"
    shutil.copytree(better, new)
    monkeypatch.chdir(new)
    return new


def test_the_list(there: Path, cli: Cli) -> None:
    ran = cli("experiment", "list")
    head, row = ran.out.splitlines()
    assert head.split("\t") == ["experiment", "state", "prompt", "arms", "decides", "keys", "calls", "since"]
    assert row.split("\t")[:7] == [
        "tone", "running", "triage", "control 50%, kind 50%", "resolved higher by +3 points", "240", "240",
    ]  # fmt: skip
    fits("experiment list", cli("experiment", "list", "--json").json)
    write(there, "promptctl.yaml", "model: echo/echo\n")
    assert cli("experiment", "list").err.startswith("no experiment yet")
    assert cli("experiment", "list", "--json").json == []


def test_one_experiment(there: Path, cli: Cli) -> None:
    more = "    only: {label: production, metadata: {plan: [pro, team]}}\n    guards: [{errors: rate, at_most: 1pp}]\n"
    write(there, "promptctl.yaml", HEAD + EXPERIMENT + more + ENDS % "control" + "    hypothesis: Kind is better\n")
    ran = cli("experiment", "show", "tone")
    for words in (
        "tone  Kind is better",
        "only       label production, plan pro or team",
        "guards     errors rate +1 points",
        "ends       when decided, then control, by promptctl experiment step",
        "240 calls of 240 keys",
        "rule       promptctl.yaml:4:3",
    ):
        assert words in ran.out
    fits("experiment show", found := cli("experiment", "show", "tone", "--json").json)
    assert [arm["range"] for arm in found["arms"]] == [[0.0, 0.5], [0.5, 1.0]]
    assert "\nkind\terrors rate\t" in cli("experiment", "report", "tone").out
    ran = cli("experiment", "show", "tune")
    assert (ran.exit_code, "did you mean `tone`?" in ran.err) == (3, True)


def test_a_report(there: Path, cli: Cli) -> None:
    ran = cli("experiment", "report", "tone")
    assert (ran.exit_code, "`kind` is better than control in resolved" in ran.out) == (0, True)
    fits("experiment report", found := cli("experiment", "report", "tone", "--json").json)
    assert (found["verdict"], found["decision"]) == ("better", {"then": "promote", "arm": "kind"})
    shares = EXPERIMENT.replace("share: 50}, k", "share: 10}, k").replace("share: 50}}", "share: 90}}")
    write(there, "promptctl.yaml", HEAD + shares)
    ran = cli("experiment", "report", "tone")
    assert (ran.exit_code, "void: keys are not split 10:90" in ran.out) == (1, True)


def test_a_promotion(there: Path, cli: Cli) -> None:
    ran = cli("experiment", "promote", "tone")
    assert (ran.exit_code, ran.out) == (0, "tone  promoted: triage@production names v2\n")
    assert "promptctl experiment stop tone --reason promoted" in ran.err
    ran = cli("experiment", "promote", "tone", "--json")
    fits("experiment promote", ran.json)
    ran = cli("experiment", "step")
    assert (ran.exit_code, ran.out.splitlines()[1]) == (0, "tone\t-\tnothing\tv2 was promoted already")
    fits("experiment step", cli("experiment", "step", "--json").json)
    fits("experiment show", cli("experiment", "show", "tone", "--json").json)


def test_a_stop(there: Path, cli: Cli) -> None:
    assert cli("experiment", "stop", "tone").exit_code == 2
    ran = cli("experiment", "stop", "tone", "--reason", "too long")
    assert (ran.exit_code, ran.out) == (0, "tone  stopped: too long\n")
    assert "commit promptctl.yaml" in ran.err
    ran = cli("experiment", "stop", "tone", "--reason", "again")
    assert (ran.exit_code, ran.out, ran.err) == (0, "", "nothing to do: it is stopped already: too long\n")
    fits("experiment stop", cli("experiment", "stop", "tone", "--reason", "x", "--json").json)


def test_a_step_that_cannot_end_one_says_so(there: Path, cli: Cli) -> None:
    shares = EXPERIMENT.replace("share: 50}, k", "share: 10}, k").replace("share: 50}}", "share: 90}}")
    write(there, "promptctl.yaml", HEAD + shares + ENDS % "promote")
    ran = cli("experiment", "step")
    assert (ran.exit_code, "tone could not be ended" in ran.err) == (1, True)
    assert ran.out.splitlines()[1].startswith("tone\tvoid\trefused\tkeys are not split 10:90")
    assert cli("experiment", "step", "tune").exit_code == 3
    write(there, "promptctl.yaml", HEAD + EXPERIMENT.replace("@production", "@v1") + ENDS % "promote")
    ran = cli("experiment", "step")
    assert (ran.exit_code, "error: control is @v1, which is no label" in ran.err) == (2, True)
    assert ran.out.splitlines()[1].startswith("tone\t-\trefused\tcontrol is @v1")
