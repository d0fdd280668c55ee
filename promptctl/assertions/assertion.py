"""An assertion as it is used: its kind, the value it wants, of which any text may be a template, the part of the reply
that it looks at; and the graded reply.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from promptctl.assertions.effort import Effort
from promptctl.assertions.judge import Judge, Licence
from promptctl.assertions.outcome import EarlyOutcome, Graded, Outcome, Ungraded, Unmet, why_undecided
from promptctl.assertions.paths import Find, plain_steps
from promptctl.assertions.shapes import Shape
from promptctl.errors import Place, RenderError
from promptctl.files.look_alikes import normal
from promptctl.files.wording import as_text
from promptctl.models.reading import describe_json_error, read_data
from promptctl.prompts.prompt import MISSING, Prompt
from promptctl.prompts.rendering import Engine, Scope
from promptctl.templates import BadTemplate
from promptctl.templates.limits import Budget, RenderLimits
from promptctl.templates.reading import has_markup, includes, plain_pieces
from promptctl.templates.uses import variables

NO_LICENCE = Licence()
# A name with this before it is the assertion that passes if the plain one fails.
NOT = "not-"


@dataclass
class Subject:
    """One reply to be graded.

    `expected` is MISSING if the case has none. `latency_ms`, `cost_nano_usd` and `finish_reason` are None if they are
    not known; for a reply taken from the cache they are those of the call that made it. `output_schema` is the
    prompt's. `variables` are further names for templated values; the inputs stand above them. `fault` says why the
    reply is not whole. `effort` is the account that its assertions share.
    """

    text: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    expected: Any = MISSING
    tool_calls: Sequence[Mapping[str, Any]] = ()
    latency_ms: float | None = None
    cost_nano_usd: int | None = None
    finish_reason: str | None = None
    output_schema: Mapping[str, Any] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None
    effort: Effort = field(default_factory=Effort)

    @cached_property
    def stripped(self) -> str:
        """The text without the whitespace around it."""
        return self.text.strip()

    @cached_property
    def _read(self) -> tuple[Any, str]:
        """The text read as JSON, and why it is not JSON; empty if it is."""
        try:
            return read_data(self.text), ""
        except (ValueError, RecursionError) as error:
            return None, f"the reply is not JSON: {describe_json_error(error)}"

    @property
    def parsed(self) -> Any:
        """The text read as data, once. Raises `Unmet` if it is not JSON."""
        parsed, fault = self._read
        if fault:
            raise Unmet(fault, self.text)
        return parsed

    def context(self) -> dict[str, Any]:
        """Return what a templated value may name: the inputs, `expected` if the case has it, and `output`.

        `output` is the parsed reply if it is a JSON object or list, else its text.
        """
        parsed = self._read[0]
        names = {**self.variables, **self.inputs, "output": parsed if isinstance(parsed, dict | list) else self.text}
        names.pop("expected", None)
        if self.expected is not MISSING:
            names["expected"] = self.expected
        return names


Grade = Callable[[Subject, "Assertion"], Outcome]
GradeJudged = Callable[[Subject, "Assertion", Judge | None], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Kind:
    """Type of assertion: how it is graded, and what may be written beside its `type`.

    Exactly one of `grade` and `judged` is set; a set is `judged`, since its own assertions may be. `value` is None if
    the type takes none. `options` are the keys beyond those of every assertion, `required` those of them that must be
    there. `check` returns what is wrong between a ready value and the options. `offers` are the inputs that a judge's
    prompt may declare; one that judges by embedding has no prompt.
    """

    grade: Grade | None = None
    judged: GradeJudged | None = None
    value: Shape | None = None
    options: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    offers: frozenset[str] = frozenset()
    is_by_embedding: bool = False
    takes_path: bool = True
    takes_assertions: bool = False
    takes_code: bool = False
    check: Callable[[Any, Mapping[str, Any]], str | None] | None = None


@dataclass(frozen=True, slots=True)
class AskedJudge:
    """Judge of an assertion: its prompt (None for embeddings, which have none), and the model that is named for it."""

    prompt_id: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Assertion:
    """One check of a reply, ready to grade any number of them.

    `type` is as written, `not-` included. `ready` is the value in the form its kind grades with (None if it has none),
    MISSING if it depends on the case: then `value` gives it, or the case's `expected` if there is no value. A weight of
    0 records a score and decides nothing. `digest` names what it checks: equal ones grade alike. `rubric` is what it
    asks of a judge, whoever that is; empty if it asks none.
    """

    type: str
    kind: Kind
    ready: Any = MISSING
    value: Value | None = None
    find: Find | None = None
    weight: float = 1.0
    metric: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    assertions: tuple[Assertion, ...] = ()
    digest: str = ""
    rubric: str = ""

    @property
    def judge_prompt(self) -> str | None:
        """The prompt of the judge that it asks: the one it names, else the one of its type; None if it has none."""
        if self.kind.judged is None or self.kind.takes_assertions or self.kind.is_by_embedding:
            return None
        named: str | None = self.options.get("prompt")
        return named or f"judges/{self.type.removeprefix(NOT)}"

    @property
    def all(self) -> tuple[Assertion, ...]:
        """Itself, and the assertions of its set and of sets in that."""
        return (self, *(each for own in self.assertions for each in own.all)) if self.assertions else (self,)

    @property
    def names(self) -> frozenset[str]:
        """The variables of the case that its templates cannot do without, besides `expected`."""
        own = (each.value.names for each in self.all if each.value is not None)
        return frozenset().union(*own) - {"expected", "output"}

    @property
    def reads_expected(self) -> bool:
        """True if it compares with the case's `expected`."""
        unready = (each.value for each in self.all if each.ready is MISSING)
        return any(value is None or "expected" in value.names for value in unready)

    @property
    def runs_code(self) -> bool:
        """True if it, or an assertion of its set, is code of the workspace."""
        return any(each.kind.takes_code for each in self.all)

    @property
    def judge(self) -> AskedJudge | None:
        """The judge that it asks by itself."""
        if self.kind.judged is None or self.kind.takes_assertions:
            return None
        return AskedJudge(self.judge_prompt, self.options.get("model"))

    def part(self, subject: Subject) -> Any:
        """Return the reply's text, or the value at `path` in the parsed reply. Raises `Unmet` if there is none."""
        with subject.effort as effort:
            return self.normal(subject.text if self.find is None else self.find(subject.parsed, effort))

    def normal(self, value: Any) -> Any:
        """Return a value with its texts in the forms that the assertion's `normalize` names."""
        forms = self.options.get("normalize")
        return _normal(value, forms) if forms else value

    def text(self, subject: Subject) -> str:
        """Return the part as text: a text as it is, anything else as JSON."""
        return as_text(self.part(subject))

    def wanted(self, subject: Subject) -> Any:
        """Return the value in the form its kind grades with, for this case. Raises `Ungraded` if it cannot be had."""
        with subject.effort:
            return self._wanted(subject)

    def _wanted(self, subject: Subject) -> Any:
        if self.ready is not MISSING:
            return self.normal(self.ready)
        shape = self.kind.value
        assert shape is not None, "a kind without a value is ready from the start"
        if self.value is not None:
            given = self.value.for_case(subject.context(), subject.effort, as_text=shape.is_text)
            where = "value"
        elif subject.expected is not MISSING:
            given, where = subject.expected, "expected"
        else:
            raise Ungraded("there is neither a `value` nor an `expected` to compare with")
        try:
            return self.normal(shape.read(given))
        except ValueError as error:
            raise Ungraded(f"`{where}` {error}") from error


