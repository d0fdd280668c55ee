"""A plugin of pytest: with `pytest --promptctl`, each case of a dataset is a test; and a server for tests of programs.

Nothing of promptctl is imported without that option or the fixture: pytest loads the plugin wherever the package is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from promptctl import CaseResults, Workspace
    from promptctl.errors import PromptctlError

_WORKSPACES = pytest.StashKey[dict[Path, "Workspace"]]()
_SUFFIXES = frozenset({".yaml", ".yml"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("promptctl", "cases of prompts as tests")
    group.addoption("--promptctl", action="store_true", help="Run each case of each dataset as a test.")
    group.addoption("--promptctl-model", metavar="MODEL", help="Ask this model instead of the prompts' own.")
    group.addoption(
        "--promptctl-replies",
        choices=("ask", "cache", "record", "refresh", "replay"),
        default="cache",
        help="The source of replies, as `promptctl eval --replies` takes it; replay asks no model.",
    )
    group.addoption("--promptctl-allow-code", action="store_true", help="Run `python:` assertions too.")
    group.addoption(
        "--promptctl-leave-out-code", action="store_true", help="Check everything but `python:` assertions."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Keep the workspaces that are opened while files are collected."""
    if config.getoption("promptctl_allow_code") and config.getoption("promptctl_leave_out_code"):
        raise pytest.UsageError("--promptctl-allow-code and --promptctl-leave-out-code cannot be given together")
    config.stash[_WORKSPACES] = {}


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close them."""
    for workspace in config.stash.get(_WORKSPACES, {}).values():
        workspace.close()


@pytest.fixture(scope="session")
def promptctl_server(pytestconfig: pytest.Config) -> Iterator[str]:
    """The base URL of a server that answers the chat-completions protocol from the workspace's recordings.

    `OPENAI_BASE_URL` is that meanwhile. With `--promptctl-replies=record` what is not recorded is asked for, and with
    `refresh` everything once more; `--promptctl-model` answers in the place of any model.
    """
    from promptctl.loopback.sockets import listen
    from promptctl.serving.repliers import RecordReplier, ReplayReplier, Replier
    from promptctl.serving.server import serving_beside

    context = _workspace_of(pytestconfig, pytestconfig.rootpath / "conftest.py").context
    replies, model = pytestconfig.getoption("promptctl_replies"), pytestconfig.getoption("promptctl_model")
    replier: Replier = ReplayReplier(context, model)
    if replies in ("record", "refresh"):
        replier = RecordReplier(context, "served", model, is_refreshed=replies == "refresh")
    with serving_beside(listen(0), replier, lambda _: None) as url, pytest.MonkeyPatch.context() as patched:
        patched.setenv("OPENAI_BASE_URL", url)
        yield url


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a dataset of a workspace."""
    if not parent.config.getoption("promptctl") or file_path.suffix not in _SUFFIXES:
        return None
    if "datasets" not in file_path.parts:
        return None
    from promptctl import errors

    try:
        workspace = _workspace_of(parent.config, file_path)
        path = file_path.relative_to(workspace.root).as_posix()
        if path not in workspace.datasets.paths():
            return None
    except errors.WorkspaceNotFound:
        return None
    except errors.PromptctlError as error:
        raise parent.CollectError(_in_words(error)) from None
    dataset: _DatasetFile = _DatasetFile.from_parent(parent, path=file_path)
    dataset.workspace, dataset.dataset, dataset.results, dataset.ended = workspace, path, {}, {}
    return dataset


def _workspace_of(config: pytest.Config, file: Path) -> Workspace:
    from promptctl.workspace import find_root, open_workspace

    opened, root = config.stash[_WORKSPACES], find_root(file.parent)
    if root not in opened:
        opened[root] = open_workspace(root, refresh_s=0)  # a test may change anything
    return opened[root]


