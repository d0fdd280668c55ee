"""Assertions written in Python: `python`, run only if the user passed `--allow-code`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from promptctl.assertions.assertion import Assertion, Subject
from promptctl.assertions.outcome import EarlyOutcome, Outcome, Ungraded, decided, shown
from promptctl.assertions.shapes import is_share
from promptctl.files.names import DATASETS, resolve_path
from promptctl.files.tree import Tree
from promptctl.prompts.prompt import MISSING

PASS_SCORE = 0.5

Function = Callable[..., Any]


def python(subject: Subject, assertion: Assertion) -> Outcome:
    """The function that the value names accepts the reply.

    It is called with the reply's text (or the value at `path`) and a mapping of `inputs`, `expected` (None if there
    is none), `tool_calls`, `latency_ms`, `cost_nano_usd` and `finish_reason`. It gives true or false, a score from 0 to
    1 (which passes from `threshold` on, 0.5 by default), or `{pass, score, reason}`. What it raises is an error.
    """
    function: Function = assertion.ready
    part = assertion.part(subject)
    try:
        # What it gives may fail too, as soon as it is looked at.
        return _read(function(part, _call_context(subject)), function.__name__, assertion, part)
    except EarlyOutcome:
        raise
    except (Exception, SystemExit) as error:
        raise Ungraded(f"{function.__name__} raised {type(error).__name__}: {error}", got=part) from error


def _call_context(subject: Subject) -> dict[str, Any]:
    return {
        "inputs": dict(subject.inputs),
        "expected": None if subject.expected is MISSING else subject.expected,
        "tool_calls": list(subject.tool_calls),
        "latency_ms": subject.latency_ms,
        "cost_nano_usd": subject.cost_nano_usd,
        "finish_reason": subject.finish_reason,
    }


def _read(given: Any, name: str, assertion: Assertion, part: Any) -> Outcome:
    """Return the function's verdict, read strictly: None, or a text that happens to be true, is no verdict."""
    if isinstance(given, bool):
        return decided(given, f"{name} says {'pass' if given else 'fail'}", got=part)
    if isinstance(given, Mapping):
        passed, score, reason = given.get("pass"), given.get("score"), str(given.get("reason", ""))
        if isinstance(passed, bool) and (score is None or is_share(score)):
            return decided(passed, reason or f"{name} says {'pass' if passed else 'fail'}", got=part, score=score)
    elif is_share(given):
        limit = assertion.options.get("threshold", PASS_SCORE)
        return decided(given >= limit, f"{name} scores {given:.3g}, {limit:g} wanted", got=part, score=float(given))
    raise Ungraded(
        f"{name} gave {shown(given)}; it must give true, false, a number from 0 to 1, or {{pass, score, reason}}",
        got=part,
    )


def find_function(reference: Any, tree: Tree, dataset_path: str, *, is_run: bool) -> tuple[Function, str]:
    """Return the function that `file.py:function` names below `datasets/`, and its file's SHA-256.

    With `is_run` the file is run; otherwise only something that stands for the function is returned. Raises
    `ValueError`, ending a sentence that begins with the name of the key.
    """
    path, name, source = _located(reference, tree, dataset_path)
    digest = hashlib.sha256(source).hexdigest()
    if not is_run:

        def not_loaded(*_: Any) -> Any:
            raise Ungraded(f"{path}:{name} was not loaded: code runs only with --allow-code")

        return not_loaded, digest
    namespace: dict[str, Any] = {"__name__": path.removesuffix(".py").replace("/", "."), "__file__": path}
    try:
        exec(compile(source, path, "exec"), namespace)  # noqa: S102 (the flag is the user's leave to run it)
    except (Exception, SystemExit) as error:
        raise ValueError(f"names {path}, which fails: {type(error).__name__}: {error}") from error
    function = namespace.get(name)
    if not callable(function):
        raise ValueError(f"names {name}, which {path} does not define")
    return function, digest


def _located(reference: Any, tree: Tree, dataset_path: str) -> tuple[str, str, bytes]:
    """Return the file that a reference names, the function in it, and the file's bytes."""
    file, separator, name = reference.rpartition(":") if isinstance(reference, str) else ("", "", "")
    if not separator or not file.endswith(".py") or not name.isidentifier():
        raise ValueError(f"must name a function as file.py:function, not {shown(reference)}")
    try:
        path = resolve_path(file, dataset_path, DATASETS)
        return path, name, tree.read(path)
    except FileNotFoundError:
        raise ValueError(f"names {path}, which does not exist") from None
