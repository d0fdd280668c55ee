"""What budgets cost, and that they hold: by many processes at once, by kill -9, and in a log of a million rows.

    python benchmarks/budgets.py [--only kills million calls] [--records 1000000]

Prints one line for each measurement and exits 1 where a target is missed. Everything happens in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from log import Measurement, Report, an_execution, measure
from model_server import model_server

from promptctl.errors import BudgetReached
from promptctl.formats.budget_rules import BudgetRule
from promptctl.log.budgets import Charge, Reservation, Settlement
from promptctl.log.processes import is_alive, this_process
from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import new_id, utc_now
from promptctl.log.windows import window_of
from promptctl.workspace import open_workspace

PROCESSES, ATTEMPTS, LIMIT = 8, 2_400, 1_000
CALLS, AT_ONCE = 2_000, 50
RULE = BudgetRule("calls", "calls", LIMIT, per="day", each="user", timezone="Europe/Berlin")
SETTINGS = """\
model: local/m
models:
  "local/*": {{api_base: "{address}"}}
prices:
  local/m: {{input: 1, output: 1}}
log:
  - {{prompts: "*", active: {active}}}
"""
BUDGETS = """\
budgets:
  - {name: money, per: day, limit: {usd: 1000}, warn_at: 0.8}
  - {name: users, each: user, per: month, limit: {calls: 1000000}}
"""
PROMPT = """\
inputs: {q: {type: string}}
messages: [{role: user, content: "{{ q }}"}]
parameters: {max_tokens: 100}
"""


def reservation(rule: BudgetRule, user: str | None = None) -> Reservation:
    now = utc_now()
    charge = Charge(rule, user, window_of(now, rule.per, rule.timezone), 1)
    return Reservation(new_id(), now, this_process(), "9999", (charge,), is_alive=is_alive)


def run_caller(path: Path, attempts: int) -> None:
    """A process of its own: says each request that it may send, and settles it after."""
    chance = random.Random(os.getpid())
    with SqliteStore(path) as log:
        for number in range(attempts):
            wanted = reservation(BudgetRule("calls", "calls", LIMIT, per="total"))
            found = log.reserve_at_once(wanted) or log.reserve(wanted)
            os.write(1, b"refused\n" if found.refusals else b"sent\n")
            if not found.refusals:
                time.sleep(chance.uniform(0, 0.004))
                execution = an_execution(number, chance)
                settlement = Settlement(wanted.execution, {"calls": 1})
                log.append([Entry(execution, "metadata", settlement)])


def measure_kills(folder: Path, report: Report, _options: argparse.Namespace) -> None:
    path, chance = folder / "log.db", random.Random(5)
    said = folder / "said"
    said.touch()

    def start(attempts: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, __file__, "--caller", str(path), str(attempts)]
        with said.open("ab") as output:
            return subprocess.Popen(command, stdout=output)

    killed = 0
    running = [start(ATTEMPTS // PROCESSES) for _ in range(PROCESSES)]
    while any(each.poll() is None for each in running):
        time.sleep(chance.uniform(0.05, 0.15))
        number = chance.randrange(PROCESSES)
        if killed < 20 and running[number].poll() is None:
            running[number].kill()
            running[number].wait()
            killed += 1
            running[number] = start(ATTEMPTS // PROCESSES)
    lines = said.read_text().split()
    sent = lines.count("sent")
    with SqliteStore(path) as log:
        log.reserve(reservation(BudgetRule("calls", "calls", LIMIT, per="total")))
        [account] = log.budget_accounts()
    report.tell(
        f"{PROCESSES} processes on a budget of {LIMIT:,} calls, {killed} killed",
        f"{len(lines):,} attempts, {sent:,} sent, {account.spent:,} counted, {account.kept} of killed processes",
        is_good=len(lines) >= ATTEMPTS and sent <= account.spent <= LIMIT,
    )


def measure_million(folder: Path, report: Report, options: argparse.Namespace) -> None:
    chance = random.Random(1)
    with SqliteStore(folder / "log.db") as log:
        for first in range(0, options.records, 5_000):
            log.append(Entry(an_execution(number, chance)) for number in range(first, first + 5_000))
        times = []
        for number in range(5_000):
            wanted = reservation(RULE, f"user-{number % 100}")
            start = time.perf_counter()
            found = log.reserve_at_once(wanted) or log.reserve(wanted)
            times.append(time.perf_counter() - start)
            assert not found.refusals
            log.append([Entry(an_execution(number, chance), "off", Settlement(wanted.execution, {"calls": 1}))])
        p99 = statistics.quantiles(times, n=100)[98] * 1000
        report.tell(
            f"admission in a log of {options.records:,} rows",
            f"median {statistics.median(times) * 1e6:.0f} us, p99 {p99:.2f} ms, longest {max(times) * 1000:.1f} ms",
            is_good=p99 < 5,
        )
        for rule, what in ((RULE, "an account of one user"), (BudgetRule("all", "usd", 1), "one of all rows")):
            start = time.perf_counter()
            log.reserve(reservation(BudgetRule("first", rule.unit, 10**15, each=rule.each), "user-1"))
            report.tell(f"  the first use of {what}", f"{(time.perf_counter() - start) * 1000:.0f} ms")
            log.database.write(lambda connection: connection.execute("DELETE FROM budget_accounts").rowcount)


def measure_calls(folder: Path, report: Report, _options: argparse.Namespace) -> None:
    with model_server(50) as address:
        costs: dict[str, list[float]] = {"off": [], "budgets": []}
        for _ in range(3):
            for kind, times in costs.items():
                times.append(cpu_of_calls(folder / kind, address, has_budgets=kind == "budgets"))
    off, budgets = (min(times) for times in costs.values())
    report.tell(
        f"{CALLS:,} calls, {AT_ONCE} at once: rows and two budgets",
        f"{budgets * 1000:.2f} ms of CPU a call, logging off {off * 1000:.2f}: {(budgets - off) * 1000:.2f} more",
        is_good=budgets - off <= 0.001,
    )


def cpu_of_calls(folder: Path, address: str, *, has_budgets: bool) -> float:
    (folder / "prompts").mkdir(parents=True, exist_ok=True)
    (folder / "prompts/p.prompt.yaml").write_text(PROMPT)
    settings = SETTINGS.format(address=address, active=str(has_budgets).lower())
    (folder / "promptctl.yaml").write_text(settings + (BUDGETS if has_budgets else ""))

    async def ask() -> float:
        async with open_workspace(folder, {}) as workspace:
            numbers = iter(range(CALLS))

            async def some() -> None:
                for number in numbers:
                    with suppress(BudgetReached):
                        await workspace.arun("p", {"q": f"question {number}"}, user=f"user-{number % 20}")

            await workspace.arun("p", {"q": "first"})
            before = time.process_time()
            await asyncio.gather(*(some() for _ in range(AT_ONCE)))
            return (time.process_time() - before) / CALLS

    return asyncio.run(ask())


MEASUREMENTS: dict[str, Measurement] = {
    "kills": measure_kills,
    "million": measure_million,
    "calls": measure_calls,
}


def main() -> int:
    if sys.argv[1:2] == ["--caller"]:
        run_caller(Path(sys.argv[2]), int(sys.argv[3]))
        return 0
    return measure(MEASUREMENTS, __doc__, records=1_000_000)


if __name__ == "__main__":
    sys.exit(main())
