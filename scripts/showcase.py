"""A workspace to look at: this repository's prompts with eight weeks of history, traffic and evaluations.

    python -m scripts.showcase FOLDER

Prompts, datasets and replies are the repository's own. The edits, label moves and calls below are made up, the same at
each run; a server on this machine answers the evaluations. `scripts/pictures.py` draws it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from promptctl import Workspace, open_workspace
from promptctl.datasets.dataset import Dataset
from promptctl.files.yaml_reader import read_yaml
from promptctl.log.records import Entry, Execution
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import new_id, utc_text
from promptctl.versions.prompt_at_version import PromptAtVersion
from tests.openai_server import Exchange, OpenAIServer, reply, usage

ROOT = Path(__file__).resolve().parents[1]
AUTHOR = ("The promptctl authors", "authors@example.com")
DAYS = 56
SETTINGS = """\
model: sample/careful
models:
  "sample/*": {{api_base: "{url}", timeout_s: 5}}
prices:
  sample/careful: {{input: 2.5, output: 10}}
  sample/quick: {{input: 0.15, output: 0.6}}
log:
  - {{prompts: "*", content: full}}
budgets:
  - {{name: chat, prompts: [chat-assistant], per: month, limit: {{usd: 12}}, then: warn}}
"""
CHAT, FEEDBACK = "chat-assistant", "github/feedback-issue"
PROMPT = f"prompts/{CHAT}.prompt.yaml"


@dataclass(frozen=True)
class Edit:
    """A commit that changes a file; `before` stands there once."""

    days_ago: float
    path: str
    before: str
    after: str
    subject: str


@dataclass(frozen=True)
class Move:
    """A move of `production`."""

    days_ago: float
    prompt: str
    version: int
    reason: str


_FIRST = "Answer the last message first, then add only what helps."
_BRIEF = "Answer the last message first, in at most five sentences."
_LONG = f"{_FIRST}\n      Before you answer, list everything you know and how sure you are of it."
EVENTS: tuple[Edit | Move, ...] = (
    Move(55, CHAT, 1, "First version"),
    Move(54, FEEDBACK, 1, "First version"),
    Edit(38, PROMPT, _FIRST, _BRIEF, "Keep answers short"),
    Move(36, CHAT, 2, "Shorter answers, and no case that passed fails now"),
    Edit(6, PROMPT, _BRIEF, _LONG, "Let the assistant say how sure it is"),
    Move(4.5, CHAT, 3, "People asked how sure it is"),
    Edit(0.5, PROMPT, _LONG, _BRIEF.replace("five", "four"), "Keep answers at four sentences"),
)

EVALUATED = (f"{CHAT}@v1", f"{CHAT}@v2", f"{CHAT}@v3", f"{FEEDBACK}@v1")


@dataclass(frozen=True)
class Traffic:
    """The calls of one prompt: how many a day, how long and how dear, and the share that fails."""

    prompt: str
    a_day: int
    median_ms: float
    tokens: tuple[int, int]
    failing: float
    model: str = "sample/careful"


TRAFFIC = (
    Traffic(CHAT, 90, 900, (420, 140), 0.008),
    Traffic(FEEDBACK, 35, 1400, (610, 210), 0.012),
    Traffic("content/page-metadata", 28, 700, (1900, 90), 0.006, "sample/quick"),
    Traffic("content/tag-selection", 22, 420, (800, 40), 0.01, "sample/quick"),
    Traffic("tutor/video", 9, 2600, (5200, 480), 0.02),
)


@contextmanager
def showcase(folder: Path) -> Iterator[Workspace]:
    """Make the workspace in an empty folder and open it; its server answers until the end."""
    with OpenAIServer() as server:
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        _make_files(folder, server.url)
        _git(folder, now - timedelta(days=DAYS), "init", "-q", "-b", "main")
        _commit(folder, now - timedelta(days=DAYS), "Add the prompts")
        for event in EVENTS:
            _make(folder, now - timedelta(days=event.days_ago), event)
        with open_workspace(folder) as workspace:
            server.default = _answer(_replies(workspace))
            _make_traffic(workspace, now)
            for ref in EVALUATED:
                promptctl(folder, "eval", ref, "--replies", "ask")
            yield workspace


def promptctl(folder: Path, *arguments: str, at: datetime | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in the workspace, as of a time if that matters for Git."""
    command = [sys.executable, "-m", "promptctl", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(at), capture_output=True, text=True, check=False)


