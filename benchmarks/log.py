"""How fast the log is, and what it loses: nothing, by many writers at once and by kill -9.

    python benchmarks/log.py [--only writers kills million verify batch cold] [--records 1000000] [--rounds 40]

Prints one line for each measurement and exits 1 where a target is missed. Everything happens in a temporary folder.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from promptctl.log.filter import Filter
from promptctl.log.records import Content, Entry, Execution
from promptctl.log.redaction import Redactor
from promptctl.log.results import ResultDetail, ResultRow
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import new_id, utc_text

PROMPTS, VERSIONS = 20, 20
SYSTEM = "You triage tickets for Acme. " * 40


def an_execution(number: int, chance: random.Random) -> Execution:
    """One of 400 prompts and versions, begun over the last three months."""
    from datetime import UTC, datetime, timedelta

    identifier = new_id()
    started = datetime(2026, 8, 1, tzinfo=UTC) + timedelta(seconds=number * 7.7)
    version = 1 + number // PROMPTS % VERSIONS
    ticket = f"I was charged twice on day {number}."
    return Execution(
        id=identifier,
        call_id=identifier,
        started_at=utc_text(started),
        source="eval" if number % 3 else "run",
        prompt=f"support/prompt-{number % PROMPTS}",
        prompt_name="Support triage",
        digest=f"1:{version:064x}",
        model="openai/gpt-4o-mini",
        status="error" if number % 50 == 0 else "ok",
        version=version,
        version_display=f"v{version} (3f2a9c1)",
        commit="3f2a9c1" + "0" * 33,
        label="production",
        provider="openai",
        model_resolved="gpt-4o-mini-2024-07-18",
        parameters={"temperature": 0, "max_tokens": 400},
        input_tokens=100,
        output_tokens=20,
        cost_nano_usd=27_000,
        price_source="bundled",
        latency_ms=round(chance.lognormvariate(6, 1), 3),
        finish_reason="stop",
        user=f"user-{number % 100}",
        tool_version="0.1.0",
        inputs={"ticket": ticket},
        messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": ticket}],
        reply='{"label": "billing", "reply": "We are sorry."}',
    )


def entries(count: int, content: Content) -> Iterator[Entry]:
    chance = random.Random(1)
    return (Entry(an_execution(number, chance), content) for number in range(count))


def one_evaluation(entry: Entry) -> Entry:
    fixed = replace(
        entry.execution, source="eval", prompt="support/triage", version=7, digest="1:ab", evaluation_id="e"
    )
    return Entry(fixed, entry.content)


class Report:
    def __init__(self) -> None:
        self.has_failed = False

    def tell(self, what: str, measured: str, *, is_good: bool | None = None) -> None:
        verdict = "" if is_good is None else "  ok" if is_good else "  MISSED"
        self.has_failed |= is_good is False
        print(f"{what:<58} {measured}{verdict}", flush=True)


def run_writer(path: Path, count: int) -> None:
    """A process of its own: appends, says each id when it is in the log, and last its longest wait."""
    longest = 0.0
    with SqliteStore(path) as log:
        for entry in entries(count, "full"):
            start = time.perf_counter()
            log.append([entry])
            longest = max(longest, time.perf_counter() - start)
            sys.stdout.write(entry.execution.id + "\n")
            sys.stdout.flush()
    sys.stderr.write(f"{longest:.3f}")


def start_writer(path: Path, count: int, output: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--writer", str(path), str(count)]
    with output.open("w") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE, text=True)


def measure_writers(folder: Path, report: Report, _options: argparse.Namespace) -> None:
    path = folder / "log.db"
    start = time.perf_counter()
    outputs = [folder / f"writer-{number}" for number in range(8)]
    writers = [start_writer(path, 2_000, output) for output in outputs]
    waits = [writer.communicate()[1] for writer in writers]
    wall = time.perf_counter() - start
    failed = [wait for writer, wait in zip(writers, waits, strict=True) if writer.returncode]
    log = SqliteStore(path)
    acknowledged = {line for output in outputs for line in output.read_text().split()}
    lost = acknowledged - {each.id for each in log.executions()}
    counted = sum(row.calls for row in log.totals())
    report.tell(
        "8 processes x 2,000 records, full content",
        f"{len(acknowledged)} written, {len(lost)} lost, {counted} counted, {len(failed)} errors; "
        f"{16_000 / wall:,.0f}/s, longest wait {max(map(float, waits)) if not failed else 0:.2f} s",
        is_good=len(acknowledged) == counted == 16_000 and not lost and not failed,
    )


def measure_kills(folder: Path, report: Report, options: argparse.Namespace) -> None:
    path = folder / "log.db"
    chance = random.Random(5)
    acknowledged: set[str] = set()
    for number in range(options.rounds):
        outputs = [folder / f"{number}-{writer}" for writer in range(4)]
        writers = [start_writer(path, 1_000_000, output) for output in outputs]
        while not all(output.stat().st_size for output in outputs):
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.2))
        for writer in writers:
            writer.kill()
        for writer, output in zip(writers, outputs, strict=True):
            writer.communicate()
            lines = output.read_text().splitlines(keepends=True)
            acknowledged.update(line.strip() for line in lines if line.endswith("\n"))
    log = SqliteStore(path)
    stored = {each.id for each in log.executions()}
    drift = sum(row.calls for row in log.totals()) - len(stored)
    problems = log.verify().problems
    report.tell(
        f"{options.rounds} rounds of kill -9 on 4 writers",
        f"{len(acknowledged):,} acknowledged, {len(acknowledged - stored)} lost, totals off by {drift}, "
        f"{len(problems)} problems in the file",
        is_good=acknowledged <= stored and not drift and not problems,
    )


def measure_batch(folder: Path, report: Report, _options: argparse.Namespace) -> None:
    kinds: list[tuple[Content, int]] = [("metadata", 100), ("metadata", 1_000), ("full", 100), ("full", 1_000)]
    for content, size in kinds:
        made = [one_evaluation(entry) for entry in entries(20_000, content)]
        graded = [
            ResultRow(
                evaluation_id="e",
                case_id=f"{content}-{size}-{number}",
                status="passed",
                position=number,
                score=1.0,
                detail=ResultDetail(assertions=({"type": "equals", "passed": True},)),
                output=entry.execution.reply,
                execution_id=entry.execution.id,
            )
            for number, entry in enumerate(made)
        ]
        with SqliteStore(folder / f"{content}-{size}.db") as log:
            start = time.perf_counter()
            for at in range(0, len(made), size):
                log.append(made[at : at + size], graded[at : at + size])
            wall = time.perf_counter() - start
        rate = 2 * len(made) / wall
        report.tell(
            f"executions ({content}) with their results, {size} a batch",
            f"{rate:,.0f} rows/s, {wall / len(made) * 1e6:.0f} us a case",
            is_good=rate >= 20_000,
        )


def measure_million(folder: Path, report: Report, options: argparse.Namespace) -> None:
    path = folder / "log.db"
    start = time.perf_counter()
    with SqliteStore(path) as log:
        batch: list[Entry] = []
        for entry in entries(options.records, "metadata"):
            batch.append(entry)
            if len(batch) == 5_000:
                log.append(batch)
                batch.clear()
        log.append(batch)
    wall = time.perf_counter() - start
    report.tell(
        f"a log of {options.records:,} records, metadata",
        f"{options.records / wall:,.0f}/s, {path.stat().st_size / 1e6:,.0f} MB",
    )
    head = "import sys, json; from pathlib import Path; from promptctl.log.filter import Filter; "
    head += "from promptctl.log.sqlite.store import SqliteStore; log = SqliteStore(Path(sys.argv[1])); "
    tell_peak = "sys.stderr.write(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    shown = "print(json.dumps([row.as_dict() for row in rows]))"
    day, week = since(options, 1), since(options, 7)
    questions = [
        ("stats by prompt and version, whole process", f"rows = log.totals(); {shown}", 0.4),
        ("stats of one prompt", f"rows = log.totals(Filter(prompt='support/prompt-1')); {shown}", 0.4),
        (
            "stats of the last day, from the rows",
            f"rows = log.totals(Filter(since={day!r})); {shown}",
            None,
        ),
        (
            "stats of the last week, from the rows",
            f"rows = log.totals(Filter(since={week!r})); {shown}",
            None,
        ),
        ("stats by model over everything, from the rows", f"rows = log.totals(by=('model',)); {shown}", None),
        ("list, the newest 20", "print(json.dumps([e.as_dict() for e in log.executions(Filter(limit=20))]))", 0.4),
        ("list, the newest 20 errors", "print(len(list(log.executions(Filter(status='error', limit=20)))))", 0.4),
        ("show, by the end of an id", "e = next(log.executions()); print(log.execution(e.id[-8:]).id)", 0.4),
    ]
    for what, code, limit in questions:
        command = [sys.executable, "-c", f"{head}{code}; {tell_peak}", str(path)]
        seconds = whole_process(command)
        peak = float(subprocess.run(command, capture_output=True, text=True, check=True).stderr) / 1024
        is_good = None if limit is None else seconds <= limit
        report.tell(f"  {what}", f"{seconds:.3f} s, {peak:.0f} MiB", is_good=is_good)
    measure_costs(path, report, since(options, 90))
    measure_pages(path, report)


def measure_pages(path: Path, report: Report) -> None:
    """The list of calls as pages show it, inside the process; best of nine."""
    log = SqliteStore(path)
    one = "support/prompt-1"
    filters = {
        "all": Filter(),
        "of the application": Filter(source="app"),
        "of one prompt": Filter(prompt=one),
        "of most prompts, by a glob": Filter(prompt="support/*", source="app"),
        "of a user": Filter(user="user-7"),
        "that failed": Filter(status="error"),
        "of one version": Filter(prompt=one, version=3),
        "of a model that none has": Filter(model="none"),
        "of a prompt, and of a label that none has": Filter(prompt=one, label="none"),
    }
    for what, wanted in filters.items():
        seconds = []
        for _ in range(9):
            start = time.perf_counter()
            page = log.page(wanted)
            seconds.append(time.perf_counter() - start)
        number = "not counted" if page.attempts is None else f"of {page.attempts:,}"
        cut = ", looked at some" if page.is_cut else ""
        told = f"{min(seconds):.4f} s, {len(page.executions)} {number}{cut}"
        report.tell(f"  a page of calls {what}", told, is_good=min(seconds) <= 0.2)


def measure_costs(path: Path, report: Report, ninety_days_ago: str) -> None:
    """What calls cost, inside the process; best of nine, as other programs run beside."""
    log = SqliteStore(path)
    app = Filter(source="app")
    questions: list[tuple[str, Filter, tuple[str, ...], float | None]] = [
        ("by prompt and version", app, ("prompt", "version"), 0.01),
        ("by day since 90 days ago", Filter(source="app", since=ninety_days_ago), ("local_day",), 0.15),
        ("by user", app, ("user",), 0.15),
        ("by month, and by model", app, ("local_month", "model"), None),
        ("by user and prompt, from the rows", app, ("user", "prompt"), None),
    ]
    for what, wanted, by, limit in questions:
        seconds = []
        for _ in range(9 if limit else 3):
            start = time.perf_counter()
            log.totals(wanted, by, costs_only=True)
            seconds.append(time.perf_counter() - start)
        is_good = None if limit is None else min(seconds) <= limit
        report.tell(f"  costs {what}", f"{min(seconds) * 1000:.1f} ms", is_good=is_good)


def measure_verify(folder: Path, report: Report, _options: argparse.Namespace) -> None:
    with SqliteStore(folder / "log.db") as log:
        made = entries(200_000, "metadata")
        while some := list(itertools.islice(made, 5_000)):
            log.append(some)
        start = time.perf_counter()
        found = log.verify()
        wall = time.perf_counter() - start
    report.tell("verify 200,000 rows", f"{wall:.2f} s", is_good=found.is_sound and wall <= 3)
    with closing(sqlite3.connect(folder / "log.db")) as raw:
        raw.execute("DROP TRIGGER executions_refuse_update")
        raw.execute("UPDATE executions SET finish_reason = 'stoq' WHERE number = 123456")
        raw.commit()
    start = time.perf_counter()
    named = SqliteStore(folder / "log.db").verify().problems
    wall = time.perf_counter() - start
    report.tell("  and name the one that was changed", f"{wall:.2f} s", is_good=len(named) == 1 and wall <= 3)


def since(options: argparse.Namespace, days: int) -> str:
    from datetime import UTC, datetime, timedelta

    last = datetime(2026, 8, 1, tzinfo=UTC) + timedelta(seconds=options.records * 7.7)
    return utc_text(last - timedelta(days=days))


COLD_USE = """
import sys
from promptctl.log.stamps import new_id
from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import utc_now
execution = Execution(
    id=new_id(), call_id=new_id(), started_at=utc_now(), source="run", prompt="a", prompt_name="A", digest="1:x",
    model="m", status="ok", inputs={"a": "b"}, messages=[{"role": "user", "content": "hi"}], reply="ho",
)
log = SqliteStore(Path(sys.argv[1]))
warning = log.append([Entry(execution, "full")])
log.close()
sys.exit(str(warning) if warning else 0)
"""


def measure_cold(folder: Path, report: Report, _options: argparse.Namespace) -> None:
    path = folder / "log.db"
    basics = "import dataclasses, json, hashlib, tempfile, threading; from pathlib import Path; "
    seam = basics + "from promptctl.log.records import Execution"
    use = seam + COLD_USE
    bare = whole_process([sys.executable, "-c", "pass"])
    before = whole_process([sys.executable, "-c", seam])
    whole = whole_process([sys.executable, "-c", use, str(path)])
    more = (whole - before) * 1000
    report.tell(
        "cold: import the log, open it, append one record, close",
        f"{whole * 1000:.0f} ms whole process; python alone {bare * 1000:.0f}, with what every command imports "
        f"{before * 1000:.0f}: the log {more:.0f} ms",
        is_good=more <= 30,
    )
    redactor = Redactor([f"secret-value-{number}" for number in range(10)])
    text = json.dumps([{"role": "user", "content": SYSTEM * 100}])
    start = time.perf_counter()
    for _ in range(100):
        redactor.redact(text)
    rate = 100 * len(text) / (time.perf_counter() - start) / 1e6
    report.tell("redaction of texts that hold no secret", f"{rate:,.0f} MB/s")
    text = text.replace("Acme", "https://acme.example")
    start = time.perf_counter()
    for _ in range(20):
        redactor.redact(text)
    rate = 20 * len(text) / (time.perf_counter() - start) / 1e6
    report.tell("redaction of texts that look as if they did", f"{rate:,.0f} MB/s")


def whole_process(command: list[str], runs: int = 9) -> float:
    """Median wall time in seconds of the whole process, with compiled modules as an installed package has them."""
    walls = []
    with tempfile.TemporaryDirectory() as compiled:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for _ in range(runs + 1):
            start = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env=environ)
            walls.append(time.perf_counter() - start)
    return statistics.median(walls[1:])


Measurement = Callable[[Path, Report, argparse.Namespace], None]
MEASUREMENTS: dict[str, Measurement] = {
    "cold": measure_cold,
    "batch": measure_batch,
    "writers": measure_writers,
    "kills": measure_kills,
    "million": measure_million,
    "verify": measure_verify,
}


def measure(measurements: Mapping[str, Measurement], description: str | None, **sizes: int) -> int:
    """Measure what the command line names, each in a folder of its own; return 1 if a target is missed.

    `sizes` are the numbers that it may give, with their defaults.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=measurements, default=list(measurements))
    for name, size in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    options = parser.parse_args()
    report = Report()
    for name in options.only:
        with tempfile.TemporaryDirectory(prefix="promptctl-log-") as folder:
            measurements[name](Path(folder), report, options)
    return int(report.has_failed)


def main() -> int:
    if sys.argv[1:2] == ["--writer"]:
        run_writer(Path(sys.argv[2]), int(sys.argv[3]))
        return 0
    return measure(MEASUREMENTS, __doc__, records=1_000_000, rounds=40)


if __name__ == "__main__":
    sys.exit(main())
