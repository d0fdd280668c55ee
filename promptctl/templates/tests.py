"""Tests of a template: Jinja's own, without those that ask about Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import tests as jinja_tests
from jinja2.utils import pass_context

from promptctl.templates.values import RenderContext, number

Test = Callable[..., bool]

_JINJA: dict[str, Any] = dict(jinja_tests.TESTS)


def _of_numbers(test: Test) -> Test:
    def call(context: RenderContext, *numbers: Any) -> bool:
        for each in numbers:
            number(context.budget, each)
        return test(*numbers)

    return pass_context(call)


def _timed(test: Test) -> Test:
    def call(context: RenderContext, value: Any, *args: Any) -> bool:
        passed = test(value, *args)
        context.budget.tick()
        return passed

    return pass_context(call)


def _of_text(test: Test) -> Test:
    return lambda value: isinstance(value, str) and test(value)


_OF_PYTHON = ("callable", "escaped", "filter", "test")

TESTS: dict[str, Test] = {name: test for name, test in _JINJA.items() if name not in _OF_PYTHON}
# Jinja's `odd` fills in a text's conversions: `'%1000000000d' is odd`.
TESTS |= {name: _of_numbers(TESTS[name]) for name in ("divisibleby", "even", "odd")}
# Jinja's would print any other value: a namespace that holds others twice, and so on, takes all memory.
TESTS |= {name: _of_text(TESTS[name]) for name in ("lower", "upper")}
# Their time grows with what they are given.
TESTS |= {name: _timed(test) for name, test in TESTS.items() if name == "in" or test.__module__ == "_operator"}
