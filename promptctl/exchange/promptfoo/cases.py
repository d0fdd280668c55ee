"""promptfoo's tests as the cases of a dataset, with `defaultTest` as its defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from promptctl.exchange.drafts import LONGEST_CASE_ID, NOT_BLANK
from promptctl.exchange.promptfoo.checks import Checks, used_names
from promptctl.exchange.promptfoo.providers import loaded
from promptctl.exchange.promptfoo.spots import Spot
from promptctl.exchange.promptfoo.test_list import read_tests
from promptctl.exchange.promptfoo.values import Unusable, read_values
from promptctl.files.free_names import FreeNames, slug
from promptctl.files.plain import texts_in

_KEYS = ("vars", "assert", "description", "threshold", "metadata", "options", "providerOutput")
_OTHER_KEYS = {
    "provider": "is evaluated on the prompt's model: promptctl eval -m evaluates on others",
    "providers": "is evaluated on the prompt's model: promptctl eval -m evaluates on others",
    "prompts": "is evaluated with every prompt that the dataset names",
    "assertScoringFunction": "is code, which is not run here",
}
_OF_EXPECTED = re.compile(r"\bexpected\.([A-Za-z_]\w*)")
_OVERRIDING = ("transform", "postprocess", "provider")


@dataclass(frozen=True)
class _Test:
    spot: Spot
    values: Mapping[str, Any]
    several: Mapping[str, list[Any]]


@dataclass
class Suite:
    """The tests of a config. `names` are all variables that they give."""

    tests: list[_Test]
    default: Spot | None
    spot: Spot
    default_values: Mapping[str, Any] = field(default_factory=dict)
    default_several: Mapping[str, list[Any]] = field(default_factory=dict)
    templates: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Spot) -> Suite:
        """Read the tests of a config. Raises `InvalidFiles`."""
        default = config.get("defaultTest")
        default = loaded(default) if default is not None else None
        default = default if default is not None and isinstance(default.value, dict) else None
        tests: list[_Test] = []
        for spot in read_tests(config):
            options = spot.value.get("options")
            expands = not (isinstance(options, dict) and options.get("disableVarExpansion"))
            try:
                tests.append(_Test(spot, *read_values(spot, expands=expands)))
            except Unusable as error:
                spot.note("dropped", "tests", str(error))
        given = next((found for key in ("tests", "scenarios") if (found := config.get(key))), config)
        suite = cls(tests, default, given)
        if default is not None:
            default.note("kept", "defaultTest", "is `defaults` of the dataset")
            try:
                suite.default_values, suite.default_several = read_values(default)
            except Unusable as error:
                default.note("dropped", "defaultTest.vars", str(error))
        templates = config.value.get("assertionTemplates")
        suite.templates = templates if isinstance(templates, dict) else {}
        return suite

    @property
    def names(self) -> frozenset[str]:
        """The variables that any test gives."""
        found = {*self.default_values, *self.default_several}
        return frozenset(found.union(*({*each.values, *each.several} for each in self.tests)))

    def always_gives(self, name: str) -> bool:
        """Return True for a variable that every test gives, or of which no test knows."""
        if name in self.default_values or name in self.default_several or not self.tests:
            return True
        return all(name in each.values or name in each.several for each in self.tests)

    def _read_by_assertions(self) -> frozenset[str]:
        given = [spot.value.get("assert") for spot in (self.default, *(each.spot for each in self.tests)) if spot]
        return frozenset(used_names([each for each in given if isinstance(each, list)]))

    def dataset(self, inputs: frozenset[str], read: frozenset[str]) -> dict[str, Any] | None:
        """Return defaults and cases for prompts with these inputs; None if there is no test.

        `read` are the variables that any prompt uses, in this dataset or a different one.
        """
        if not self.tests:
            return None
        renamed = {name: f"expected.{name}" for name in self.names - inputs}
        keeps_expected = self._read_by_assertions() & renamed.keys() == {"expected"}
        if keeps_expected:
            del renamed["expected"]
        checks = Checks(self.templates, renamed)
        checks = checks.with_options(self.default.get("options") if self.default else None, "defaultTest.options")
        is_inlined = any(_overrides(test.spot) for test in self.tests)
        maker = _CaseMaker(self, inputs, read, checks, is_inlined, keeps_expected)
        cases = [case for test in self.tests if (case := maker.case(test)) is not None]
        defaults = maker.defaults()
        maker.tell_unread()
        return {**({"defaults": defaults} if defaults else {}), "cases": cases} if cases else None


def _words_of(description: Any, metadata: Any) -> tuple[str, str]:
    """Return the id that a test asks for, and its description; either may be empty."""
    text = description if isinstance(description, str) else ""
    named = metadata.get("id") if isinstance(metadata, dict) else None
    if isinstance(named, str) and named.strip() == named and 0 < len(named) <= LONGEST_CASE_ID:
        return named, text
    is_id = text and len(text) <= LONGEST_CASE_ID and not any(character.isspace() for character in text)
    return (text, "") if is_id else (slug(text, ""), text if text.strip() else "")


def _overrides(spot: Spot) -> bool:
    options = spot.value.get("options")
    return isinstance(options, dict) and any(key in options for key in _OVERRIDING)


@dataclass
class _CaseMaker:
    """Makes the cases of tests. `read` are the variables that any prompt uses, `inputs` those of this dataset's.

    If a test has options of its own, the assertions of all are written into each case: it `is_inlined`.
    """

    suite: Suite
    inputs: frozenset[str]
    read: frozenset[str]
    checks: Checks
    is_inlined: bool
    keeps_expected: bool
    ids: FreeNames = field(default_factory=FreeNames)
    unread: dict[str, None] = field(default_factory=dict)

    @cached_property
    def given(self) -> Spot | None:
        """The assertions of all tests, as they stand in the config."""
        return self.suite.default.get("assert") if self.suite.default else None

    @cached_property
    def common(self) -> list[dict[str, Any]]:
        """The assertions of all cases here."""
        return self.checks.read(self.given) if not self.is_inlined else []

    def defaults(self) -> dict[str, Any]:
        """Return what holds for every case."""
        suite = self.suite
        data = self._given(suite.default_values, suite.default_several)
        data |= {"assert": self.common} if self.common else {}
        if suite.default is not None:
            data |= self._shared(suite.default, "defaultTest")
        return data

    def case(self, test: _Test) -> dict[str, Any] | None:
        """Return a test as a case; None if it had assertions, and none of them is left to decide it."""
        spot = test.spot
        wished, description = _words_of(spot.value.get("description"), spot.value.get("metadata"))
        id_ = self.ids.take(wished or f"test-{len(self.ids) + 1}")
        case: dict[str, Any] = {"id": id_}
        case |= {"description": description} if description else {}
        case |= self._given(test.values, test.several)
        checks = self.checks.with_options(spot.get("options"), "options")
        own = checks.read(self.given) if self.is_inlined else []
        own += checks.read(spot.get("assert"))
        expected = self._expected(test, [*self.common, *own])
        case |= {"expected": expected} if expected not in (None, {}) else {}
        if not any(each.get("weight", 1) for each in [*self.common, *own]):
            if self.given is not None or spot.get("assert") is not None:
                words = "nothing is left that would decide it: its assertions are dropped"
                spot.note("dropped", "tests", words, "write assertions that are there for it")
                return None
            words = "has no assertion, so any reply passed: any that is not blank does"
            spot.note("changed", "tests", words, "write what a good reply is")
            own = [*own, dict(NOT_BLANK)]
        case |= {"assert": own} if own else {}
        if spot.value.get("providerOutput") is not None:
            case["output"] = spot.value["providerOutput"]
            spot.note("changed", "providerOutput", "is `output`: a recorded reply")
        case |= self._shared(spot, "tests")
        return self._with_unread(case, test)

    def _given(self, values: Mapping[str, Any], several: Mapping[str, list[Any]]) -> dict[str, Any]:
        """Return the values of this dataset's inputs, and the lists of those that are tested one by one."""
        given = {"inputs": values, "matrix": several}
        taken = {key: {name: each[name] for name in each if name in self.inputs} for key, each in given.items()}
        return {key: each for key, each in taken.items() if each}

    def _shared(self, spot: Spot, part: str) -> dict[str, Any]:
        """Return the keys that a test and the defaults have alike."""
        data: dict[str, Any] = {}
        threshold = spot.value.get("threshold")
        if isinstance(threshold, int | float) and 0 <= threshold <= 1:
            data["threshold"] = threshold
        elif threshold is not None:
            spot.at("threshold").note("dropped", f"{part}.threshold", "is no share from 0 to 1")
        metadata = spot.value.get("metadata")
        kept = {key: value for key, value in metadata.items() if key != "id"} if isinstance(metadata, dict) else {}
        tags = kept.get("tags")
        if isinstance(tags, list) and tags and all(isinstance(each, str) and each for each in tags):
            data["tags"] = list(dict.fromkeys(kept.pop("tags")))
            spot.note("changed", "metadata.tags", "are `tags`")
        data |= {"metadata": kept} if kept else {}
        for key in spot.value:
            if key not in _KEYS and spot.value[key] not in (None, {}, []):
                spot.at(key).note("dropped", f"{part}.{key}", _OTHER_KEYS.get(key, "has no counterpart here"))
        return data

    def _expected(self, test: _Test, assertions: list[dict[str, Any]]) -> Any:
        """Return the values that only assertions read; those that a test leaves out are empty, as they were."""
        if self.keeps_expected:
            return {**self.suite.default_values, **test.values}.get("expected")
        if not any("expected" in used_names(each) for each in assertions):
            return {}
        read = {name for text in texts_in(assertions) for name in _OF_EXPECTED.findall(text)}
        given = {**self.suite.default_values, **self.suite.default_several, **test.values, **test.several}
        return {name: given.get(name, "") for name in sorted(read)}

    def _with_unread(self, case: dict[str, Any], test: _Test) -> dict[str, Any]:
        """Keep values that neither the prompts nor an assertion reads where nothing is lost: in the metadata."""
        expected = case.get("expected", {})
        read = {*self.read, *(("expected",) if self.keeps_expected else expected)}
        rest = {name: value for name, value in {**test.values, **test.several}.items() if name not in read}
        if not rest:
            return case
        self.unread |= dict.fromkeys(rest)
        return {**case, "metadata": {**case.get("metadata", {}), "vars": rest}}

    def tell_unread(self) -> None:
        """Note the variables that nothing reads."""
        for name in self.unread:
            words = "is read by no prompt and no assertion: kept in `metadata.vars`"
            self.suite.spot.note("changed", f"vars.{name}", words)
