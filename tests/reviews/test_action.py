"""action.yml's very steps, on a pull request's event, in the checkouts that CI makes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptctl.errors import CHECK_FAILED, OK, WORKSPACE
from promptctl.reports.review_markdown import MARKER
from tests.cli.conftest import git
from tests.reviews.action import ACTION, Runner
from tests.reviews.conftest import KEY, Pull, case
from tests.reviews.github_server import GitHub


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as found:
        yield found


class Job:
    """A run of the action for pull request 7, in a checkout of its own."""

    def __init__(self, pull: Pull, github: GitHub, tmp_path: Path, command: Path) -> None:
        self.command = command
        self.pull = pull
        self.github = github
        self.tmp_path = tmp_path
        self.source = "team/bot"
        self.event_name = "pull_request"
        self.keys = dict(KEY)
        self.number = 0

    def open(self) -> str:
        """Push the branch, and the merge that GitHub makes of it; the branch's commit."""
        head = self.pull.git("rev-parse", "feature")
        self.pull.git("push", "--quiet", "--force", "origin", "feature")
        self.pull.git("checkout", "--quiet", "--detach", "origin/main")
        self.pull.git("merge", "--quiet", "--no-ff", "--no-edit", "feature")
        self.pull.git("push", "--quiet", "--force", "origin", "HEAD:refs/pull/7/merge")
        self.pull.git("checkout", "--quiet", "feature")
        self.github.heads[7] = head
        return head

    def run(self, ref: str = "refs/pull/7/merge", *, depth: int | None = 1, **inputs: str) -> tuple[int, Runner]:
        """Check out as actions/checkout does, then run the steps."""
        self.number += 1
        folder = self.tmp_path / f"job-{self.number}"
        checkout = folder / "checkout"
        checkout.mkdir(parents=True)
        git(checkout, "init", "--quiet")
        git(checkout, "remote", "add", "origin", f"file://{self.pull.bare}")
        shallow = [f"--depth={depth}"] if depth else []
        git(checkout, "fetch", "--quiet", "--no-tags", *shallow, "origin", f"+{ref}:refs/remotes/pull/7")
        git(checkout, "checkout", "--quiet", "--detach", "refs/remotes/pull/7")
        event = folder / "event.json"
        event.write_text(json.dumps(self.event()))
        environ = {name: value for name, value in os.environ.items() if name != "LOCAL_KEY"}
        environ |= self.keys | {"JOB_TOKEN": self.github.token, "GITHUB_API_URL": self.github.url}
        runner = Runner(folder, checkout, self.event(), self.event_name, environ)
        return runner.run(event, command=str(self.command), **inputs), runner

    def event(self) -> dict[str, Any]:
        head = {"sha": self.pull.git("rev-parse", "feature"), "ref": "feature", "repo": {"full_name": self.source}}
        base = {"ref": "main", "sha": git(self.pull.bare, "rev-parse", "main")}
        pull = {"number": 7, "head": head, "base": base}
        return {"repository": {"full_name": "team/bot"}, "number": 7, "pull_request": pull}


@pytest.fixture
def job(pull: Pull, github: GitHub, tmp_path: Path, warm_command: Path) -> Job:
    pull.edit("prompts/triage.prompt.yaml", "Say one word.", "Say one word. WORSE")
    found = Job(pull, github, tmp_path, warm_command)
    found.open()
    return found


def test_a_shallow_checkout_of_the_merge_is_reviewed_and_the_gate_fails(job: Job) -> None:
    job.keys = {}
    code, runner = job.run(keys=f"OTHER_KEY=a=b\nLOCAL_KEY={KEY['LOCAL_KEY']}\nno line of one\n")
    assert code == CHECK_FAILED, runner.words
    assert "::warning::keys: line 3 is not NAME=VALUE, and was left out\n" in runner.words
    assert "no line of one" not in runner.words
    (comment,) = job.github.comments
    assert comment["body"].startswith(f"{MARKER}\n### ❌ Prompt review: failed")
    assert "triage: Worse: 0 of 8 cases pass" in comment["body"]
    assert runner.summary == comment["body"]
    assert runner.uploaded["prompt-review"] == ["messages.txt", *(f"review.{s}" for s in ("html", "json", "md", "xml"))]