def _normal(value: Any, forms: Collection[str]) -> Any:
    if isinstance(value, str):
        return normal(value, forms)
    if isinstance(value, (list, tuple)):
        return type(value)(_normal(item, forms) for item in value)
    return {key: _normal(item, forms) for key, item in value.items()} if isinstance(value, dict) else value


async def grade(assertion: Assertion, subject: Subject, judge: Judge | None = None) -> Graded:
    """Grade a reply with an assertion. Errors of the judge's calls that would stop the evaluation pass through."""
    kind, effort = assertion.kind, subject.effort
    licence = NO_LICENCE
    if judge is not None and assertion.rubric:
        licence = judge.licence(assertion.judge_prompt, assertion.options.get("model"), assertion.rubric)
    try:
        if kind.grade is not None:
            # Code that the user allowed to run takes the time that it takes.
            with nullcontext() if kind.takes_code else effort:
                effort.tick()
                outcome = kind.grade(subject, assertion)
        else:
            effort.tick()
            assert kind.judged is not None
            outcome = await kind.judged(subject, assertion, judge)
        if assertion.type.startswith(NOT) and outcome.passed is not None and outcome.score is not None:
            opposite = None if outcome.expected is None else {"not": outcome.expected}
            outcome = replace(outcome, passed=not outcome.passed, score=1.0 - outcome.score, expected=opposite)
    except EarlyOutcome as early:
        outcome = early.outcome
    except RecursionError:
        outcome = Ungraded("the reply is nested too deeply to be compared").outcome
    model: str | None = None
    with effort:
        expected, got = effort.excerpts(outcome.expected, outcome.got)
    outcome = replace(outcome, reason=effort.sentence(outcome.reason), expected=expected, got=got)
    if judge is not None and outcome.execution_ids and not kind.takes_assertions:
        model = judge.model_for(assertion.judge_prompt, assertion.options.get("model"))
    lack = why_undecided(outcome.parts) if kind.takes_assertions else licence.lack
    named = None if model is None else assertion.options.get("prompt")
    return Graded(assertion.type, outcome, assertion.weight, assertion.metric, model, licence.calibration, lack, named)


# An engine belongs to a prompt; a value's has no inputs declared and no partials.
_NO_PROMPT = Prompt(id="value", path="value", digest="", name="value", messages=())
_LONE = re.compile(r"\{\{[-+]?((?:(?!\{\{|\{%|\{#|\}\}).)*?)[-+]?\}\}", re.DOTALL)
_LIMITS = RenderLimits()
_MARKUP = re.compile(r"\{[{%]")
_TEMPLATE_SHARE = 80
_ROOT = re.compile(r"[A-Za-z_]\w*")
# A template that asks whether a variable is there can do without it.
_ASKS = re.compile(r"\bdefined\b|\bdefault\b|\|\s*d\b")