def _make_files(folder: Path, url: str) -> None:
    for name in ("prompts", "datasets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("recordings"))
    (folder / "promptctl.yaml").write_text(SETTINGS.format(url=url), encoding="utf-8")
    (folder / ".gitignore").write_text(".promptctl/\n", encoding="utf-8")


def _make(folder: Path, at: datetime, event: Edit | Move) -> None:
    if isinstance(event, Edit):
        file = folder / event.path
        text = file.read_text(encoding="utf-8")
        assert text.count(event.before) == 1, f"{event.path} has no `{event.before}` any more"
        file.write_text(text.replace(event.before, event.after), encoding="utf-8")
        _commit(folder, at, event.subject)
        return
    name = f"{event.prompt}@production"
    done = promptctl(folder, "label", "set", name, f"v{event.version}", "--reason", event.reason, at=at)
    assert done.returncode == 0, done.stderr


def _commit(folder: Path, at: datetime, subject: str) -> None:
    _git(folder, at, "add", "-A")
    _git(folder, at, "commit", "-q", "-m", subject)


def _git(folder: Path, at: datetime, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, env=environment(at), check=True)


def environment(at: datetime | None) -> dict[str, str]:
    name, address = AUTHOR
    people = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", address))
    }
    dates = {} if at is None else {f"GIT_{who}_DATE": at.isoformat() for who in ("AUTHOR", "COMMITTER")}
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **people, **dates, **own}


def _replies(workspace: Workspace) -> dict[str, str]:
    """Return the hand-written reply to each case, by its last message."""
    by_dataset: Mapping[str, Mapping[str, Any]] = read_yaml(
        (ROOT / "scripts/sample_replies.yaml").read_bytes(), "sample_replies.yaml"
    ).data
    tree, found = workspace.context.repository.work_tree, {}
    for path, by_case in by_dataset.items():
        dataset = Dataset.open(tree, path)
        for prompt in dataset.header.prompts:
            at_version = workspace.prompt(prompt)
            for case in dataset.cases(at_version.prompt):
                written = by_case[case.id]
                text = written if isinstance(written, str) else json.dumps(written, ensure_ascii=False)
                found[_key(at_version.render(case.inputs).messages[-1]["content"])] = text
    return found


def _key(content: Any) -> str:
    return json.dumps(content, sort_keys=True)


