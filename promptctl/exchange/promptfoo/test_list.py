"""promptfoo's tests wherever they stand: in the config, in YAML, JSON, JSON Lines and CSV, and in scenarios."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from promptctl.datasets.expected_cells import read_expected_cell
from promptctl.datasets.matrix import MAX_CELLS
from promptctl.errors import InvalidFiles, Problem
from promptctl.exchange.drafts import Source
from promptctl.exchange.promptfoo.named_files import NEVER_READ, is_code, matching
from promptctl.exchange.promptfoo.spots import Spot

_EXPECTED = re.compile(r"__expected(\d*)")
_METADATA = re.compile(r"__metadata:(.+?)(\[\])?")
_CONFIG = re.compile(r"__config:__expected(\d*):(.+)")
_CODE_CELL = re.compile(r"\s*(?:javascript|fn|eval|python|ruby|webhook)\s*:|\s*file://")
_TYPED_CELL = re.compile(r"\s*(?:not-)?([a-z]+(?:-[a-z]+)*)(?:\([^)]*\))?:")
# promptfoo's types without a counterpart that a cell can name; any other word before a colon is text.
_NOT_HERE = frozenset(
    ("bleu", "classifier", "contains-html", "contains-sql", "contains-xml", "context-faithfulness", "context-recall",
     "context-relevance", "conversation-relevance", "gleu", "guardrails", "is-html", "is-sql", "is-xml", "max-score",
     "is-valid-function-call", "is-valid-openai-function-call", "is-valid-openai-tools-call", "meteor", "moderation",
     "perplexity", "perplexity-score", "pi", "rouge-n", "search-rubric", "select-best", "tool-call-f1")
)  # fmt: skip
_SIMILARITY = 0.8
_REMOTE = {
    "https://docs.google.com/": "is a Google sheet; nothing is ever fetched",
    "huggingface://": "is a data set of Hugging Face; nothing is ever fetched",
    **NEVER_READ,
}
_SAVE = "save it as CSV or JSON Lines in this folder, and name that file"
_TESTS_HINT = "write the tests that it makes as YAML, JSON Lines or CSV"


def read_tests(config: Spot) -> list[Spot]:
    """Return every test as a mapping with promptfoo's keys, with a note for each place that holds some.

    Raises `InvalidFiles` with every file that is not there or cannot be read.
    """
    found: list[Spot] = []
    problems: list[Problem] = []
    for key, read in (("tests", _of_entry), ("scenarios", _of_scenario)):
        given = config.get(key)
        for entry in given.items() if given is not None else ():
            try:
                found += read(entry)
            except InvalidFiles as error:
                problems += error.problems
    if problems:
        raise InvalidFiles(problems)
    return found


def _of_entry(entry: Spot) -> Iterator[Spot]:
    value = entry.value
    if isinstance(value, dict) and "path" in value:
        entry.note("dropped", f"tests: {value['path']}", "is made by code, which is not run here", _TESTS_HINT)
    elif isinstance(value, dict):
        entry.note("kept", "tests", "is a case")
        yield entry
    elif isinstance(value, str):
        yield from _named(entry)
    else:
        entry.note("dropped", "tests", "is no test")


def _named(entry: Spot) -> Iterator[Spot]:
    """Yield the tests of the files that an entry names."""
    part = f"tests: {entry.value}"
    if (why := next((why for start, why in _REMOTE.items() if entry.value.startswith(start)), None)) is not None:
        entry.note("dropped", part, why, _SAVE)
        return
    path = entry.value.removeprefix("file://")
    name = path.partition("#")[0].rpartition("/")[2]
    if re.search(r"\.xlsx?\Z", name):
        entry.note("dropped", part, "is a spreadsheet, which is not read here", _SAVE)
    elif is_code(name):
        entry.note("dropped", part, "is made by code, which is not run here", _TESTS_HINT)
    else:
        for source in matching(entry.source, path, entry.place.line):
            tests = list(_of_file(entry, source))
            entry.note("kept", part, f"{len(tests):,} case{'s' * (len(tests) != 1)} of {source.shown}")
            yield from tests


def _of_file(entry: Spot, source: Source) -> Iterator[Spot]:
    if source.path.endswith((".csv", ".tsv")):
        yield from _of_table(entry, source)
        return
    if source.path.endswith(".jsonl"):
        found: Iterator[Spot] = _of_lines(entry, source)
    elif source.path.endswith((".yaml", ".yml", ".json")):
        found = Spot.of(source, entry.notes).items()
    else:
        raise source.refuse("tests are read from YAML, JSON, JSON Lines and CSV", 1, _SAVE)
    for spot in found:
        if isinstance(spot.value, dict):
            yield spot
        else:
            spot.note("dropped", "tests", "is no test")


def _of_lines(entry: Spot, source: Source) -> Iterator[Spot]:
    for number, value, why in source.json_lines():
        if why is not None:
            raise source.refuse(f"the line is not JSON: {why}", number, "write one JSON object in each line")
        yield Spot(value, source, entry.notes, line=number)


def _of_scenario(scenario: Spot, *, is_beside: bool = False) -> Iterator[Spot]:
    """Yield each test of a scenario with the values of each of its configs."""
    if isinstance(scenario.value, str) and scenario.value.startswith("file://") and not is_beside:
        for source in matching(scenario.source, scenario.value.removeprefix("file://"), scenario.place.line):
            for each in Spot.of(source, scenario.notes).items():
                yield from _of_scenario(each, is_beside=True)
        return
    configs, tests = (_all_of(scenario, key) for key in ("config", "tests"))
    if not configs or not tests:
        scenario.note("dropped", "scenarios", "has no `config`, or no `tests`, that can be read")
        return
    if len(configs) * len(tests) > MAX_CELLS:
        message = f"the scenario makes {len(configs) * len(tests):,} tests; at most {MAX_CELLS:,} are made of one"
        raise scenario.source.refuse(message, scenario.place.line, "write it as several scenarios", "too-large")
    words = f"{len(configs)} config{'s' * (len(configs) > 1)} by {len(tests)} test{'s' * (len(tests) > 1)}: cases"
    scenario.note("changed", "scenarios", words)
    for config in configs:
        for test in tests:
            merged = {**config.value, **test.value}
            for key in ("vars", "metadata", "options"):
                if isinstance(config.value.get(key), dict) and isinstance(test.value.get(key, {}), dict):
                    merged[key] = {**config.value[key], **test.value.get(key, {})}
            if isinstance(config.value.get("assert"), list) and isinstance(test.value.get("assert", []), list):
                merged["assert"] = [*config.value["assert"], *test.value.get("assert", [])]
            yield replace(test, value=merged)


def _all_of(scenario: Spot, key: str) -> list[Spot]:
    given = scenario.get(key)
    found: list[Spot] = []
    for entry in given.items() if given is not None else ():
        found += _named(entry) if isinstance(entry.value, str) else [entry] if isinstance(entry.value, dict) else []
    return found


def _of_table(entry: Spot, source: Source) -> Iterator[Spot]:
    """Yield each record of a CSV file as a test, its magic columns read."""
    is_tabbed = source.path.endswith(".tsv")
    first = source.text.partition("\n")[0]
    delimiter = "\t" if is_tabbed else ";" if first.count(";") > first.count(",") else ","
    header: list[str] | None = None
    for line, cells in source.csv_records(delimiter, is_strict=True):
        if header is None:
            header = [cell.strip() for cell in cells]
            _tell_columns(header, Spot(None, source, entry.notes, line=1))
        else:
            row = Spot(dict(zip(header, cells, strict=False)), source, entry.notes, line=line)
            yield replace(row, value=_test_of(row))


def _tell_columns(header: list[str], spot: Spot) -> None:
    for name in header:
        if name in ("__prefix", "__suffix"):
            hint = "write it into the prompt, as a variable if it differs"
            spot.note("dropped", name, "is added to the prompt there; a test adds nothing here", hint)
        elif name.startswith("__") and not _is_magic(name):
            spot.note("dropped", name, "is no column of promptfoo's that is known here")


def _is_magic(name: str) -> bool:
    plain = ("__description", "__metric", "__threshold", "__providerOutput")
    return name in plain or any(each.fullmatch(name) for each in (_EXPECTED, _METADATA, _CONFIG))


def _test_of(spot: Spot) -> dict[str, Any]:
    row: dict[str, str] = spot.value
    test: dict[str, Any] = {"vars": {name: cell for name, cell in row.items() if name and not name.startswith("__")}}
    configs: dict[str, dict[str, Any]] = {}
    for name, cell in row.items():
        if (found := _CONFIG.fullmatch(name)) and cell.strip():
            configs.setdefault(found[1], {})[found[2]] = _number(cell)
    assertions: list[dict[str, Any]] = []
    for name, cell in row.items():
        if (found := _EXPECTED.fullmatch(name)) and cell.strip():
            assertion = _assertion(cell, spot)
            if assertion is not None:
                metric = {"metric": row["__metric"].strip()} if row.get("__metric", "").strip() else {}
                assertions.append({**assertion, **configs.get("", {}), **configs.get(found[1], {}), **metric})
        elif (found := _METADATA.fullmatch(name)) and cell.strip():
            parts = [part.strip().replace("\\,", ",") for part in re.split(r"(?<!\\),", cell)] if found[2] else cell
            test.setdefault("metadata", {})[found[1]] = parts
    test |= {"assert": assertions} if assertions else {}
    for name, key in (("__description", "description"), ("__providerOutput", "providerOutput")):
        test |= {key: row[name]} if row.get(name, "").strip() else {}
    if row.get("__threshold", "").strip():
        test["threshold"] = _number(row["__threshold"])
    return test


def _assertion(cell: str, spot: Spot) -> dict[str, Any] | None:
    """Return the assertion that a cell says, in promptfoo's keys; None for one that is code, or of no type here."""
    typed = _TYPED_CELL.match(cell)
    if _CODE_CELL.match(cell):
        script = re.fullmatch(r"\s*(?:javascript|fn|eval)\s*:(.*)", cell, re.DOTALL)
        if script:
            return {"type": "javascript", "value": script[1].strip()}
        spot.note("dropped", "__expected", "is code or a file, which is not run here")
        return None
    if typed and typed[1] in _NOT_HERE:
        return {"type": typed[1]}
    try:
        assertion = read_expected_cell(cell)
    except ValueError as error:
        spot.note("dropped", "__expected", str(error))
        return None
    if assertion["type"].endswith("similar"):
        assertion.setdefault("threshold", _SIMILARITY)
    return assertion


def _number(cell: str) -> Any:
    try:
        number = float(cell)
    except ValueError:
        return cell
    return int(number) if number.is_integer() else number
