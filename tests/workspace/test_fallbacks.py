"""`timeout` and `fallbacks` of one call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptctl import Execution, Workspace, open_workspace
from promptctl.errors import (
    AuthenticationFailed,
    ModelConfigurationError,
    ModelError,
    ModelTimeout,
    ProviderUnreachable,
    UsageError,
)
from tests.openai_server import OpenAIServer, cut_stream, failure, hang, refused_url, reply

PROMPT = 'model: near/a\nmessages: [{role: user, content: "hello"}]\n'
RULES = (
    'models:\n  "near/*": {{api_base: "{url}", max_attempts: 1}}\n  "gone/*": {{api_base: "{gone}", max_attempts: 1}}\n'
)


@pytest.fixture
def workspace(running: OpenAIServer, tmp_path: Path) -> Iterator[Workspace]:
    running.reset()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/p.prompt.yaml").write_text(PROMPT)
    with refused_url() as gone:
        (tmp_path / "promptctl.yaml").write_text(RULES.format(url=running.url, gone=gone))
        with open_workspace(tmp_path, {}) as opened:
            yield opened


def last_of(workspace: Workspace, is_streamed: bool, **options: Any) -> Execution:
    if not is_streamed:
        return workspace.run("p", **options)
    *_, last = workspace.stream("p", **options)
    assert isinstance(last, Execution)
    return last


@pytest.mark.parametrize("is_streamed", [False, True])
def test_the_next_model_is_asked_if_a_provider_failed(
    workspace: Workspace, running: OpenAIServer, is_streamed: bool
) -> None:
    running.script(failure(500), reply("hi"))
    said: list[str] = []
    found = last_of(workspace, is_streamed, fallbacks=["gone/b", "near/c", "near/d"], on_retry=said.append)
    assert (found.reply, found.model, found.status) == ("hi", "near/c", "ok")
    assert [request.body["model"] for request in running.requests] == ["a", "c"]
    assert [line.partition(":")[0] for line in said] == ["asking gone/b instead", "asking near/c instead"]


@pytest.mark.parametrize("is_streamed", [False, True])
def test_without_a_failure_only_the_first_is_asked(
    workspace: Workspace, running: OpenAIServer, is_streamed: bool
) -> None:
    assert last_of(workspace, is_streamed, fallbacks=["near/b"]).model == "near/a"
    assert len(running.requests) == 1


def test_the_last_ones_failure_is_raised(workspace: Workspace, running: OpenAIServer) -> None:
    running.script(failure(401))
    with pytest.raises(ProviderUnreachable) as caught:
        workspace.run("p", fallbacks=["gone/b"])
    assert caught.value.execution.model == "gone/b"
    running.script(failure(401))
    with pytest.raises(AuthenticationFailed):
        workspace.run("p", fallbacks=[])


def test_a_stream_that_has_begun_is_not_begun_anew(workspace: Workspace, running: OpenAIServer) -> None:
    running.script(cut_stream("hel"))
    with pytest.raises(ModelError):
        list(workspace.stream("p", fallbacks=["near/b"]))
    assert len(running.requests) == 1


def test_a_wrong_fallback_is_found_before_anything_is_sent(workspace: Workspace, running: OpenAIServer) -> None:
    with pytest.raises(ModelConfigurationError, match="opnai"):
        workspace.run("p", fallbacks=["opnai/gpt-4o"])
    with pytest.raises(UsageError, match="a list of models"):
        workspace.run("p", fallbacks="near/b")
    assert running.requests == []


def test_a_calls_own_timeout_wins(workspace: Workspace, running: OpenAIServer) -> None:
    running.script(hang())
    with pytest.raises(ModelTimeout, match=r"within 0\.2 s"):
        workspace.run("p", timeout=0.2)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), "5"])
def test_a_timeout_that_is_none_is_refused(workspace: Workspace, running: OpenAIServer, timeout: Any) -> None:
    with pytest.raises(UsageError, match="a number of seconds above 0"):
        workspace.run("p", timeout=timeout)
    assert running.requests == []