def _answer(replies: Mapping[str, str]) -> Any:
    """Answer as was written by hand; `sample/quick` stops early in one case of four, and so do long answers."""

    async def answer(exchange: Exchange) -> None:
        body = exchange.request.body
        key = _key(body["messages"][-1]["content"])
        text = replies.get(key, "I do not know.")
        is_long = "how sure you are" in json.dumps(body["messages"][0])
        if (body["model"] == "quick" or is_long) and int(hashlib.sha256(key.encode()).hexdigest(), 16) % 4 == 0:
            text = text[: len(text) // 3]
        tokens = usage(len(json.dumps(body["messages"])) // 4, len(text) // 4)
        await reply(text, tokens=tokens, model=body["model"])(exchange)

    return answer


def _make_traffic(workspace: Workspace, now: datetime) -> None:
    chance = random.Random(16)
    path = workspace.context.state_folder / "log.db"
    versions = {each.prompt: _versions(workspace, each.prompt) for each in TRAFFIC}
    rows = [row for each in TRAFFIC for row in _calls(each, versions[each.prompt], now, chance)]
    rows = [replace(row, id=(id_ := new_id()), call_id=id_) for row in sorted(rows, key=lambda row: row.started_at)]
    with SqliteStore(path) as log:
        for start in range(0, len(rows), 1_000):
            log.append([Entry(row, "metadata") for row in rows[start : start + 1_000]])


def _versions(workspace: Workspace, prompt: str) -> dict[int, PromptAtVersion]:
    numbers = [entry.number for entry in workspace.history(prompt) if entry.number is not None]
    return {number: workspace.prompt(f"{prompt}@v{number}") for number in numbers}


def _live(prompt: str, days_ago: float) -> int | None:
    """Return the version that `production` named then; None before there was one."""
    moves = [each for each in EVENTS if isinstance(each, Move) and each.prompt == prompt and each.days_ago >= days_ago]
    return moves[-1].version if moves else None


def _calls(
    traffic: Traffic, versions: Mapping[int, PromptAtVersion], now: datetime, chance: random.Random
) -> Iterator[Execution]:
    for hour in range(DAYS * 24):
        days_ago = DAYS - hour / 24
        begun = now - timedelta(days=days_ago)
        is_night, is_weekend = not 7 <= begun.hour < 20, begun.weekday() >= 5
        growth = 0.6 + 0.4 * hour / (DAYS * 24)
        expected = traffic.a_day / 13 * growth * (0.12 if is_night else 1) * (0.35 if is_weekend else 1)
        for _ in range(_poisson(expected, chance)):
            yield _call(traffic, versions, begun + timedelta(seconds=chance.uniform(0, 3_600)), days_ago, chance)


def _poisson(mean: float, chance: random.Random) -> int:
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product, count = product * chance.random(), count + 1
    return count


def _call(
    traffic: Traffic, versions: Mapping[int, PromptAtVersion], at: datetime, days_ago: float, chance: random.Random
) -> Execution:
    number = _live(traffic.prompt, days_ago)
    found = versions[number or 1]
    is_long = traffic.prompt == CHAT and number == 3
    is_wrong = chance.random() < (0.07 if is_long else traffic.failing)
    asked, answered = (round(each * chance.lognormvariate(0, 0.35)) for each in traffic.tokens)
    answered *= 2 if is_long else 1
    latency = traffic.median_ms * chance.lognormvariate(0, 0.4) * (1.7 if is_long else 1)
    prices = {"sample/careful": (2_500, 10_000), "sample/quick": (150, 600)}[traffic.model]
    error = (
        chance.choice(("rate_limit", "timeout")) if is_wrong and not is_long else "invalid_output" if is_wrong else None
    )
    is_answered = error in (None, "invalid_output")
    return Execution(
        id="",
        call_id="",
        started_at=utc_text(at),
        source="api",
        prompt=traffic.prompt,
        prompt_name=found.prompt.name,
        digest=found.version.digest,
        version=found.version.number,
        version_display=found.version.display,
        commit=found.version.commit,
        label="production" if number else None,
        model=traffic.model,
        provider="sample",
        status="ok" if error is None else "invalid_output" if is_answered else "error",
        error_type=error,
        error_message=None if error is None else "the reply was cut off" if is_answered else error.replace("_", " "),
        input_tokens=asked if is_answered else None,
        output_tokens=answered if is_answered else None,
        cost_nano_usd=asked * prices[0] + answered * prices[1] if is_answered else 0,
        price_source="workspace" if is_answered else None,
        latency_ms=round(latency, 1),
        finish_reason="length" if error == "invalid_output" else "stop" if is_answered else None,
        user=f"user-{int(chance.paretovariate(0.9)) % 40:02}",
        tool_version="0.1.0",
    )


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m scripts.showcase FOLDER")
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    with showcase(target):
        print(f"made {target}")
