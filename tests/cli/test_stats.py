"""`promptctl stats`: counters that only grow, whatever is done to the log."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli
from tests.reports.test_prometheus import Family, parsed, values


def test_totals_are_printed_or_written_whole(cli: Cli, workspace: Path) -> None:
    assert "promptctl_calls_total{" not in cli("stats", "--prometheus").out
    cli("run", "triage", "-i", "ticket=x")
    ran = cli("stats", "--prometheus")
    assert ran.exit_code == 0
    assert values(parsed(ran.out)["promptctl_calls_total"]) == {("triage", "run"): 1}
    written = cli("stats", "--prometheus", "-o", "promptctl.prom")
    assert (written.exit_code, written.out, written.err) == (0, "", "written  promptctl.prom\n")
    assert Path("promptctl.prom").read_text() == ran.out
    assert Path("promptctl.prom").stat().st_mode & 0o777 == 0o644, "the collector runs as somebody else"
    assert [each.name for each in workspace.iterdir() if each.name.startswith(".promptctl.prom")] == []


def test_what_it_is_for_is_said(cli: Cli, workspace: Path) -> None:
    ran = cli("stats")
    assert ran.exit_code == 2
    assert "--prometheus" in ran.err
    assert "promptctl log stats" in ran.err
    ran = cli("stats", "--prometheus", "-o", "stats.txt")
    assert ran.exit_code == 2
    assert "stats.txt does not end in .prom" in ran.err
    assert not Path("stats.txt").exists()


def test_no_counter_shrinks_when_the_log_is_pruned_redacted_or_a_prompt_renamed(cli: Cli, workspace: Path) -> None:
    for ticket in ("private", "other"):
        cli("run", "triage", "-i", f"ticket={ticket}")

    def counters() -> dict[str, Family]:
        found = parsed(cli("stats", "--prometheus").out)
        return {name: family for name, family in found.items() if family.kind != "gauge"}

    before = counters()
    assert cli("log", "redact", "--text", "private", "--yes").exit_code == 0
    assert cli("rename", "triage", "support/triage", "--yes").exit_code == 0
    assert cli("log", "prune", "--rows-older", "0d", "--content-older", "0d").exit_code == 0
    assert cli("log", "list", "--json").json == []
    assert counters() == before
