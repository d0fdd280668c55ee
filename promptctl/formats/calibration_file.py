"""Files below `datasets/calibrations/`: how well each judge agrees with people, by model and rubric."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from promptctl.errors import InvalidFiles, Problem
from promptctl.files.names import CALIBRATIONS, is_calibration
from promptctl.files.plain import content_digest
from promptctl.files.tree import Tree
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.schemas import structure_of
from promptctl.statistics.agreement import JudgedCases, VerdictCounts, total_of
from promptctl.statistics.intervals import Interval


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95 % interval; None if it cannot be known, and `note` says why."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    note: str = ""

    @classmethod
    def of(cls, value: float | None, interval: Interval | None, n: int, note: str = "") -> Figure:
        """Return a measure of a value and its interval, rounded as files keep it."""
        if value is None or interval is None:
            return cls(n=n, note=note)
        return cls(round(value, 6), round(interval.low, 6), round(interval.high, 6), n, note)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The agreement of one judge with people on one rubric.

    It holds for the judge's prompt, model, parameters and server, and the rubric, that it was measured with: `key`.
    `verdicts` are the first on each reply that people labelled, `by_case` those on the replies of each case, with the
    number of such cases; empty if no case has several. `ties` are replies left out as people were split on them.
    `measured_at` is the day of the oldest verdict, None if it is not known. The other measures are for people to read.
    """

    judge: str
    judge_digest: str
    model: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    server: str | None = None
    rubric: str = ""
    rubric_type: str = ""
    rubric_text: str = ""
    datasets: tuple[str, ...] = ()
    measured_at: str | None = None
    repeats: int = 1
    replies: str = ""
    people: tuple[str, ...] = ()
    labels_digest: str = ""
    ties: int = 0
    verdicts: VerdictCounts = field(default_factory=VerdictCounts)
    by_case: tuple[tuple[VerdictCounts, int], ...] = ()
    consistency: Figure = field(default_factory=Figure)
    position: Figure = field(default_factory=Figure)
    length: Figure = field(default_factory=Figure)
    cost_nano_usd: int | None = None

    @property
    def key(self) -> str:
        """The digest of what it is bound to, but for the server."""
        return calibration_key(self.judge_digest, self.model, self.parameters, self.rubric)

    @property
    def judged(self) -> JudgedCases:
        """The verdicts by case."""
        return JudgedCases(self.verdicts, self.by_case)

    @property
    def since(self) -> str:
        """The day it was measured, for sentences."""
        return self.measured_at or "an unknown day"

    @property
    def kappa(self) -> Figure:
        """Cohen's κ of judge and people."""
        found = self.judged.kappa
        note = "" if found.value is not None else "judge and people all say the same one thing"
        return Figure.of(found.value, found.interval, found.n, note)

    @property
    def rates(self) -> dict[str, Figure]:
        """Accuracy, sensitivity and specificity by name."""
        counts = self.judged
        of = {"accuracy": counts.accuracy, "sensitivity": counts.sensitivity, "specificity": counts.specificity}
        missing = {
            "sensitivity": "the judge gave no verdict on a reply that people let pass",
            "specificity": "the judge gave no verdict on a reply that people let fail",
        }
        return {
            name: Figure.of(each.rate, each.interval, each.n, "" if each.n else missing.get(name, ""))
            for name, each in of.items()
        }

    @property
    def summary(self) -> dict[str, Any]:
        """The part that an evaluation keeps, to correct its rates by."""
        names = ["judge", "model", "rubric", "measured_at", "verdicts", "kappa", *(["by_case"] if self.by_case else [])]
        return {name: value for name, value in self.as_dict().items() if name in names}

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {
            "judge": self.judge,
            "judge_digest": self.judge_digest,
            "model": self.model,
            "parameters": dict(self.parameters),
            "server": self.server,
            "rubric": {"type": self.rubric_type, "text": self.rubric_text, "digest": self.rubric},
            "datasets": list(self.datasets),
            "measured_at": self.measured_at,
            "repeats": self.repeats,
            "replies": self.replies,
            "labels": {
                "replies": self.verdicts.n,
                "ties": self.ties,
                "people": list(self.people),
                "digest": self.labels_digest,
            },
            "verdicts": asdict(self.verdicts),
            "by_case": [{"cases": number, "verdicts": asdict(each)} for each, number in self.by_case],
            "kappa": asdict(self.kappa),
            **{name: asdict(each) for name, each in self.rates.items()},
            "consistency": asdict(self.consistency),
            "position": asdict(self.position),
            "length": asdict(self.length),
            "cost_nano_usd": self.cost_nano_usd,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], judge: str) -> Calibration:
        """Read what `as_dict` wrote; the judge may be named outside it."""
        rubric, labels = data["rubric"], data["labels"]
        return cls(
            judge=judge,
            judge_digest=data["judge_digest"],
            model=data["model"],
            parameters=data["parameters"],
            server=data.get("server"),
            rubric=rubric["digest"],
            rubric_type=rubric["type"],
            rubric_text=rubric.get("text", ""),
            datasets=tuple(data.get("datasets", ())),
            measured_at=data["measured_at"],
            repeats=data.get("repeats", 1),
            replies=data.get("replies", ""),
            people=tuple(labels["people"]),
            labels_digest=labels["digest"],
            ties=int(labels.get("ties", 0)),
            verdicts=_counts(data["verdicts"]),
            by_case=cases_of(data.get("by_case", ())),
            **{name: Figure(**data[name]) for name in ("consistency", "position", "length") if name in data},
            cost_nano_usd=data.get("cost_nano_usd"),
        )


