"""The part of a parsed reply that an assertion looks at: JSONPath (RFC 9535)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from promptctl.assertions.effort import Effort
from promptctl.assertions.outcome import Ungraded, Unmet, shown
from promptctl.assertions.shapes import compile_pattern

_STEP = re.compile(r"""\.([A-Za-z_]\w*)|\[(\d{1,9})\]|\['([^'\\]*)'\]|\["([^"\\]*)"\]""")
# Each further `..` multiplies the nodes walked by the size of the reply.
_MOST_DESCENTS = 2
_LONGEST = 1000

# Finds a part of the parsed reply, at the cost of the case's effort.
Find = Callable[[Any, Effort], Any]


class InvalidPath(ValueError):
    """A path that is not JSONPath; the message says why."""


@lru_cache(maxsize=256)
def compile_path(text: str) -> Find:
    """Return a function from a parsed reply to the part that the path names.

    A path to one place gives the value there; one with `*`, `..`, a slice or a filter gives the list of values. The
    function raises `Unmet` if there is nothing at that path. Raises `InvalidPath`.
    """
    if len(text) > _LONGEST:
        raise InvalidPath(f"it has more than {_LONGEST:,} characters")
    steps = plain_steps(text)
    return _walk(text, steps) if steps is not None else _query(text)


def plain_steps(text: str) -> list[str | int] | None:
    """Return the keys and indexes of a path such as `$.items[0].name`; None if it is not that simple.

    Most paths are, and walking them costs a fifth of the library's time and none of its import.
    """
    if not text.startswith("$"):
        return None
    steps: list[str | int] = []
    position = 1
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            return None
        position = step.end()
        steps.append(int(step[2]) if step.lastindex == 2 else step[step.lastindex or 1])
    return steps


def _walk(text: str, steps: list[str | int]) -> Find:
    def find(data: Any, _: Effort) -> Any:
        node = data
        for step in steps:
            if isinstance(step, str):
                if not isinstance(node, dict) or step not in node:
                    raise _nothing(text, data)
            elif not isinstance(node, list) or step >= len(node):
                raise _nothing(text, data)
            node = node[step]
        return node

    return find


def _query(text: str) -> Find:
    from jsonpath import JSONPathError

    if text.count("..") > _MOST_DESCENTS:
        raise InvalidPath(f"more than {_MOST_DESCENTS} `..` in one path")
    environment, counted, running = _counting()
    try:
        query = counted(environment.compile(text))
    except (JSONPathError, RecursionError) as error:
        first = str(error).partition("\n")[0] or "nested too deeply"
        hint = "" if text.startswith("$") else "; a path starts with `$`"
        raise InvalidPath(first + hint) from error
    except (ValueError, OverflowError) as error:  # which the library lets through
        raise InvalidPath("it has a number that is none, or is too large") from error
    is_singular = query.singular_query()

    def find(data: Any, effort: Effort) -> Any:
        # The library would read a text as JSON a second time.
        try:
            running.effort = effort
            found = query.findall(data) if isinstance(data, (dict, list)) else []
        except (JSONPathError, RecursionError) as error:
            raise Ungraded(f"the path {text} cannot be followed: {str(error).partition(chr(10))[0]}") from error
        if not found:
            raise _nothing(text, data)
        return found[0] if is_singular else found

    return find


def _nothing(text: str, data: Any) -> Unmet:
    return Unmet(f"the reply has nothing at {text}: {shown(data)}", data)


@lru_cache(maxsize=1)
def _counting() -> tuple[Any, Any, threading.local]:
    """Return the environment of RFC 9535 to the letter, its queries' class, and where both find the effort to count in.

    Each value that a query finds or a filter looks at is counted. Patterns are RE2's, so that none can hang.
    """
    from jsonpath import JSONPathEnvironment

    running = threading.local()

    class Environment(JSONPathEnvironment):
        def is_truthy(self, obj: object) -> bool:
            running.effort.step()
            return super().is_truthy(obj)

    environment, pattern = Environment(strict=True), _pattern_class(running)
    environment.function_extensions["match"] = pattern(is_whole=True)
    environment.function_extensions["search"] = pattern(is_whole=False)
    return environment, _query_class(running), running


def _query_class(running: threading.local) -> Any:
    from jsonpath import JSONPath, JSONPathMatch
    from jsonpath.filter import FilterQuery, walk
    from jsonpath.selectors import Filter

    class Node(JSONPathMatch):
        """A value found, without the library's list of its children and its path, which grow with the keys."""

        def new_child(self, obj: object, key: int | str) -> Node:  # noqa: ARG002
            running.effort.step()
            return Node(filter_context={}, obj=obj, parent=None, path="", parts=(), root=self.root)

        def add_child(self, *children: JSONPathMatch) -> None:
            """Keep none: nobody asks for them."""

    class Query(JSONPath):
        def __init__(self, path: JSONPath) -> None:
            super().__init__(env=path.env, segments=path.segments)
            filters = [each for segment in self.segments for each in segment.selectors if isinstance(each, Filter)]
            for each in (found for own in filters for found in walk(own.expression)):
                if isinstance(each, FilterQuery):
                    each.path = Query(each.path)

        def finditer(self, data: Any, **_: Any) -> Iterable[JSONPathMatch]:
            nodes: Iterable[JSONPathMatch]
            nodes = [Node(filter_context={}, obj=data, parent=None, path="", parts=(), root=data)]
            for segment in self.segments:
                nodes = segment.resolve(nodes)
            return nodes

    return Query


def _pattern_class(running: threading.local) -> Any:
    from jsonpath.function_extensions import ExpressionType, FilterFunction

    class Pattern(FilterFunction):
        arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 (the library's own attribute)
        return_type = ExpressionType.LOGICAL

        def __init__(self, *, is_whole: bool) -> None:
            self._is_whole = is_whole

        def __call__(self, value: object, pattern: object) -> bool:
            if not isinstance(value, str) or not isinstance(pattern, str):
                return False
            try:
                expression = compile_pattern(pattern)
            except ValueError as error:
                raise Ungraded(f"the pattern {shown(pattern)} in the path {error}") from error
            running.effort.afford_search(expression, value)
            text = value.encode("utf-8", "replace").decode()  # a reply may be cut within a character
            return (expression.fullmatch if self._is_whole else expression.search)(text) is not None

    return Pattern
