from __future__ import annotations

from promptctl.datasets.ids import IdTable


def test_an_id_is_new_once() -> None:
    ids = IdTable()
    assert all(ids.add(f"case-{n}") for n in range(20_000))
    assert not any(ids.add(f"case-{n}") for n in range(20_000))
    assert len(ids) == 20_000
    assert "case-7" in ids
    assert "case-20000" not in ids
