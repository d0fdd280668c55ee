"""What every test gets: an own home, no keys, no Git configuration but ours, and no way to a foreign host."""

from __future__ import annotations

import gc
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from _pytest.runner import runtestprotocol

from promptctl.errors import WorkspaceError
from promptctl.files.writing import temporary_folder
from tests.browser import browser as browser
from tests.warm_command import warm_command as warm_command
from tests.warm_command import warm_pytest as warm_pytest
from tests.warm_command import warm_session as warm_session
from tests.webhook import _webhook as _webhook
from tests.webhook import hook as hook

# The same code passes or fails alike at each run, however busy the machine is.
# `--hypothesis-profile=default` looks for new examples.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("repeatable")

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")
RUNNERS = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "TEAMCITY_VERSION")
SETTINGS = ("GIT_", "XDG_", "LITELLM", "OTEL_", "PROMPTCTL_", "TRACE")
_numbers = itertools.count()
MEMORY = "/dev/shm"
ROOM = 4 << 30  # the tests fill a quarter of it
SECRET_NAMES = ("_API_KEY", "_TOKEN", "_SECRET", "_BASE_URL", "_API_BASE")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let processes that share the tests write into memory: it takes them a tenth less time of the processor.

    Only where enough of it is to spare, and programs run from there. The next run removes what a killed one left.
    """
    if sys.platform != "linux" or config.option.basetemp or not getattr(config.option, "numprocesses", None):
        return
    with suppress(OSError, WorkspaceError):
        if _spare_memory() > ROOM and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
            opened = ExitStack()
            folder = opened.enter_context(temporary_folder("suite", Path(MEMORY)))
            config.add_cleanup(opened.close)
            made = config.option.basetemp = str(folder / "t")  # pytest makes it anew: `folder` is what is locked
            opened.callback(lambda: subprocess.run(["rm", "-rf", made], check=False))


def _spare_memory() -> int:
    """Number of bytes that the file system, the machine and the container can all spare."""
    found = os.statvfs(MEMORY)
    told = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    spare = [found.f_bavail * found.f_frsize, int(told[1]) << 10 if told else 0]
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # there is no such file, or no limit
            most, taken = (int(Path("/sys/fs/cgroup", name).read_text()) for name in (limit, used))
            spare.append(most - taken)
    return min(spare)


def pytest_collection() -> None:
    """Keep the garbage collector out: next to nothing goes while tests are collected."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what was collected: thousands of tests, which stay to the end."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # as for the command
    gc.enable()


if "PYTEST_XDIST_WORKER" in os.environ:

    def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Send one report on a test, and those of fixtures that failed: five messages cost as much as a small test."""
        for report in runtestprotocol(item, log=False, nextitem=nextitem):
            if report.when == "call" or not report.passed:
                item.ihook.pytest_runtest_logreport(report=report)
        return True


@pytest.fixture(scope="session")
def git_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `git init` begins with: no sample of a hook, which each copy of a repository would have to copy as well."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "hooks").mkdir()
    (folder / "info").mkdir()
    return folder


@pytest.fixture(scope="session", autouse=True)
def _isolated_session(tmp_path_factory: pytest.TempPathFactory, git_template: Path) -> Iterator[None]:
    """HOME, Git identity and Git configuration are the suite's own; no key of the machine's and no runner is seen."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test Author\n\temail = author@example.com\n"
        f"[init]\n\tdefaultBranch = main\n\ttemplateDir = {git_template}\n"
        '[protocol "file"]\n\tallow = always\n[maintenance]\n\tauto = false\n'
    )
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        is_setting = name.startswith(SETTINGS) and name != "PROMPTCTL_WILD"
        if is_setting or name.endswith(SECRET_NAMES) or name in RUNNERS:
            patch.delenv(name)
    patch.setenv("HOME", str(home))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.setenv("GIT_TERMINAL_PROMPT", "0")
    patch.setenv("NO_COLOR", "1")
    patch.setenv("LC_ALL", "C.UTF-8")
    patch.setenv("TZ", "UTC")
    time.tzset()
    patch.delenv("COLUMNS", raising=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite that runs in the background would ignore it
    # What mypy knows of promptctl takes it most of its time: it is shared, and kept for the next run.
    patch.setenv("MYPY_CACHE_DIR", str(Path(__file__).parents[1] / ".mypy_cache/tests"))
    yield
    patch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def _no_foreign_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that connects anywhere but to this machine fails."""
    connect = socket.socket.connect
    connect_ex = socket.socket.connect_ex

    def refuse_foreign(address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test tried to connect to {address[0]!r}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        refuse_foreign(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        refuse_foreign(address)
        return connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As pytest's own, which lists the folders of all tests before to find the next number."""
    name = re.sub(r"\W", "_", request.node.name)[:20]  # sessions of pages show it, in 100 columns
    folder = tmp_path_factory.getbasetemp() / f"{name}{next(_numbers)}"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run in an empty folder of their own, so that none can lean on the checkout."""
    monkeypatch.chdir(tmp_path)
