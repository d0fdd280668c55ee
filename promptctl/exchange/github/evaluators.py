"""GitHub's `testData` and `evaluators` as cases and assertions that pass and fail the same replies."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.assertions.github import fill
from promptctl.datasets.github_rows import github_ids
from promptctl.exchange.drafts import ImportNote, PromptDraft
from promptctl.files.document import Document
from promptctl.files.free_names import first_free, slug
from promptctl.files.names import PLACEHOLDER
from promptctl.files.wording import as_text, count
from promptctl.formats.github_dialect import STRING_TESTS, GitHubPrompt, model_id, placeholders
from promptctl.template_languages.jinja import constant_text, jinja_text
from promptctl.template_languages.ours import simple_pieces
from promptctl.template_languages.pieces import Path

_NO_VALUE = (None, "")
# The placeholder that stands for the reply in the prompt of an `llm` evaluator.
_REPLY = "completion"
# A rating of 2 of 5 is the first that GitHub's evaluators take; on the scale from 0 to 1 it is this.
LOWEST_RATING = 0.25
# Judges that ship: what they are given is what `answer-relevance` offers.
_RATED = ("coherence", "fluency", "relevance")
_RUBRICS = {
    "similarity": "The reply says the same as this expected answer, at least in part: ",
    "groundedness": "The reply rests, at least in part, on this context and makes up nothing beside it: ",
}

Row = Mapping[str, Any]
Assertion = dict[str, Any]


@dataclass
class GitHubTests:
    """Cases of a dataset, the assertions that hold for all of them, and what became of the tests."""

    cases: list[dict[str, Any]] = field(default_factory=list)
    assertions: list[Assertion] = field(default_factory=list)
    judges: list[PromptDraft] = field(default_factory=list)
    notes: list[ImportNote] = field(default_factory=list)


def graded(document: Document, found: GitHubPrompt) -> GitHubTests:
    """Return the tests of a file. Rows that nothing grades are left out, with a note."""
    inline = found.inline_dataset or {}
    rows: Sequence[Row] = inline.get("testData", ())
    evaluators: Sequence[Mapping[str, Any]] = inline.get("evaluators", ())
    tests = GitHubTests()
    if not rows:
        return tests
    places = [document.key_place("evaluators", index) for index in _sound(document, "evaluators")]
    own: list[list[Assertion]] = [[] for _ in rows]
    for evaluator, place in zip(evaluators, places, strict=False):
        made = _Made(evaluator, rows, found.data["inputs"], {judge.wish for judge in tests.judges})
        tests.assertions += made.common
        tests.judges += [made.judge] if made.judge else []
        for index, assertion in enumerate(made.own):
            own[index] += [assertion] if assertion else []
        tests.notes.append(ImportNote(made.fate, f"evaluators: {evaluator['name']}", made.words, place, made.hint))
    if document.data.get("evaluators") and not evaluators and rows:
        words = f"{count(len(rows), 'row')}: none of the evaluators can be used, so nothing would grade them"
        hint = "write a dataset below datasets/, with assertions that say what a good reply is"
        tests.notes.append(ImportNote("dropped", "testData", words, document.key_place("testData"), hint))
        return tests
    _add_cases(tests, document, found, own)
    return tests


def _add_cases(tests: GitHubTests, document: Document, found: GitHubPrompt, own: list[list[Assertion]]) -> None:
    inline = found.inline_dataset or {}
    rows, has_evaluators = inline["testData"], bool(inline.get("evaluators"))
    inputs, ids = found.data["inputs"], list(github_ids(rows))
    reads_expected = not has_evaluators or any(map(_reads_expected, tests.assertions))
    moved: dict[str, None] = {}
    ungraded = 0
    for row, id_, assertions in zip(rows, ids, own, strict=True):
        if not has_evaluators and row.get("expected") in _NO_VALUE:
            ungraded += 1
            continue
        case: dict[str, Any] = {"id": id_, "inputs": {name: row[name] for name in row if name in inputs}}
        rest = {name: row[name] for name in row if name not in inputs and name != "expected"}
        if "expected" in row and (reads_expected or any(map(_reads_expected, assertions))):
            case["expected"] = row["expected"]
        elif "expected" in row and "expected" not in inputs:
            rest["expected"] = row["expected"]
        moved |= dict.fromkeys(rest)
        if has_evaluators and not assertions and not tests.assertions:
            ungraded += 1
            continue
        case |= {"assert": assertions} if assertions else {}
        tests.cases.append(case | ({"metadata": rest} if rest else {}))
    place = document.key_place("testData")
    if tests.cases:
        words = f"{count(len(tests.cases), 'row')}: cases of a dataset, under the ids that their results had"
        tests.notes.append(ImportNote("kept", "testData", words, place))
    if moved:
        names = ", ".join(f"`{name}`" for name in moved)
        tests.notes.append(ImportNote("changed", "testData", f"{names}: no input, so kept in `metadata`", place))
    if ungraded:
        why = "no evaluator has a text for them" if has_evaluators else "there is no `expected`, and no evaluator"
        words = f"{count(ungraded, 'row')} that nothing would grade: {why}"
        hint = "add cases with `expected` or `assert` to the dataset"
        tests.notes.append(ImportNote("dropped", "testData", words, place, hint))


def _reads_expected(assertion: Assertion) -> bool:
    return "expected" in PLACEHOLDER.findall(str(assertion.get("value", "")).replace(" ", ""))


def _sound(document: Document, key: str) -> Iterator[int]:
    """Yield the index of each evaluator that the dialect's reader took."""
    for index, item in enumerate(document.data.get(key) or ()):
        if isinstance(item, dict) and isinstance(item.get("name"), str) and {"string", "llm", "uses"} & item.keys():
            yield index