def test_only_the_step_that_asks_models_has_the_keys() -> None:
    steps = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    assert [step["name"] for step in steps if "inputs.keys" in str(step)] == ["Review"]
    assert [step["name"] for step in steps if "inputs.token" in str(step)] == ["Comment"]


def test_each_push_writes_the_one_comment_anew(job: Job) -> None:
    job.run()
    job.pull.edit("prompts/triage.prompt.yaml", " WORSE", "")
    job.open()
    code, runner = job.run()
    assert code == OK, runner.words
    (comment,) = job.github.comments
    assert "no prompt changed" in comment["body"]


def test_a_run_that_a_force_push_has_overtaken_keeps_quiet(job: Job) -> None:
    job.github.heads[7] = "f" * 40
    code, runner = job.run()
    assert (code, job.github.comments) == (CHECK_FAILED, [])
    assert "moved on since" in runner.words


@pytest.mark.parametrize("depth", [1, None])
def test_a_checkout_of_the_branch_itself_is_compared_with_where_it_left_its_target(job: Job, depth: int | None) -> None:
    job.pull.git("checkout", "--quiet", "main")
    job.pull.edit("prompts/other.prompt.yaml", "Something else", "Something that main changed")
    job.pull.git("push", "--quiet", "origin", "main")
    job.pull.git("checkout", "--quiet", "feature")
    code, runner = job.run("refs/heads/feature", depth=depth)
    assert code == CHECK_FAILED, runner.words
    assert "`triage`" in job.github.comments[0]["body"]
    assert "`other`" not in job.github.comments[0]["body"]


def test_a_fork_without_keys_passes_says_so_and_leaves_the_summary(job: Job) -> None:
    job.source, job.keys, job.github.is_read_only = "stranger/bot", {}, True
    code, runner = job.run()
    assert code == OK, runner.words
    assert "not evaluated" in runner.summary
    assert "from a fork, or of Dependabot, may not comment" in runner.words
    assert job.pull.server.requests == []


def test_a_review_that_cannot_be_made_says_why_in_the_comment(job: Job) -> None:
    code, runner = job.run(base="no-such-branch")
    assert code == WORKSPACE, runner.words
    assert "it could not be made" in job.github.comments[0]["body"]
    assert "no commit `no-such-branch`" in job.github.comments[0]["body"]


def test_a_push_outside_a_pull_request_reviews_and_comments_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "event", lambda: {"repository": {"full_name": "team/bot"}})
    code, runner = job.run("refs/heads/feature", depth=None, base=job.pull.git("rev-parse", "origin/main"))
    assert (code, job.github.comments) == (CHECK_FAILED, []), runner.words
    assert "belongs to no pull request" in runner.words


