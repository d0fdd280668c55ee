"""`promptctl.yaml`: what a workspace sets for all of its prompts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from promptctl.errors import InvalidFiles, Place, Problem, printable
from promptctl.files.document import Document
from promptctl.files.names import DATASETS, SETTINGS, PathRefused, did_you_mean, resolve_path
from promptctl.files.tree import LFS_POINTER, is_lfs_pointer
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.schemas import load_schema, structure_of

if TYPE_CHECKING:
    from promptctl.formats.budget_rules import BudgetRule
    from promptctl.formats.experiment_rules import Experiment
    from promptctl.formats.lint_rules import LintRule

Lane = Literal["direct", "litellm"]
Content = Literal["full", "metadata"]


@dataclass(frozen=True, slots=True)
class ModelRule:
    """Settings of the models whose id matches `pattern`. None: not set by any rule."""

    pattern: str = "*"
    api_base: str | None = None
    api_key_env: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    max_attempts: int | None = None
    lane: Lane | None = None
    supports_schema: bool | None = None
    leave_out: Sequence[str] | None = None
    reasoning_block: Literal["drop", "keep"] | None = None
    priced_as: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    judge_parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def of_replies(self) -> dict[str, Any]:
        """The settings that a model's replies depend on, those alone that are set."""
        found = {name: getattr(self, name) for name in _OF_REPLIES}
        return {name: value for name, value in found.items() if value not in (None, {})}


