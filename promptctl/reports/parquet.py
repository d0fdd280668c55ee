"""Calls of the log as a Parquet file. pyarrow comes with an extra, and is imported only here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from typing import Any

from promptctl.errors import UsageError
from promptctl.log.records import FIELD_OF, Execution

_ROWS = 10_000


def check_parquet() -> None:
    """Raise `UsageError` without pyarrow."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "writing Parquet needs pyarrow, which is not installed",
            hint="pip install 'promptctl-git[parquet]', or write .jsonl or .csv",
        ) from error


class _Parts:
    """A file that only grows, and hands out what was written to it."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Keep everything until it is taken."""

    def close(self) -> None:
        """Keep everything until it is taken."""

    def take(self) -> list[bytes]:
        taken, self._parts = self._parts, []
        return taken


def parquet(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[bytes]:
    """Yield the file in parts, a row group for each 10,000 rows; what is neither a text nor a number is JSON."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    types = {each.name: kinds.get(str(each.type).removesuffix(" | None"), pa.string()) for each in fields(Execution)}
    schema = pa.schema([(name, types.get(FIELD_OF.get(name, name), pa.string())) for name in columns])
    parts = _Parts()
    rows = iter(rows)
    with pq.ParquetWriter(pa.PythonFile(parts, mode="w"), schema) as writer:
        while group := [[_value(row.get(name)) for name in columns] for row in islice(rows, _ROWS)]:
            arrays = [
                pa.array(values, field.type) for values, field in zip(zip(*group, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.table(arrays, schema=schema))
            yield from parts.take()
    yield from parts.take()


def _value(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else value