@pytest.mark.parametrize("before", ["origin/main", None])
def test_a_push_to_the_default_branch_is_compared_with_what_it_was(
    job: Job, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    was = job.pull.git("rev-parse", before) if before else "0" * 40
    job.pull.git("push", "--quiet", "origin", "feature:main")
    repository = {"full_name": "team/bot", "default_branch": "main"}
    monkeypatch.setattr(
        job, "event", lambda: {"repository": repository, "ref": "refs/heads/main", "before": was, "after": "f" * 40}
    )
    job.event_name = "push"
    code, runner = job.run("refs/heads/main")
    assert runner.outputs["base"]["base"] == (was if before else ""), runner.words
    if before:
        assert code == CHECK_FAILED, runner.words
        assert "triage: Worse" in runner.summary


def test_a_group_of_a_merge_queue_is_compared_with_what_it_is_merged_onto(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    onto = job.pull.git("rev-parse", "origin/main")
    group = {"base_sha": onto, "base_ref": "refs/heads/main", "head_sha": job.pull.git("rev-parse", "feature")}
    repository = {"full_name": "team/bot", "default_branch": "main"}
    monkeypatch.setattr(job, "event", lambda: {"repository": repository, "merge_group": group})
    job.event_name = "merge_group"
    code, runner = job.run()
    assert (code, job.github.comments) == (CHECK_FAILED, []), runner.words
    assert "triage: Worse" in runner.summary


def test_neither_a_comment_nor_a_page_that_cannot_be_kept_decides(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runner, "keeps_files", False)
    job.github.statuses = [404] * 5
    code, runner = job.run(model="echo/echo")
    assert (code, job.github.comments) == (OK, []), runner.words
    assert runner.ran["Keep the page"] != 0
    assert "::warning::the comment with the prompt review was not written" in runner.words
    assert (runner.ran["Gate"], runner.outputs["review"]["exit-code"]) == (0, "0")


def test_options_reach_the_command(job: Job) -> None:
    code, runner = job.run(gate="strict", margin="0.1", model="echo/echo", max_cost="2", comment="false", artifact="")
    assert code == OK, runner.words
    assert (job.github.comments, runner.uploaded) == ([], {})
    data = json.loads((Path(runner.outputs["review"]["folder"]) / "review.json").read_text())
    assert (data["gate"], data["margin"]) == ("strict", 0.1)
    assert "--model echo/echo" in data["reproduce"]


def test_what_a_stranger_names_is_never_run(job: Job, tmp_path: Path) -> None:
    marks = tmp_path / "it-ran"
    code, runner = job.run(model=f"$(touch {marks})", base=f"; touch {marks} #")
    assert code != OK
    assert not marks.exists()
    assert runner.outputs["review"]["exit-code"] == str(code)


def test_a_folder_that_looks_like_a_repository_runs_no_program(job: Job, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    job.pull.write("apps/bot/promptctl.yaml", "model: echo/echo\n")
    job.pull.write("apps/bot/HEAD", "ref: refs/heads/main\n")
    job.pull.write("apps/bot/objects/keep", "")
    job.pull.write("apps/bot/refs/keep", "")
    remote = f'[remote "origin"]\n\turl = file://{job.pull.bare}\n\tuploadpack = "touch {mark}; git-upload-pack"\n'
    job.pull.write("apps/bot/config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n" + remote)
    job.pull.commit("Trap")
    job.open()
    code, runner = job.run(working_directory="apps/bot")
    assert code == WORKSPACE, runner.words
    assert not mark.exists()
    assert "it could not be made" in job.github.comments[0]["body"]


def test_no_line_that_a_stranger_wrote_commands_the_runner(job: Job) -> None:
    job.pull.edit(
        "prompts/triage.prompt.yaml",
        "You triage",
        "::error::from a prompt\n      ::set-output name=a::b\n      You triage",
    )
    job.open()
    _, runner = job.run()
    lines = [line.strip() for line in runner.words.partition("[Annotate files]")[0].splitlines()]
    commands = [number for number, line in enumerate(lines) if line.startswith("::")]
    stop = next(number for number in commands if lines[number].startswith("::stop-commands::"))
    resume = lines.index(f"::{lines[stop].removeprefix('::stop-commands::')}::")
    printed = [number for number, line in enumerate(lines) if "::error::" in line]
    assert printed
    assert all(stop < number < resume for number in (*printed, *commands[1:-1]))


def test_findings_are_annotations_at_the_lines_of_files(job: Job) -> None:
    job.pull.write("prompts/broken.prompt.yaml", "messages:\n  - {role: user, content: Hi, note: '::error::x'}\n")
    job.pull.commit("Break one")
    job.open()
    _, runner = job.run()
    words = runner.words.partition("[Annotate files]")[2].partition("\n[")[0].split("\n")
    lines = [line for line in words if line.startswith("::")]
    assert any(line.startswith("::error file=prompts/broken.prompt.yaml,line=2::") for line in lines), runner.words
    assert any(line.startswith("::error file=prompts/triage.prompt.yaml,line=7::") for line in lines), runner.words
    assert all(re.match("::(error|warning) file=prompts/[a-z]+[.]prompt[.]yaml,line=[0-9]+::", line) for line in lines)


def second_workspace(job: Job) -> None:
    """Give `main` another workspace, and the branch what `main` has."""
    job.pull.git("checkout", "--quiet", "main")
    job.pull.write("apps/bot/promptctl.yaml", "model: echo/echo\n")
    job.pull.commit("Another workspace")
    job.pull.git("push", "--quiet", "origin", "main")
    job.pull.git("checkout", "--quiet", "feature")
    job.pull.git("merge", "--quiet", "--no-edit", "main")


def test_a_workspace_that_a_pull_request_moves_or_links_is_not_reviewed(job: Job) -> None:
    second_workspace(job)
    job.pull.git("mv", "apps/bot", "apps/other")
    (job.pull.root / "apps/bot").symlink_to("other")
    job.pull.commit("A link")
    job.open()
    code, runner = job.run(working_directory="apps/bot")
    assert (code, "leads through the link" in runner.words) == (WORKSPACE, True), runner.words
    job.pull.git("rm", "--quiet", "apps/bot")
    job.pull.write("apps/bot/sub/promptctl.yaml", "model: echo/echo\n")
    job.pull.commit("A nearer one")
    job.open()
    code, runner = job.run(working_directory="apps/bot/sub")
    assert (code, "the workspace of BASE is apps/bot" in runner.words) == (WORKSPACE, True), runner.words


def test_a_workspace_in_a_folder_is_annotated_with_that_folder(job: Job) -> None:
    second_workspace(job)
    job.pull.write("apps/bot/prompts/hello.prompt.yaml", "messages: 1\n")
    job.pull.commit("A prompt there")
    job.open()
    _, runner = job.run(working_directory="apps/bot")
    assert "\n::error file=apps/bot/prompts/hello.prompt.yaml,line=1::" in runner.words


@pytest.mark.parametrize(
    ("name", "source", "runs"),
    [
        ("pull_request", "team/bot", True),
        ("pull_request", "stranger/bot", False),
        ("pull_request_target", "stranger/bot", False),
        ("push", None, True),
        ("issue_comment", None, False),
        ("workflow_run", None, False),
    ],
)
def test_code_runs_only_if_it_is_the_same_repositorys(
    job: Job, monkeypatch: pytest.MonkeyPatch, name: str, source: str | None, runs: bool
) -> None:
    job.event_name, job.source = name, source or ""
    if source is None:
        monkeypatch.setattr(job, "event", lambda: {"repository": {"full_name": "team/bot"}})
    base = job.pull.git("rev-parse", "origin/main")
    _, runner = job.run("refs/heads/feature", depth=None, base=base, allow_code="true", reruns="2")
    data = json.loads((Path(runner.outputs["review"]["folder"]) / "review.json").read_text())
    assert ("--allow-code" in data["reproduce"]) is runs
    assert "--reruns 2" in data["reproduce"]


def test_no_code_runs_unless_it_is_allowed(job: Job) -> None:
    _, runner = job.run()
    data = json.loads((Path(runner.outputs["review"]["folder"]) / "review.json").read_text())
    assert "--allow-code" not in data["reproduce"]


@pytest.mark.parametrize("allow_code", ["false", "true"])
def test_without_code_the_rest_is_checked_and_the_comment_says_what_was_not(
    job: Job, tmp_path: Path, allow_code: str
) -> None:
    mark = tmp_path / "it-ran"
    job.source = "stranger/bot"
    code = {"type": "python", "value": "checks.py:ok"}
    job.pull.write("datasets/checks.py", f"open({str(mark)!r}, 'w').close()\ndef ok(*_): return True\n")
    job.pull.dataset(*(case(number) | {"assert": [code, {"type": "equals"}]} for number in range(12)))
    job.pull.commit("Bring code")
    job.open()
    exit_code, runner = job.run(allow_code=allow_code)
    assert exit_code == CHECK_FAILED, runner.words
    (comment,) = job.github.comments
    assert "12 assertions that run code were not checked" in comment["body"]
    assert not mark.exists()


def test_a_base_that_cannot_be_fetched_is_explained_in_the_comment(job: Job) -> None:
    job.keys["GIT_ALLOW_PROTOCOL"] = "https"  # the remote is on disk: from here on it is out of reach
    code, runner = job.run()
    assert code == WORKSPACE, runner.words
    assert "bring it here" in job.github.comments[0]["body"]


def test_each_workspace_keeps_its_own_comment(job: Job) -> None:
    second_workspace(job)
    job.pull.write("apps/bot/prompts/hello.prompt.yaml", "messages:\n  - {role: user, content: Hello}\n")
    job.pull.commit("A prompt there")
    job.open()
    job.run()
    code, runner = job.run(working_directory="apps/bot")
    assert code == OK, runner.words
    assert [("`triage`" in each["body"], "`hello`" in each["body"]) for each in job.github.comments] == [
        (True, False),
        (False, True),
    ]
