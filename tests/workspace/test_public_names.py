"""The names that `import promptctl` gives, each imported on first use."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import promptctl
from promptctl import errors


def test_type_checkers_know_the_same_names() -> None:
    tree = ast.parse(Path(promptctl.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    names = [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(["__version__", *filter(None, names)]) == dir(promptctl)


@pytest.mark.parametrize("name", promptctl.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(promptctl, name) is not None
    assert name in dir(promptctl)


def test_every_error_is_public() -> None:
    found = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert found <= set(promptctl.__all__)


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
