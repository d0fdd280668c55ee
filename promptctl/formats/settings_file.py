"""`promptctl.yaml`: what a workspace sets for all of its prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Lane = Literal["direct", "litellm"]
Content = Literal["full", "metadata"]


@dataclass(frozen=True, slots=True)
class ModelRule:
    """What the models whose id matches `pattern` need beyond it. None: not set by any rule."""

    pattern: str = "*"
    api_base: str | None = None
    api_key_env: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    max_attempts: int | None = None
    lane: Lane | None = None
    supports_schema: bool | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelRule:
    """What a label asks of a version before it may move there."""

    after: str | None = None
    evaluation: Literal["passed"] | None = None
    reason: Literal["required"] | None = None
    dataset: str | None = None


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """Where labels are pushed, and the rules of each; where any label is named, no other may be set."""

    remote: str | None = None
    rules: Mapping[str, LabelRule] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogRule:
    """What is kept of the executions of the prompts whose id matches the glob `prompts`."""

    prompts: str = "*"
    content: Content = "metadata"
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a workspace; the built-in defaults where the file does not say."""

    model: str | None = None
    models: tuple[ModelRule, ...] = ()
    branch: str | None = None
    labels: LabelSettings = field(default_factory=LabelSettings)
    log: tuple[LogRule, ...] = ()
    budgets: tuple[Mapping[str, Any], ...] = ()
    prices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def model_rule(self, model: str) -> ModelRule:
        """All rules whose glob matches the model's id, merged: key by key the last one wins."""
        raise NotImplementedError

    def log_rule(self, prompt_id: str) -> LogRule:
        """The last rule whose glob matches the prompt's id; the built-in default where none does."""
        raise NotImplementedError


def read_settings(data: bytes, path: str = "promptctl.yaml") -> Settings:
    """Read `promptctl.yaml`. Raises `InvalidFiles` with every problem."""
    raise NotImplementedError
