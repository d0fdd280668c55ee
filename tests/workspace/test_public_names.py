"""The names that `import promptctl` gives, each imported on first use."""

from __future__ import annotations

import ast
import copy
import pickle
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import promptctl
from promptctl import errors
from tests.cli.conftest import write


def test_type_checkers_know_the_same_names() -> None:
    tree = ast.parse(Path(promptctl.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    names = [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(["__version__", *filter(None, names)]) == sorted(promptctl.__all__)


@pytest.mark.parametrize("name", promptctl.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(promptctl, name) is not None
    assert name in dir(promptctl)


def test_every_error_is_public() -> None:
    found = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert found <= set(promptctl.__all__)


def _each(error: type[errors.PromptctlError]) -> list[type[errors.PromptctlError]]:
    return [error, *(below for each in error.__subclasses__() for below in _each(each))]


@pytest.mark.parametrize("kind", _each(errors.PromptctlError))
def test_every_error_can_be_pickled_and_copied(kind: type[errors.PromptctlError]) -> None:
    place = errors.Place("a.yaml", 1)
    if kind is errors.InvalidFiles:
        error: errors.PromptctlError = errors.InvalidFiles([errors.Problem("broken", place, "mend it")])
    elif kind is errors.LogFailure:
        error = errors.LogFailure("broken", reason="full")
    else:
        error = kind("broken", place=place, hint="mend it")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(twin), str(twin), twin.args, vars(twin)) == (kind, str(error), error.args, vars(error))


def test_what_every_module_has_is_there_too() -> None:
    assert {"errors", "__doc__", "__file__", "__path__"} <= set(dir(promptctl))


def test_the_package_can_be_imported_from_a_zip(tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", Path(promptctl.__file__).parents[1], "promptctl")
    code = "import promptctl; print(promptctl.__file__, promptctl.InputError.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": packed},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(Path(packed, "promptctl", "__init__.py")), "InputError"]


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        promptctl.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_the_errors_are_a_module_too() -> None:
    program = "import promptctl; print(promptctl.errors.InputError is promptctl.InputError)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert import_module("promptctl").errors is errors


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    program = "import sys, promptctl; print(sorted(name for name in sys.modules if name.startswith('promptctl')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['promptctl']\n"


def test_a_workspace_says_that_it_cannot_be_sent_to_a_different_process(tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    with promptctl.open_workspace(tmp_path) as opened:
        with pytest.raises(errors.UsageError, match="cannot be sent to a different process") as caught:
            pickle.dumps(opened)
        assert "open one in each process" in str(caught.value.hint)
        execution = opened.call([{"role": "user", "content": "Hi"}])
    assert pickle.loads(pickle.dumps(execution)) == execution