def cases_of(by_case: Iterable[Mapping[str, Any]]) -> tuple[tuple[VerdictCounts, int], ...]:
    """Read the verdicts by case that `Calibration.as_dict` wrote."""
    return tuple((_counts(each["verdicts"]), int(each["cases"])) for each in by_case)


def _counts(data: Mapping[str, Any]) -> VerdictCounts:
    return VerdictCounts(**{name: int(number) for name, number in data.items()})


def calibration_key(judge_digest: str, model: str, parameters: Mapping[str, Any], rubric: str) -> str:
    """Return the digest of what a calibration is bound to."""
    return content_digest([judge_digest, model, dict(parameters), rubric])


def calibration_path(judge: str) -> str:
    """Return the path of the file with a judge's calibrations."""
    return f"{CALIBRATIONS}/{judge.replace('/', '--')}.json"


def own_calibration(tree: Tree, judge: str) -> str | None:
    """Return the path of a judge's file with calibrations; None without one, as it may be of an id that is alike."""
    path = calibration_path(judge)
    try:
        data = read_yaml(tree.read(path), path).data
    except (FileNotFoundError, InvalidFiles):
        return None
    return path if isinstance(data, Mapping) and data.get("judge") == judge else None


def read_calibrations(tree: Tree) -> list[Calibration]:
    """Return all calibrations of a tree. Raises `InvalidFiles` with every problem of the first file that is wrong."""
    files = (path for path in tree.paths(CALIBRATIONS) if is_calibration(path))
    return [each for path in files for each in read_calibration_file(tree, path)[1]]


def read_calibration_file(tree: Tree, path: str) -> tuple[str, list[Calibration]]:
    """Return the judge that a file is of, and its calibrations. Raises `InvalidFiles` and `FileNotFoundError`."""
    document = read_yaml(tree.read(path), path)
    problems = structure_of("calibration").check(document)
    if not problems:
        problems = list(_inconsistencies(document.data, path, document.place))
    if problems:
        raise InvalidFiles(problems)
    judge = document.data["judge"]
    return judge, [Calibration.from_dict(each, judge) for each in document.data["calibrations"]]


def calibration_bytes(judge: str, calibrations: Sequence[Calibration]) -> bytes:
    """Return the file with a judge's calibrations, in an order of their own."""
    ordered = sorted(calibrations, key=lambda each: (each.model, each.rubric_type, each.rubric))
    entries = [{name: value for name, value in each.as_dict().items() if name != "judge"} for each in ordered]
    return (json.dumps({"judge": judge, "calibrations": entries}, indent=2, ensure_ascii=False) + "\n").encode()


def _inconsistencies(data: Mapping[str, Any], path: str, place: Any) -> Iterator[Problem]:
    """Yield where the numbers contradict each other, as after a change by hand."""
    again = f"measure it again: promptctl judge calibrate {data['judge']}"
    if path != calibration_path(data["judge"]):
        message = f"calibrations of {data['judge']} belong in {calibration_path(data['judge'])}"
        yield Problem(message, place("judge"), "rename the file", "misplaced-file")
    seen: set[tuple[str, str | None]] = set()
    for index, each in enumerate(data["calibrations"]):
        found = Calibration.from_dict(each, data["judge"])
        if (bound := (found.key, found.server)) in seen:
            message = "this judge is calibrated twice with one model and rubric"
            yield Problem(message, place("calibrations", index), f"remove one, or {again}", "duplicate")
        seen.add(bound)
        derived = {"kappa": found.kappa, **found.rates}
        said = {name: Figure(**each[name]) for name in derived if name in each}
        wrong = [name for name, own in said.items() if own.value != derived[name].value]
        if each["labels"]["replies"] != found.verdicts.n:
            wrong.append("labels")
        if found.by_case and total_of(found.by_case) != found.verdicts:
            wrong.append("by_case")
        for name in wrong:
            message = f"`{name}` does not follow from the verdicts: the file was changed by hand"
            yield Problem(message, place("calibrations", index, name), again, "inconsistent")
        try:
            date.fromisoformat(found.measured_at or "2026-01-01")
        except ValueError:
            where = place("calibrations", index, "measured_at")
            yield Problem(f"`{found.measured_at}` is no day", where, again, "bad-value")