def sent_parameters(model: Mapping[str, Any], *given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters to send: the model's from the settings, over them those `given`, the last over all.

    Those that the model's rule leaves out (None there) are not among them, whoever sets them.
    """
    merged = dict(model)
    for each in given:
        merged.update(each)
    return {name: value for name, value in merged.items() if name not in model or model[name] is not None}


@dataclass(frozen=True, slots=True)
class LabelRule:
    """Conditions that a version must meet before a label may move to it."""

    after: str | None = None
    evaluation: Literal["passed"] | None = None
    reason: Literal["required"] | None = None
    dataset: str | None = None


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """The remote that labels are pushed to, and the rules of each; if any label is named, no other may be set.

    A label that another comes `after` is named by that, with no rule of its own unless it has one. With `is_signed`
    only signed events count.
    """

    remote: str | None = None
    rules: Mapping[str, LabelRule] = field(default_factory=dict)
    is_signed: bool = False


@dataclass(frozen=True, slots=True)
class LogRule:
    """Rule of how much is kept of the executions of prompts whose id matches the glob `prompts`.

    `place` is None for the built-in default.
    """

    prompts: str = "*"
    content: Content = "metadata"
    is_active: bool = True
    place: Place | None = field(default=None, compare=False)

    @property
    def kept(self) -> Literal["full", "metadata", "off"]:
        """The amount kept in one word; `off`: no row."""
        return self.content if self.is_active else "off"


@dataclass(frozen=True, slots=True)
class CalibrationRule:
    """Agreement with people that a judge must have shown to decide anything: κ, on how many replies, how long ago.

    `labels_of_each` are the fewest that people let pass, and the fewest that they let fail.
    """

    kappa: float = 0.6
    labels: int = 30
    labels_of_each: int = 5
    max_age_days: int = 180

    @property
    def words(self) -> str:
        """The rule in a few words."""
        return (
            f"κ {self.kappa:g} on {self.labels} labels, {self.labels_of_each} of each, within {self.max_age_days} days"
        )

    def with_other(self, other: CalibrationRule | None) -> CalibrationRule:
        """Return the rule that asks for what either asks for."""
        if other is None:
            return self
        return CalibrationRule(
            max(self.kappa, other.kappa),
            max(self.labels, other.labels),
            max(self.labels_of_each, other.labels_of_each),
            min(self.max_age_days, other.max_age_days),
        )


CALIBRATED = "calibrated"


def calibration_rule(given: Any) -> CalibrationRule | None:
    """Return the rule that `judge: calibrated` states, or `judge: {calibrated: …}`; None without one."""
    asked = given.get(CALIBRATED) if isinstance(given, Mapping) else given == CALIBRATED
    if isinstance(asked, Mapping):
        return CalibrationRule(**asked)
    return CalibrationRule() if asked else None


@dataclass(frozen=True, slots=True)
class GateSettings:
    """A team's rule for comparisons: `rule` has the fields of a `GateRule` that it sets.

    `calibrated` is what every evaluation asks of a judge that is to decide.
    """

    rule: Mapping[str, Any] = field(default_factory=dict)
    judge: str | None = None
    base: str | None = None
    calibrated: CalibrationRule | None = None


@dataclass(frozen=True, slots=True)
class DatasetLimits:
    """The most cases of a dataset, once matrices are unfolded, and the most assertions of a case, sets included.

    Grading one reply may take `grading_s` of the processor.
    """

    cases: int = 100_000
    assertions: int = 200
    grading_s: float = 2.0


DEFAULT_LIMITS = DatasetLimits()


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a workspace; the built-in defaults if the file does not say."""

    model: str | None = None
    models: tuple[ModelRule, ...] = ()
    branch: str | None = None
    labels: LabelSettings = field(default_factory=LabelSettings)
    share: tuple[str, ...] | None = None
    log: tuple[LogRule, ...] = ()
    gate: GateSettings = field(default_factory=GateSettings)
    limits: DatasetLimits = DEFAULT_LIMITS
    budgets: tuple[BudgetRule, ...] = ()
    budgets_without_log: Literal["refuse", "open"] = "refuse"
    experiments: tuple[Experiment, ...] = ()
    lint: tuple[LintRule, ...] = ()
    prices: Mapping[str, Any] = field(default_factory=dict)
    price_places: Mapping[str, Sequence[Place]] = field(default_factory=dict, compare=False)

    @property
    def judging_model(self) -> str | None:
        """The model of judges that nothing else gives one: `gate.judge`, else the default model."""
        return self.gate.judge or self.model

    @property
    def secret_variables(self) -> set[str]:
        """The variables of the environment that it names for keys and for webhooks."""
        named = (*(rule.api_key_env for rule in self.models), *(rule.webhook_env for rule in self.budgets))
        return {*filter(None, named)}

    def model_rule(self, model: str) -> ModelRule:
        """Return all rules whose glob matches the model's id, merged: key by key the last one wins.

        `headers` and both kinds of parameters are merged key by key as well. A parameter that is left out is None.
        """
        merged: dict[str, Any] = {}
        for rule in self.models:
            if fnmatchcase(model, rule.pattern):
                merged.update((name, value) for name in _MERGED if (value := getattr(rule, name)) is not None)
                for name in ("headers", "parameters", "judge_parameters"):
                    merged[name] = {**merged.get(name, {}), **getattr(rule, name)}
        if left_out := merged.get("leave_out"):
            merged["parameters"] = {**merged["parameters"], **dict.fromkeys(left_out)}
        return ModelRule(model, **merged)

    def answers(self, model: str | None) -> tuple[str | None, Mapping[str, Any]]:
        """Return what answers for a prompt that names this model, or None: the model, and its rules for replies."""
        asked = model or self.model
        return asked, {} if asked is None else self.model_rule(asked).of_replies

    def log_rule(self, *prompt_ids: str) -> LogRule:
        """Return the last rule whose glob matches an id that a prompt has or had; the built-in default if none does."""
        rules = (rule for rule in reversed(self.log) if any(fnmatchcase(each, rule.prompts) for each in prompt_ids))
        return next(rules, LogRule())


_KEY = (  # compiled where there are headers: few files have any
    r"(?i)^(bearer +\S+|(basic|token) +(\S{16,}|(?=\S*[0-9=_])\S{6,}))$|"
    r"(?<![a-z0-9])((sk|rk)[-_][a-z0-9_-]{16}|gh[pousr]_[a-z0-9]{16}|github_pat_|glpat-|"
    r"hf_[a-z0-9]{16}|gsk_|xai-[a-z0-9]{16}|AIza[a-z0-9_-]{30}|eyJ[a-z0-9_-]{8})"
)
_REQUEST_KEYS = ("stream_options", "response_format", "encoding_format")
_OF_REPLIES = ("api_base", "headers", "lane", "supports_schema", "reasoning_block", "parameters")
_MERGED = (
    *("api_base", "api_key_env", "timeout_s", "max_attempts", "lane"),
    *("supports_schema", "leave_out", "reasoning_block", "priced_as"),
)


def read_settings(data: bytes, path: str = SETTINGS) -> Settings:
    """Read `promptctl.yaml`; an empty file sets nothing. Raises `InvalidFiles` with every problem."""
    if is_lfs_pointer(data):
        raise InvalidFiles([Problem(f"the file {LFS_POINTER}", Place(path), "run git lfs pull", "unreadable")])
    document = read_yaml(data, path)
    if document.data is None:
        return Settings()
    given = document.data
    price_places: Mapping[str, Sequence[Place]] = {}
    problems = structure_of("promptctl").check(document)
    if not problems:
        problems = [*_label_problems(document), *_model_problems(document), *_gate_problems(document)]
        problems += _place_problems(document) if "prompt_paths" in given else ()
        if "prices" in given:
            from promptctl.formats.price_rules import read_price_places

            price_places = read_price_places(document, problems)
    budgets: tuple[BudgetRule, ...] = ()
    if not problems and given.get("budgets"):
        from promptctl.formats.budget_rules import read_budgets

        budgets = read_budgets(document, problems)
    experiments: tuple[Experiment, ...] = ()
    if not problems and given.get("experiments"):
        from promptctl.formats.experiment_rules import read_experiments

        experiments = read_experiments(document, problems)
    lint: tuple[LintRule, ...] = ()
    if not problems and given.get("lint"):
        from promptctl.formats.lint_rules import read_lint

        lint = read_lint(document)
    if problems:
        raise InvalidFiles(problems)
    return Settings(
        model=given.get("model"),
        models=tuple(ModelRule(pattern, **(rule or {})) for pattern, rule in given.get("models", {}).items()),
        branch=given.get("branch"),
        labels=_labels(given.get("labels", {})),
        share=tuple(given["share"]) if "share" in given else None,
        log=tuple(_log_rule(rule, document.place("log", index)) for index, rule in enumerate(given.get("log", ()))),
        gate=_gate(given.get("gate", {})),
        limits=DatasetLimits(**given.get("limits", {})),
        budgets=budgets,
        budgets_without_log=given.get("budgets_without_log", "refuse"),
        experiments=experiments,
        lint=lint,
        prices=given.get("prices", {}),
        price_places=price_places,
    )


def _labels(given: Mapping[str, Any]) -> LabelSettings:
    rules = {name: LabelRule(**(rule or {})) for name, rule in _label_rules(given).items()}
    for rule in tuple(rules.values()):
        if rule.after is not None:
            rules.setdefault(rule.after, LabelRule())
    return LabelSettings(given.get("remote"), rules, is_signed=given.get("signed") == "required")


def _label_rules(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is written for labels; `signed: required` is no rule of a label of that name."""
    return {name: rule for name, rule in given.items() if name != "remote" and not isinstance(rule, str)}


def _gate(given: Mapping[str, Any]) -> GateSettings:
    rule = {("gate" if name == "rule" else name): value for name, value in given.items()}
    for name in ("margin", "min_effect", "max_cost_increase", "max_token_increase"):
        if isinstance(share := rule.get(name), str):
            rule[name] = float(share.removesuffix("%")) / 100
    if "metrics" in rule:
        rule["metrics"] = tuple(rule["metrics"])
    judge = rule.pop("judge", None)
    model = judge.get("model") if isinstance(judge, Mapping) else None if judge == CALIBRATED else judge
    return GateSettings(judge=model, base=rule.pop("base", None), rule=rule, calibrated=calibration_rule(judge))


def _log_rule(given: Mapping[str, Any], place: Place) -> LogRule:
    return LogRule(given["prompts"], given.get("content", "metadata"), given.get("active", True), place)


def _gate_problems(document: Document) -> Iterator[Problem]:
    """Yield `judge: calibrate` and its like, which would be a model's name, and ask for nothing."""
    judge = document.data.get("gate", {}).get("judge")
    if isinstance(judge, str) and judge != CALIBRATED and (meant := did_you_mean(judge.lower(), [CALIBRATED])):
        message = f"`{printable(judge)}` is neither a model nor `{CALIBRATED}`"
        yield Problem(message, document.place("gate", "judge"), meant, "bad-value")


def _model_problems(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with parameters for judges, keys to leave out, and headers with a key, which is not shown."""
    for pattern, given in document.data.get("models", {}).items():
        rule, keys = given or {}, ("models", pattern)
        if parameters := rule.get("judge_parameters"):
            yield from judge_parameter_problems(parameters, document.place(*keys, "judge_parameters"))
        for index, name in enumerate(rule.get("leave_out", ())):
            known = {*load_schema("prompt")["$defs"]["parameters"]["properties"], *_REQUEST_KEYS}
            if name not in known:
                place = document.place(*keys, "leave_out", index)
                hint = did_you_mean(name, known) or "name a parameter, or one of " + ", ".join(_REQUEST_KEYS)
                yield Problem(f"`{printable(name)}` is no key that could be left out", place, hint, "unknown-key")
        for name, value in rule.get("headers", {}).items():
            if re.search(_KEY, value):
                message, place = f"the header `{printable(name)}` holds a key", document.place(*keys, "headers", name)
                yield Problem(message, place, "name the variable that holds the key in `api_key_env`", "key-in-file")


def judge_parameter_problems(given: Mapping[str, Any], place: Place) -> list[Problem]:
    """Return what is wrong with parameters for judging: they are a prompt's, but null leaves one out."""
    known = load_schema("prompt")["$defs"]["parameters"]["properties"]
    checked = {name: value for name, value in given.items() if value is not None or name not in known}
    return structure_of("prompt", "parameters").check_data(checked, place)


def _place_problems(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with the places of prompts, which each tree reads for itself."""
    from promptctl.files.prompt_places import problems_in

    for index, message, hint in problems_in(document.data["prompt_paths"]):
        yield Problem(message, document.place("prompt_paths", index), hint, "bad-place")


def _label_problems(document: Document) -> list[Problem]:
    """Rules that no version could ever meet: labels that come after each other; and paths that lead elsewhere."""
    labels = document.data.get("labels", {})
    rules = {name: rule or {} for name, rule in _label_rules(labels).items()}
    problems: list[Problem] = []
    for name, rule in rules.items():
        chain = [name]
        while (after := rules.get(chain[-1], {}).get("after")) is not None and after not in chain:
            chain.append(after)
        if after == name:
            message = f"`{' after '.join([*chain, name])}`: no version could ever get there"
            problems.append(Problem(message, document.place("labels", name, "after"), "break the circle", "circle"))
        if "dataset" in rule:
            try:
                resolve_path(rule["dataset"], document.path, DATASETS)
            except PathRefused as refused:
                place = document.place("labels", name, "dataset")
                problems.append(Problem(refused.message, place, refused.hint, "path-refused"))
    return problems
