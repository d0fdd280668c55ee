"""Time `log search` over 100,000 kept contents: the first search, which makes the index, and those after it."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from promptctl.log.filter import Filter
from promptctl.log.records import Entry, Execution
from promptctl.log.search import parse_query
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import new_id

CALLS = 50_000  # each with two contents of its own: its messages and its reply
WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("al", "en", "ir", "on", "ut", "arim", "elost")]
QUERIES = ("common", "needle777", '"balen common"', "needle77*", "common bal*", "nowhere")


def calls() -> list[Entry]:
    dice = random.Random(7)
    made = []
    for number in range(CALLS):
        text = " ".join(dice.choices(WORDS, k=120))
        execution = Execution(
            id=new_id(),
            call_id=new_id(),
            started_at=f"2026-05-{1 + number * 28 // CALLS:02}T09:30:00.{number % 1000:03}Z",
            source="run",
            prompt=f"prompt-{number % 50}",
            prompt_name="",
            digest="1:0",
            model="echo/echo",
            status="ok",
            messages=[{"role": "user", "content": f"common balen {text} needle{number}"}],
            reply=f"common reply {number} {text[:300]}",
        )
        made.append(Entry(execution, "full"))
    return made


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "log.db") as log:
        entries = calls()
        for begin in range(0, CALLS, 5_000):
            log.append(entries[begin : begin + 5_000])
        begun = time.perf_counter()
        log.search(parse_query("first"), Filter(limit=20))
        size = (Path(folder) / "search.db").stat().st_size
        print(f"index made in {time.perf_counter() - begun:.1f} s, {size / 1e6:.0f} MB")
        for text in QUERIES:
            for wanted in (Filter(limit=20, source="app"), Filter(limit=20, prompt="prompt-7")):
                times = []
                for _ in range(5):
                    begun = time.perf_counter()
                    found = log.search(parse_query(text), wanted)
                    times.append((time.perf_counter() - begun) * 1000)
                assert found.no_index is None
                print(f"{text:18} {wanted.prompt or 'all prompts':12} {len(found.executions):3} {min(times):7.1f} ms")


if __name__ == "__main__":
    main()
