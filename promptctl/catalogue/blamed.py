"""Records of `blame`: who made each line that a model saw, what filled in the rest, and who put it live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from promptctl.files.plain import record_data

if TYPE_CHECKING:
    from promptctl.git.line_history import LineChange
    from promptctl.labels.tags import LabelEvent
    from promptctl.log.records import Execution
    from promptctl.log.results import EvaluationRow
    from promptctl.prompts.seen_parts import PartKind
    from promptctl.versions.prompt_at_version import Version


Origin = Literal["call", "default", "none", "unknown"]


@dataclass(frozen=True, slots=True)
class BlamedLine:
    """One line of a file. `change` is None for one that `is_uncommitted`, and where Git cannot say who made it.

    `number` counts from 1, `text` is the line as it is in the file.
    """

    number: int
    text: str
    change: LineChange | None = None
    is_uncommitted: bool = False


@dataclass(frozen=True, slots=True)
class BlamedPart:
    """One part of what a model saw. `key` is a message's role, a parameter's name, or a file below its folder.

    `path` is the file that says it, from the workspace's root, empty if none does; `lines` are those that say it.
    `inputs` fill something in it. `value` is what was sent, of a model and a parameter; `note` says more of its origin.
    """

    kind: PartKind
    key: str
    path: str
    lines: tuple[BlamedLine, ...] = ()
    inputs: tuple[str, ...] = ()
    value: Any = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys; neighbouring lines of one commit are together."""
        return {
            "kind": self.kind,
            "key": self.key,
            "path": self.path or None,
            "value": self.value,
            "note": self.note or None,
            "inputs": list(self.inputs),
            "lines": [
                {
                    "first": lines[0].number,
                    "last": lines[-1].number,
                    "commit": change.commit.commit if change else None,
                    "uncommitted": lines[0].is_uncommitted,
                    "or_earlier": change is not None and change.is_cut,
                    "path": change.path if change else None,
                    "text": "\n".join(line.text for line in lines),
                }
                for change, lines in runs(self.lines)
            ],
        }


def runs(lines: Iterable[BlamedLine]) -> list[tuple[LineChange | None, list[BlamedLine]]]:
    """Return neighbouring lines of one commit together, with it."""
    grouped = groupby(lines, key=lambda line: (line.is_uncommitted, line.change))
    return [(key[1], list(group)) for key, group in grouped]


@dataclass(frozen=True, slots=True)
class FilledInput:
    """One input: where its value came from, and the value if it is kept.

    `origin` is `call`, `default`, `none` for one that was not given and has no default, or `unknown`. `used_in` names
    the parts that it fills. `default` is the line of the file that says the default.
    """

    name: str
    origin: Origin
    value: Any = None
    is_kept: bool = False
    used_in: tuple[str, ...] = ()
    default: BlamedLine | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        line = self.default
        commit = line.change.commit.commit if line and line.change else None
        return record_data(self, without=("default",), default_line=line and line.number, default_commit=commit)


@dataclass(frozen=True, slots=True)
class LiveMove:
    """The move that let a label name the version; `until` is the move that ended it, None if it names it still.

    `is_asked` is true of the label that the ref or the call named.
    """

    event: LabelEvent
    until: LabelEvent | None = None
    is_asked: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the move JSON-able, with stable keys."""
        until = self.until.as_dict() if self.until else None
        return {**self.event.as_dict(), "asked": self.is_asked, "until": until}


@dataclass(frozen=True, slots=True)
class Blame:
    """Everything that stands behind what a model saw.

    `prompt` is the id of today, `ref` what was asked for. `parts` are in the order in which a model is given them;
    there are none if Git does not have the version. `moves` let a label name this content, at the time of an
    execution or now. `evaluations` are those of this content, newest first. `notes` say what is unusual or not known.
    """

    ref: str
    prompt: str
    version: Version
    execution: Execution | None = None
    parts: tuple[BlamedPart, ...] = ()
    inputs: tuple[FilledInput, ...] = ()
    moves: tuple[LiveMove, ...] = ()
    evaluations: tuple[EvaluationRow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> list[LineChange]:
        """One change of each commit that made a line, newest first; those of one second by their lines, last first."""
        lines = [line for part in self.parts for line in part.lines]
        lines += [each.default for each in self.inputs if each.default is not None and each.origin == "default"]
        found = {line.change.commit.commit: line.change for line in lines if line.change is not None}
        return sorted(found.values(), key=lambda change: change.commit.utc_date)[::-1]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys. Each commit is there once, and lines name it by its id."""
        call = self.execution
        return record_data(
            self,
            without=("version",),
            **self.version.as_dict(),
            execution=call and call.id,
            started_at=call and call.started_at,
            commits=[change.commit for change in self.changes],
            evaluations=[evaluation_in_short(row) for row in self.evaluations],
        )


def evaluation_in_short(row: EvaluationRow) -> dict[str, Any]:
    """Return what an evaluation came to, JSON-able, with stable keys."""
    totals = row.totals
    return {
        "evaluation": row.id,
        "started_at": row.started_at,
        "status": row.status,
        "dataset": row.spec.dataset,
        "model": row.model,
        "verdict": totals.verdict,
        "passed": totals.passed,
        "cases": totals.cases,
    }
