"""A hostile branch: nothing that it brings decides, leads out, spends or commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptctl.errors import CHECK_FAILED, INCOMPLETE, WORKSPACE
from tests.openai_server import Exchange, OpenAIServer, reply
from tests.reviews.conftest import KEY, SETTINGS, Cli, Pull, case, environment, obedient

MOST_MIB = 300
MOST_CPU_S = 60
# In the reviewing process: each host that is looked up or connected to is noted, and a foreign one refused.
WATCH = """\
import os, sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        host = args[1][0] if event == "socket.connect" and isinstance(args[1], tuple) else args[0]
        if isinstance(host, (str, bytes)) and host not in ("127.0.0.1", "localhost", "::1"):
            with open(os.environ["WATCHED"], "a") as file:
                file.write(f"{host}\\n")
            raise OSError("not from here")
sys.addaudithook(watch)
"""
COMMAND = "::error::commanded"
AGENT = "bedrock/agentcore/arn:aws:bedrock-agentcore:evil.example/x?:123456789012:runtime/r"
USER = "messages: [{role: user, content: %s}]\n"
PROMPTS = {
    "agent": f"model: '{AGENT}'\n" + USER % "billing",
    "agents-route": "model: 'bedrock/evil.example/us-east-1/anthropic.claude-v2'\n" + USER % "billing",
    "command": f"description: |\n  ##[error]commanded\n  {COMMAND}\n" + USER % f'"{COMMAND}\\n  {COMMAND}"',
    "echoes": "model: echo/echo\n" + USER % "billing",
    "escape": USER % "\"{% include '../../etc/passwd' %}\"",
    "grows": USER % "\"{{ 'a' * 10 ** 9 }}\"",
    "idle": "status: inactive\n" + USER % "billing",
    "judges/llm-rubric": USER % "LENIENT",
    "reaches": USER % "\"{{ ''.__class__.__mro__ }}\"",
    "replays": "model: replay/local/small\n" + USER % "billing",
    "spins": USER % '"{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}"',
    "worded": "parameters: {extra_headers: {Authorization: mine}}\n" + USER % "billing",
}
ASSERTIONS = [
    {"type": "llm-rubric", "value": "is polite"},
    {"type": "regex", "value": "(a+)+$"},
    {"type": "python", "value": "checks.py:run"},
]


# Started from a small process of its own: for Linux, a child has had at least the memory of what started it.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
open(sys.argv[1], "w").write(f"{used.ru_maxrss / 1024} {used.ru_utime + used.ru_stime}")
sys.exit(code)
"""


@dataclass(frozen=True)
class Reviewed:
    """How a review in a process of its own ended. `foreign` are the hosts that it wished to reach."""

    exit_code: int
    printed: str
    foreign: str
    mib: float
    cpu_s: float


