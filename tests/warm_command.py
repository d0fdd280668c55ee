"""`promptctl`, `pytest` and `python` as commands that start warm, for tests that run them in a shell again and again.

A third of a second of each start goes into importing. Here a server imports everything once, and forks a child for each
command: a process of its own, with the caller's streams, folder and environment. That the real command starts is held
by tests/test_wheel.py, tests/cli/ and the README's session.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import pkgutil
import random
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

CLIENT = """\
#!{python} -IS
import os, sys
from _socket import AF_UNIX, SCM_RIGHTS, SHUT_WR, SOL_SOCKET, socket  # starts in half the time
server = socket(AF_UNIX)
server.connect({address!r})
words = [os.getcwdb(), b"%d" % len(sys.argv), *map(os.fsencode, sys.argv)]
words += [name + b"=" + value for name, value in os.environb.items()]
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
server.sendmsg([b"0"], [(SOL_SOCKET, SCM_RIGHTS, streams)])
server.sendall(b"\\0".join(words))
server.shutdown(SHUT_WR)
code = server.recv(8)
os._exit(int(code) if code else 70)
"""


@pytest.fixture(scope="session")
def warm_command() -> Iterator[Path]:
    """The file of a `promptctl` that starts warm, alone in its folder."""
    with tempfile.TemporaryDirectory(prefix="warm-") as folder, socket.socket(socket.AF_UNIX) as listening:
        address = f"{folder}/socket"  # short, as the system wants it
        command = Path(folder, "bin/promptctl")
        command.parent.mkdir()
        command.write_text(CLIENT.format(python=sys.executable, address=address))
        command.chmod(0o755)
        listening.bind(address)
        listening.listen()
        number = listening.fileno()
        arguments = [sys.executable, "-m", __name__, str(number)]
        # It ends when its standard input does, so that it never outlives the tests.
        with subprocess.Popen(arguments, pass_fds=[number], cwd=Path(__file__).parents[1], stdin=subprocess.PIPE):
            yield command


@pytest.fixture(scope="session")
def warm_pytest(warm_command: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a `pytest` that starts warm, without the plugins of others."""
    return Path(shutil.copy(warm_command, tmp_path_factory.mktemp("warm") / "pytest"))


@pytest.fixture(scope="session")
def warm_session(warm_command: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a `promptctl` that starts warm, in a folder with a `python` that does so too."""
    folder = tmp_path_factory.mktemp("session")
    shutil.copy(warm_command, folder / "python")
    return Path(shutil.copy(warm_command, folder))


def _serve(listening: socket.socket) -> None:
    """Fork a child for each command, and one that waits for it and says how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
        asking, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(asking)
        asking.close()


def _answer(asking: socket.socket) -> None:
    _, streams, _, _ = socket.recv_fds(asking, 1, 3)
    words = b"".join(iter(lambda: asking.recv(1 << 16), b"")).split(b"\0")
    child = os.fork()
    if child == 0:
        asking.close()
        _become(streams, words)
    for stream in streams:
        os.close(stream)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(OSError):  # whoever asked was killed
        asking.sendall(b"%d" % (code if code >= 0 else 128 - code))
    os._exit(0)


def _become(streams: list[int], words: list[bytes]) -> None:
    """Be the command: its streams, folder, arguments and environment."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    folder, count, *rest = words
    os.chdir(folder)
    sys.argv = [os.fsdecode(word) for word in rest[: int(count)]]
    os.environb.clear()
    os.environb.update(dict(each.split(b"=", 1) for each in rest[int(count) :]))
    time.tzset()
    random.seed()
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        escaped, buffering = ("backslashreplace", 1) if name == "stderr" else ("surrogateescape", -1)
        file = open(number, mode, buffering, encoding="utf-8", errors=escaped, closefd=False)  # noqa: SIM115 - to the end
        setattr(sys, name, file)
        setattr(sys, f"__{name}__", file)
    match Path(sys.argv[0]).name:
        case "pytest":
            _end(pytest.main)
        case "python":
            _end(lambda: _interpret(sys.argv[1:]))
    main()


def _end(program: Callable[[], object]) -> NoReturn:
    """Run a program to its end, and end as Python does: but what the server has imported is not taken down again."""
    status: object = 1
    try:
        status = program()
    except SystemExit as end:
        status = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 0)


def _interpret(words: list[str]) -> None:
    """Run what `python [-W ACTION] (-c SOURCE | FILE)` runs. A module starts cold: pytest warns of what is loaded."""
    if words[0] == "-m":
        os.execv(sys.executable, [sys.executable, *words])
    if words[0] == "-W":
        warnings.simplefilter(words[1])  # type: ignore[arg-type]
        words = words[2:]
    if words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        sys.path.insert(0, "")
        sys.modules["__main__"] = program = ModuleType("__main__")
        exec(compile(words[1], "<string>", "exec"), vars(program))
    else:
        sys.argv = words
        sys.path.insert(0, os.path.dirname(os.path.abspath(words[0])))
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    sys.path.remove(os.getcwd())  # as for an installed command
    from _pytest.config import default_plugins

    import promptctl
    from promptctl.cli.main import main

    for found in pkgutil.walk_packages(promptctl.__path__, "promptctl."):
        if found.name not in ("promptctl.__main__", "promptctl.cli.pytest_plugin"):
            import_module(found.name)
    for name in default_plugins:
        import_module(f"_pytest.{name}")
    for name in ("aiohttp", "git", "jinja2.sandbox", "jsonschema", "openai", "rapidfuzz", "re2", "rich.table", "yaml"):
        import_module(name)
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