class _DatasetFile(pytest.File):
    """A dataset: its cases, for each prompt that it tests. `ended` says of a prompt why its other cases were not run."""

    workspace: Workspace
    dataset: str
    results: dict[tuple[str, str], CaseResults]
    ended: dict[str, PromptctlError]

    def collect(self) -> Iterator[pytest.Item]:
        from promptctl.errors import PromptctlError

        try:
            leaves_out_code = self.config.getoption("promptctl_leave_out_code")
            found = self.workspace.datasets.cases(self.dataset, leaves_out_code=leaves_out_code)
        except PromptctlError as error:
            raise self.CollectError(_in_words(error)) from None
        for prompt in found.header.prompts:
            for case in found.cases:
                name = case.id if len(found.header.prompts) == 1 else f"{prompt}::{case.id}"
                item: _CaseItem = _CaseItem.from_parent(self, name=name)
                item.prompt, item.case_id = prompt, case.id
                yield item


class _CaseItem(pytest.Item):
    """A case of one prompt. The first that runs evaluates all that were selected with it, many at once."""

    prompt: str
    case_id: str
    parent: _DatasetFile

    def runtest(self) -> None:
        from promptctl.errors import PromptctlError

        results, ended = self.parent.results, self.parent.ended
        if (self.prompt, self.case_id) not in results and self.prompt not in ended:
            try:
                self._evaluate()
            except PromptctlError as error:
                ended[self.prompt] = error
        found = results.get((self.prompt, self.case_id))
        if found is None:
            raise ended[self.prompt]
        if found.is_expected:
            pytest.xfail(found.decisive.detail.reason)
        if found.outcome.status != "passed":
            raise _CaseFailed(found)

    def _evaluate(self) -> None:
        """Evaluate the prompt over this case and the others of it that were selected; a worker of several its own."""
        from promptctl import EvaluationRequest, Selection
        from promptctl.errors import PromptctlError
        from promptctl.reports.rows import STOPPED

        ids = {self.case_id}
        if not hasattr(self.config, "workerinput"):
            ids |= {each.case_id for each in self.session.items if self._is_like(each)}  # type: ignore[attr-defined]
        model = self.config.getoption("promptctl_model")
        request = EvaluationRequest(
            refs=[self.prompt],
            datasets=[self.parent.dataset],
            models=[model] if model else [],
            selection=Selection(ids=frozenset(ids)),
            replies=self.config.getoption("promptctl_replies"),
            allows_code=self.config.getoption("promptctl_allow_code"),
            leaves_out_code=self.config.getoption("promptctl_leave_out_code"),
        )
        for evaluation in self.parent.workspace.evaluate(request):
            said = ""
            for found in self.parent.workspace.results.cases(evaluation.row.id):
                self.parent.results[self.prompt, found.outcome.case_id] = found
                said = found.decisive.error_message or said
            if evaluation.stopped == "interrupted":
                raise KeyboardInterrupt  # pytest ends, and says so
            if evaluation.stopped:
                why = STOPPED[evaluation.stopped] + (f": {said}" if said else "")
                self.parent.ended[self.prompt] = PromptctlError(f"not run: {why}")

    def _is_like(self, other: Any) -> bool:
        return isinstance(other, _CaseItem) and other.parent is self.parent and other.prompt == self.prompt

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return why the case did not pass, as `promptctl eval` says it; an error of ours with its hint."""
        from promptctl.cli.evaluation_output import failure_lines
        from promptctl.errors import PromptctlError

        if isinstance(excinfo.value, _CaseFailed):
            return _printable("\n".join(failure_lines(excinfo.value.found, sys.stdout)).strip("\n"))
        if isinstance(excinfo.value, PromptctlError):
            return _in_words(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self.prompt}: {self.case_id}"


def _in_words(error: PromptctlError) -> str:
    """Return what is wrong, where, and what to do next; of files all that is."""
    from promptctl.cli.output import brief

    problems = getattr(error, "problems", None) or [error]
    lines = [(f"{each.place}: {each.message}" if each.place else each.message, each.hint) for each in problems]
    told = [f"{brief(what)}\n  hint: {brief(hint)}" if hint else brief(what) for what, hint in lines]
    return _printable("\n".join(told))


def _printable(words: str) -> str:
    """Return the words as pytest may print them: they command neither a terminal nor a CI's runner."""
    from promptctl.cli.output import is_in_runner, uncommanded, writable

    safe = writable(words, sys.stderr)
    return uncommanded(safe) if is_in_runner() else safe


class _CaseFailed(Exception):
    """A case that did not pass."""

    def __init__(self, found: CaseResults) -> None:
        super().__init__(found.outcome.case_id)
        self.found = found