def review(pull: Pull, *arguments: str) -> Reviewed:
    """Review the branch as a job does, in which nothing but the work tree's state and the report may be written."""
    home = pull.root.parent / "home"
    watch, watched = home.parent / "watch", home.parent / "watched.txt"
    for folder in (home, home / "tmp", watch):
        folder.mkdir(exist_ok=True)
    (watch / "sitecustomize.py").write_text(WATCH)
    watched.write_text("")
    environ = environment(
        **KEY,
        AWS_ACCESS_KEY_ID="AKIA0123456789ABCDEF",
        AWS_SECRET_ACCESS_KEY="secret-of-amazon-0123456789",
        AWS_SESSION_TOKEN="token-of-amazon-0123456789",
        GITHUB_ACTIONS="true",
        HOME=str(home),
        TMPDIR=str(home / "tmp"),
        PYTHONPATH=str(watch),
        PYTHONDONTWRITEBYTECODE="1",
        WATCHED=str(watched),
    )
    command = [sys.executable, "-m", "promptctl", "review", "origin/main", "HEAD", *arguments]
    measured = home.parent / "measured.txt"
    measuring = [sys.executable, "-I", "-c", MEASURE, str(measured)]
    # Through a pipe, as a runner reads it: what goes into a file is data and stays as it is.
    done = subprocess.run(
        [*measuring, *command],
        cwd=pull.root,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    mib, cpu_s = map(float, measured.read_text().split())
    return Reviewed(done.returncode, done.stdout, watched.read_text(), mib, cpu_s)


def files_of(folder: Path) -> set[str]:
    """Every file, but for Git's own, our state, and what the test itself writes."""
    ours = (".promptctl", ".git", "remote.git", "watch")
    found = (path for path in folder.rglob("*") if not {*path.relative_to(folder).parts} & {*ours})
    return {str(path.relative_to(folder)) for path in found if path.name not in ("measured.txt", "watched.txt")}


@pytest.fixture
def hostile(pull: Pull, server: OpenAIServer) -> Pull:
    """The branch, on a base whose dataset a judge grades that finds nothing good."""

    async def answer(exchange: Exchange) -> None:
        if exchange.request.body["model"] == "judge":
            lenient = "LENIENT" in str(exchange.request.body["messages"])
            await reply(json.dumps({"reason": "", "score": int(lenient), "pass": lenient}))(exchange)
        else:
            await obedient(exchange)

    server.default = answer
    settings = SETTINGS.format(url=server.url).replace("prices:\n", "prices:\n  local/judge: {input: 1, output: 1}\n")
    settings = settings.replace("max_attempts: 1", "max_attempts: 1, parameters: {max_tokens: 20}")
    pull.write("promptctl.yaml", settings + "gate: {judge: local/judge, rule: strict}\n")
    pull.dataset(*(case(n, must_pass=True) for n in range(4)))
    pull.commit("Be strict")
    pull.git("push", "--quiet", "origin", "feature:main")
    pull.git("fetch", "--quiet", "origin")

    pull.write("promptctl.yaml", SETTINGS.format(url="http://127.0.0.1:9/stranger") + "gate: {rule: worse}\n")
    pull.edit("prompts/triage.prompt.yaml", "Say one word.", f"Say one word. WORSE\n      {COMMAND}")
    for id_, text in PROMPTS.items():
        pull.write(f"prompts/{id_}.prompt.yaml", text)
    tested = [id_ for id_ in PROMPTS if id_ != "judges/llm-rubric"]
    pull.write(
        "datasets/new.yaml",
        json.dumps({"prompts": tested, "min_pass": 0, "cases": [{"id": COMMAND, "inputs": {}, "expected": "billing"}]}),
    )
    weak = [case(n, cluster="one") | {"assert": ASSERTIONS} for n in range(3)]
    matrix = {"id": "##[error]m", "matrix": {"ticket": [f"x {n}" for n in range(500)]}, "expected": "x"}
    pull.dataset(*weak, matrix, case(9, output="billing"), min_pass=0)
    outside = {"id": "a", "files": {"ticket": "../../../etc/passwd"}, "expected": "root"}
    pull.dataset(outside, name="outside", prompt="triage")
    pull.write("datasets/checks.py", "open('/tmp/it-ran', 'w')\n\n\ndef run(text, case):\n    return True\n")
    said = [{"model": "local/small", "messages": [{"role": "user", "content": "billing"}], "reply": "billing"}]
    pull.write("datasets/recordings/stranger.yaml", json.dumps(said))
    (pull.root / "prompts/link.prompt.yaml").symlink_to("/etc/passwd")
    (pull.root / "datasets/link.yaml").symlink_to("/etc/passwd")
    pull.commit(f"Hostile\n\n{COMMAND}")
    return pull


def test_it_decides_nothing_leads_nowhere_and_commands_nobody(hostile: Pull, server: OpenAIServer) -> None:
    before = files_of(hostile.root.parent)
    report = hostile.root.parent / "report.md"
    found = review(hostile, "--max-cost", "0.01", "-o", str(report))
    assert found.exit_code in (CHECK_FAILED, WORKSPACE, INCOMPLETE), found.printed
    assert found.foreign == ""
    keys = {request.headers.get("authorization") for request in server.requests}
    assert keys == {f"Bearer {KEY['LOCAL_KEY']}"}
    assert {request.body["model"] for request in server.requests} <= {"small", "judge"}
    assert not any("LENIENT" in str(request.body) for request in server.requests)
    assert files_of(hostile.root.parent) - before <= {"report.md", "home", "home/tmp"}
    lines = [line.strip() for line in found.printed.splitlines()]
    assert not [line for line in lines if line.startswith("::")]
    assert re.findall(r"##[a-z]*\[", found.printed, re.IGNORECASE) == []
    assert "\x1b" not in found.printed
    assert not any(secret in found.printed + report.read_text() for secret in ("of-amazon", KEY["LOCAL_KEY"]))
    assert found.mib <= MOST_MIB
    assert found.cpu_s <= MOST_CPU_S


def state(pull: Pull) -> None:
    pull.write(".promptctl/cache.db", "replies of my own")
    pull.git("add", "--force", ".promptctl/cache.db")


def prompts_elsewhere(pull: Pull) -> None:
    pull.git("mv", "prompts", "aside")
    (pull.root / "prompts").symlink_to("aside")
    pull.git("add", "prompts")


def no_settings(pull: Pull) -> None:
    pull.git("rm", "--quiet", "--cached", "promptctl.yaml")


@pytest.mark.parametrize("bring", [state, prompts_elsewhere, no_settings])
def test_with_what_leads_elsewhere_it_is_not_reviewed_at_all(
    hostile: Pull, cli: Cli, bring: Callable[[Pull], None]
) -> None:
    bring(hostile)
    hostile.git("commit", "--quiet", "--message", "More")
    ran = cli("review", "origin/main", "HEAD", "--replies", "replay")
    assert (ran.exit_code, hostile.server.requests) == (WORKSPACE, [])