class _Made:
    """The assertions of one evaluator: for all cases, or one for each row where the rows' own fields are filled in."""

    def __init__(
        self, evaluator: Mapping[str, Any], rows: Sequence[Row], inputs: Mapping[str, Any], taken: Collection[str]
    ) -> None:
        self.common: list[Assertion] = []
        self.own: list[Assertion | None] = []
        self.fate: Any = "changed"
        self.hint: str | None = None
        self.words = ""
        self.judge: PromptDraft | None = None
        self._rows, self._inputs, self._name, self._taken = rows, inputs, evaluator["name"], taken
        self._metric = {"metric": evaluator["name"]} if evaluator["name"] else {}
        if evaluator.get("string"):
            self._string(evaluator["string"])
        elif evaluator.get("llm"):
            self._llm(evaluator["llm"])
        else:
            self._built_in(evaluator["uses"].removeprefix("github/"))

    def _string(self, tests: Mapping[str, Any]) -> None:
        test = next((name for name in STRING_TESTS if tests.get(name)), STRING_TESTS[0])
        text = tests.get(test, "")
        type_ = {"equals": "equals", "contains": "icontains"}.get(test, "regex")
        self.words = f"is the assertion `{type_}`"
        if beside := [f"`{name}`" for name in STRING_TESTS if tests.get(name) and name != test]:
            self.words += f", without {' and '.join(beside)}, which GitHub's tools passed over beside `{test}`"
        if test == "contains":
            self.words += ": letter case does not matter, as it did not"
        if test == "equals" and any(filled != filled.strip() for filled in (fill(text, row) for row in self._rows)):
            self.words += "; white space around its text is left aside, with which no reply could be equal"
        if type_ != "regex":
            self._set({"type": type_}, text)
            return
        self.words += " of the text's letters in any case, since `starts-with` and `ends-with` tell them apart"
        is_start = test == "startsWith"

        def pattern(filled: str) -> str:
            # A reply was stripped first: none began or ended with white space, and so none with such a text.
            if filled != (filled.lstrip() if is_start else filled.rstrip()):
                return r"\z."
            is_all = filled == filled.strip()
            if is_start:
                return rf"(?is)\A\s*{re.escape(filled)}" + ("" if is_all else r".*\S")
            return "(?is)" + ("" if is_all else r"\S.*") + rf"{re.escape(filled)}\s*\z"

        self._set({"type": "regex"}, text, pattern)

    def _llm(self, llm: Mapping[str, Any]) -> None:
        choices = [each["choice"] for each in llm["choices"]]
        passing = list(dict.fromkeys(each["choice"] for each in llm["choices"] if each["score"] > 0))
        texts = [text for text in (llm.get("systemPrompt") or "", llm["prompt"]) if text.strip()]
        fields = [name for name in placeholders("\n".join(texts)) if name not in (_REPLY, *self._inputs)]
        known = [name for name in fields if any(name in row for row in self._rows)]
        if not passing or len(set(choices)) < max(2, len(choices)):
            self.fate, self.words = "dropped", "its choices do not tell a good reply from a bad one"
        elif len(known) > 1:
            names = ", ".join(f"`{name}`" for name in known)
            self.fate, self.words = "dropped", f"its judge reads {names}, which are no inputs of the prompt"
        if self.fate == "dropped":
            self.hint = "write a judge's prompt, and name it in an assertion `classify`"
            return
        self.judge = self._judge(llm, choices, dict.fromkeys(known, "question"))
        self.words = f"is `classify` by the judge `{self.judge.wish}`, its own prompt, which answers in JSON"
        if {each["score"] for each in llm["choices"]} - {0, 1}:
            self.words += "; a choice passes if its score is above 0, and scores between 0 and 1 are not kept"
        value = passing[0] if len(passing) == 1 else passing
        shape = {"type": "classify", "value": value, "choices": choices, "prompt": self.judge.wish, **self._metric}
        if known:
            self.own = [{**shape, "question": as_text(row.get(known[0], ""))} for row in self._rows]
        else:
            self.common = [shape]

    def _judge(self, llm: Mapping[str, Any], choices: Sequence[str], fields: Mapping[str, str]) -> PromptDraft:
        """Return the prompt of an `llm` evaluator as a judge's. `fields` name what it is given each row's fields as."""
        offered: dict[str, Path] = {_REPLY: ("output",), **{name: (each,) for name, each in fields.items()}}
        offered = {**{name: ("inputs", name) for name in self._inputs}, **offered}
        texts = {"system": llm.get("systemPrompt") or "", "user": llm["prompt"]}
        used = {offered[each][0] for text in texts.values() for each in placeholders(text) if each in offered}
        schema = {
            "type": "object",
            "additionalProperties": False,
            "required": ["choice"],
            "properties": {"reason": {"type": "string"}, "choice": {"enum": list(choices)}},
        }
        data = {
            "name": self._name or "Judge",
            "tags": ["judge"],
            **({"model": model_id(llm["modelId"])} if llm["modelId"].strip() else {}),
            "inputs": {each: {"type": "object" if each == "inputs" else "string"} for each in sorted(used)},
            "messages": [
                {"role": role, "content": jinja_text(simple_pieces(text, offered))}
                for role, text in texts.items()
                if text
            ],
            "output": {"name": "verdict", "schema": schema},
        }
        wish = first_free(f"judges/{slug(self._name, 'judge')}", self._taken.__contains__)
        return PromptDraft(wish, data, is_judge=True)

    def _built_in(self, name: str) -> None:
        if name in _RATED:
            self.words = f"is `answer-relevance` by the judge `judges/github-{name}`, from a rating of 2 of 5 on"
            shape = {"type": "answer-relevance", "threshold": LOWEST_RATING}
            shape |= {} if name == "relevance" else {"prompt": f"judges/github-{name}"}
            asks = name != "fluency" and any("input" in row for row in self._rows)
            self._set(shape, "{{input}}" if asks else None)
            return
        self.words = f"is `llm-rubric`, which passes or fails: no judge that rates {name} can be named in a dataset"
        self.hint = "see how the judge decides on a few replies"
        self._set({"type": "llm-rubric"}, _RUBRICS[name] + "{{expected}}")

    def _set(self, shape: Assertion, text: str | None, value_of: Callable[[str], str] = str) -> None:
        """Make one assertion for all rows if its text can be a template of theirs; else one for each, filled in.

        `value_of` returns the value of an assertion whose value is not the text itself.
        """
        if text is None:
            self.common = [{**shape, **self._metric}]
            return
        names = placeholders(text)
        known = set().union(*self._rows) if self._rows else set()
        if not any(name in known for name in names):
            self.common = [{**shape, "value": constant_text(value_of(text)), **self._metric}]
        elif value_of is str and all(self._is_given(name) for name in names):
            self.common = [{**shape, "value": _template(text), **self._metric}]
        else:
            filled = [fill(text, row) for row in self._rows]
            self.own = [
                {**shape, "value": constant_text(value_of(each)), **self._metric}
                if each or shape["type"] == "equals"
                else None
                for each in filled
            ]
            self.words += ", one in each case, with the row's fields filled in"
            if None in self.own:
                self.words += "; none for rows that leave its text empty, which was an error"

    def _is_given(self, name: str) -> bool:
        """Return True for a field that is text in every row, and that a case of ours has as well."""
        is_one = name.isidentifier() and (name == "expected" or name in self._inputs)
        return is_one and all(isinstance(row.get(name), str) for row in self._rows)


def _template(text: str) -> str:
    return jinja_text(simple_pieces(text, {name: (name,) for name in placeholders(text)}))
