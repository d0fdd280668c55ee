"""The seam between an assertion that needs a model and whoever calls it: the runner, with its budget and its log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class JudgeReply:
    """A judge's reply, word for word.

    `cost_nano_usd` is None if its price is unknown, `fault` why it is not whole. `forget` it if it is no verdict.
    """

    text: str
    cost_nano_usd: int | None
    execution_id: str
    fault: str | None = None
    forget: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class JudgeEmbeddings:
    """One vector for each text, in that order."""

    vectors: Sequence[Sequence[float]]
    cost_nano_usd: int | None
    execution_id: str | None = None


@dataclass(frozen=True, slots=True)
class Licence:
    """Agreement of a judge with people on one rubric, as far as it is known.

    `calibration` is the key of its calibration, None without one. `lack` says why it decides nothing; None if it does.
    """

    calibration: str | None = None
    lack: str | None = None


class Judge(Protocol):
    """Runs judges' prompts and embeddings; each call is logged and costed like any other."""

    async def ask(self, prompt_id: str, inputs: Mapping[str, Any], *, model: str | None = None) -> JudgeReply:
        """Run the judge's prompt of that id on these inputs; those that the prompt does not declare are left out.

        A workspace's own prompt of that id stands before the one that ships (`promptctl.assertions.judges`). Without
        `model` the prompt's, or the evaluation's judge. Raises `ModelError`, and whatever stops the evaluation.
        """

    def model_for(self, prompt_id: str | None, model: str | None) -> str:
        """Return the model that is asked if an assertion names this prompt (None for embeddings) and model."""

    def licence(self, prompt_id: str | None, model: str | None, rubric: str) -> Licence:
        """Return what is known of the agreement with people of the judge that an assertion names, on its rubric."""

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> JudgeEmbeddings:
        """One vector for each text."""