Context = Mapping[str, Any]


class InvalidTemplate(ValueError):
    """A text that is no template; the message says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value as written: constant, or rendered for each case.

    `render` takes the names of the case, its effort and `as_text`; without it a lone expression keeps its type
    (`"{{ expected.count }}"` renders to a number). `names` are the variables that it cannot do without.
    """

    constant: Any = None
    render: Callable[..., Any] | None = None
    names: frozenset[str] = frozenset()

    def for_case(self, context: Context, effort: Effort, *, as_text: bool) -> Any:
        """Return the value for a case whose names are `context`. Raises `Ungraded` if the template fails."""
        if self.render is None:
            return self.constant
        try:
            return self.render(context, effort, as_text=as_text)
        except RenderError as error:
            effort.tick()
            raise Ungraded(f"`value` cannot be rendered: {error.message}") from error


def compile_value(written: Any) -> Value:
    """Return a value ready for any case; texts within lists and mappings are templates too.

    Raises `InvalidTemplate`.
    """
    if isinstance(written, str) and has_markup(written):
        return _compile_text(written)
    if not isinstance(written, (list, Mapping)):
        return Value(written)
    keys = list(written) if isinstance(written, Mapping) else None
    parts = [compile_value(item) for item in (written.values() if isinstance(written, Mapping) else written)]
    if all(part.render is None for part in parts):
        return Value(written)

    def render(context: Context, effort: Effort, **_as_text: bool) -> Any:
        values = [part.for_case(context, effort, as_text=False) for part in parts]
        return values if keys is None else dict(zip(keys, values, strict=True))

    return Value(render=render, names=frozenset().union(*(part.names for part in parts)))


def codes(written: Any) -> Iterator[str]:
    """Yield each text of a value that has to be compiled."""
    if isinstance(written, str):
        if has_markup(written) and plain_pieces(written) is None:
            yield written
    elif isinstance(written, (list, Mapping)):
        for item in written.values() if isinstance(written, Mapping) else written:
            yield from codes(item)


def code_size(text: str) -> int:
    """Return how much there is to compile in a text: its characters within markup, and a share for each template."""
    pieces = _MARKUP.split(text)[1:]
    return _TEMPLATE_SHARE + sum(piece.find("}") + 1 or len(piece) for piece in pieces)


def _compile_text(text: str) -> Value:
    lone = _LONE.fullmatch(text.strip())
    if lone is None:
        names, fill = _template(text)
        return Value(render=lambda context, effort, **_: fill(context, effort), names=names)
    # The line ends around a lone expression are YAML's, not the author's.
    names, fill = _template(text.strip())
    typed = _typed(lone[1].strip())
    return Value(
        render=lambda context, effort, as_text: (fill if as_text else typed)(context, effort),
        names=names,
    )


def _typed(expression: str) -> Callable[[Context, Effort], Any]:
    """Return what gives an expression's value with its type, carried through the template engine as JSON.

    `expected.label` and its like, which most of them are, need no engine.
    """
    root = _ROOT.match(expression)
    steps = None if root is None else plain_steps("$" + expression[root.end() :])
    if root is None or steps is None:
        render = _template("{{ (" + expression + ") | tojson }}")[1]
        return lambda context, effort: json.loads(render(context, effort))
    name = root[0]

    def walk(context: Context, _: Effort) -> Any:
        node: Any = context
        path = ""
        for step in (name, *steps):
            path = f"{path}[{step}]" if isinstance(step, int) else f"{path}.{step}".lstrip(".")
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                raise Ungraded(f"`value` cannot be rendered: there is no {path} in this case") from None
        return node

    return walk


@lru_cache(maxsize=1024)
def _template(text: str) -> tuple[frozenset[str], Callable[[Context, Effort], str]]:
    """Return the variables that a template cannot do without, and what renders it. Raises `InvalidTemplate`."""
    try:
        if includes(text):
            raise InvalidTemplate("it includes another file, which a value cannot")
        named = frozenset(variables(text))
        fill = Engine(_NO_PROMPT).ready(text, lambda line: Place("", line))
    except (BadTemplate, RenderError) as error:
        line = error.line if isinstance(error, BadTemplate) else error.place.line if error.place else None
        where = "" if line is None or line == 1 else f" (line {line})"
        raise InvalidTemplate(error.message + where) from error
    names = frozenset() if _ASKS.search(text) else named

    def render(context: Context, effort: Effort) -> str:
        missing = sorted(name for name in names if name not in context)
        if missing:
            raise Ungraded(f"`value` cannot be rendered: there is no {missing[0]} in this case")
        chars = sum(len(value) for value in context.values() if isinstance(value, str))
        effort.tick()
        limits = replace(_LIMITS, time_s=min(_LIMITS.time_s, effort.left_s))
        return fill(Scope(context, Budget(limits, input_chars=chars)))

    return names, render
