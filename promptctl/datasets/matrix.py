"""Matrix inputs: one case as many, one for each combination of the values that some of its inputs take."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MAX_CELLS = 10_000
_LONGEST_LABEL = 40
_LONGEST_ENDING = 1000


class InvalidMatrix(ValueError):
    """A matrix that cannot be unfolded; `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def unfold(matrix: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each combination's ending for the case's id, and its inputs; the last input turns fastest.

    A value that is short text, a number, true, false or null names itself in the id, any other its place in the list.
    Raises `InvalidMatrix`.

    >>> list(unfold({"tone": ["kind", "formal"]}))
    [('[tone=kind]', {'tone': 'kind'}), ('[tone=formal]', {'tone': 'formal'})]
    """
    count = math.prod(len(values) for values in matrix.values())
    if count > MAX_CELLS:
        raise InvalidMatrix(
            f"the matrix makes {count:,} cases of one; at most {MAX_CELLS:,} are made", "leave out some values"
        )
    labels = {name: _labels(name, values) for name, values in matrix.items()}
    longest = sum(len(name) + max(map(len, each)) + 2 for name, each in labels.items())
    if longest > _LONGEST_ENDING:
        raise InvalidMatrix(
            f"the matrix adds up to {longest:,} characters to an id; at most {_LONGEST_ENDING:,} are added",
            "vary fewer inputs at once",
        )
    named = [
        [(name, label, value) for label, value in zip(labels[name], values, strict=True)]
        for name, values in matrix.items()
    ]
    for cells in itertools.product(*named):
        ending = ",".join(f"{name}={label}" for name, label, _ in cells)
        yield f"[{ending}]", {name: value for name, _, value in cells}


def _labels(name: str, values: Sequence[Any]) -> list[str]:
    labels = [_label(index, value) for index, value in enumerate(values, 1)]
    if len(set(labels)) < len(labels):
        twice = Counter(labels).most_common(1)[0][0]
        raise InvalidMatrix(f"the matrix gives {name} the value {twice} twice", "remove one of them")
    return labels


def _label(index: int, value: Any) -> str:
    if isinstance(value, (dict, list)):
        return f"#{index}"
    text = value if isinstance(value, str) else json.dumps(value)
    is_plain = 0 < len(text) <= _LONGEST_LABEL and text.isprintable() and not set(text) & set("[],=#")
    return text if is_plain else f"#{index}"
