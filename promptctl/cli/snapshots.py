"""`promptctl snapshot`: the prompts of labels in one file, for a process without Git."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from promptctl.cli import options
from promptctl.cli.checks import say_check
from promptctl.cli.commands import Group, argument, option
from promptctl.cli.output import is_terminal, say, say_json, tell
from promptctl.cli.tables import say_table
from promptctl.errors import UsageError, WorkspaceNotFound
from promptctl.reports.wording import count, name_some, without_address

if TYPE_CHECKING:
    from promptctl import Snapshot, SnapshotEntry

app = Group("The prompts of labels in one file, for a process without Git.")

EXAMPLES = """\
  promptctl snapshot write dist/ --label production
  promptctl snapshot verify dist/prompts-3f2a9c1b7d204e55.snapshot.json
  promptctl --snapshot dist/prompts-3f2a9c1b7d204e55.snapshot.json run support/triage@production -i ticket=x
"""

SnapshotFile = Annotated[str, argument("FILE", "A file that `snapshot write` wrote.")]


@dataclass(frozen=True, slots=True)
class ChoiceOptions:
    """Options that choose what a snapshot holds; without them everything that a label names."""

    heading: ClassVar[str] = "What it holds"
    labels: Annotated[
        list[str],
        option("--label", "LABEL", "Only what these labels name: production,staging. Repeatable.", completes="label"),
    ] = field(default_factory=list)
    prompts: options.PromptNames = field(default_factory=list)


@app.command("write")
def write(
    context: typer.Context,
    choice: ChoiceOptions,
    file: Annotated[
        str,
        argument(
            "[FILE]",
            "A folder, where the file is named by its digest; or a file, in whose name {digest} stands for it.",
        ),
    ] = ".",
    as_json: options.Json = False,
) -> None:
    """Write what labels name into one file. It holds all that a call needs, but no secret; equal labels, equal bytes."""
    named = [label.strip() for given in choice.labels for label in given.split(",")]
    if not all(named):
        raise UsageError("--label lacks a name", hint="write --label production,staging")
    done = options.workspace_of(context, asks=True).snapshots.write(file, named, choice.prompts)
    if as_json:
        about = {"file": str(done.file), "bytes": done.size, "written": done.is_new}
        say_json({**about, **done.snapshot.as_dict()})
        return
    say(str(done.file))
    tell(f"{_summary(done.snapshot)}{'' if done.is_new else '; it was there already'}")


@app.command("show")
def show(file: SnapshotFile, as_json: options.Json = False) -> None:
    """Show what a snapshot holds. Needs no repository."""
    from promptctl import Snapshot

    snapshot = Snapshot.read(file)
    if as_json:
        say_json({"file": file, **snapshot.as_dict()})
        return
    rows = [(f"{entry.prompt}@{entry.at}", entry.version_display, *_moved(entry)) for entry in snapshot.entries]
    say_table(["Prompt", "Version", "Moved", "By", "Reason"], rows, texts=["By", "Reason"], spare=["Reason", "Moved"])
    tell(_summary(snapshot))
    tell(f"sha256:{snapshot.digest}")


@app.command("verify")
def verify(context: typer.Context, file: SnapshotFile, as_json: options.Json = False) -> None:
    """Check a snapshot, and whether labels name the same now. Outside a repository, the file alone. Exit code 1 on any error."""
    from promptctl import Snapshot, check_snapshot

    snapshot = Snapshot.read(file)
    try:
        snapshots = options.workspace_of(context, asks=True).snapshots
        is_compared = snapshots.has_repository
    except WorkspaceNotFound:
        is_compared = False
    problems = snapshots.verify(file) if is_compared else check_snapshot(snapshot)
    if not is_compared:
        tell("there is no repository here to compare it with: only the file was checked")
    say_check(problems, as_json=as_json, file=file, digest=f"sha256:{snapshot.digest}", compared=is_compared)


@app.command("diff")
def diff(
    context: typer.Context,
    old: SnapshotFile,
    new: Annotated[
        str | None, argument("[NEW]", "A snapshot to compare with; by default what the labels name now.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Say what differs between two snapshots, or from one to what the labels name now."""
    from promptctl import Snapshot, compare_snapshots

    if new is None:
        found = options.workspace_of(context, asks=True).snapshots.diff(old)
    else:
        found = compare_snapshots(Snapshot.read(old), Snapshot.read(new))
    if as_json:
        say_json(found.as_dict())
        return
    rows: list[tuple[Any, ...]] = [
        (each.ref, _version(each.old), _version(each.new), ", ".join(each.parts)) for each in found.changes
    ]
    if not found.has_same_settings:
        rows.append(("promptctl.yaml", "", "", "settings"))
    if rows:
        say_table(["Prompt", "From", "To", "Differs"], rows, texts=["Differs"])
    else:
        tell("nothing differs")


def _summary(snapshot: Snapshot) -> str:
    labels = dict.fromkeys(entry.label for entry in snapshot.entries if entry.label)
    of = f" of {name_some(list(labels))}" if labels else ""
    return f"{count(len(snapshot.ids), 'prompt')}, {count(len(snapshot.entries), 'version')}{of}"


def _version(entry: SnapshotEntry | None) -> str:
    return "-" if entry is None else entry.version_display


def _moved(entry: SnapshotEntry) -> tuple[str, str, str]:
    """Return when, by whom and why the label was moved there, as a table shows them."""
    event = entry.event or {}
    actor, date = str(event.get("actor") or "-"), str(event.get("date") or "-")
    if is_terminal():
        actor, date = without_address(actor), date[:10]
    return date, actor, str(event.get("reason") or "-")
