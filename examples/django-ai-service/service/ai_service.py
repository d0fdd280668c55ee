"""The one place that asks models. Old call sites bring their messages, new ones name a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

import promptctl
from service.exceptions import translated
from service.models import AIResponse
from service.prompts import workspace


class Answer(str):
    """The text of an answer, as `call_ai_chat` has always returned it, with what is known of it.

    `meta` says which prompt wrote it; `output` is the data of a prompt with an output schema.
    """

    __slots__ = ("meta", "output")

    meta: dict[str, Any]
    output: Any


class AIService:
    """Answers for one user, or for nobody in particular."""

    def __init__(self, user: User | None = None) -> None:
        self.user = user

    def call_ai_chat(
        self,
        system_prompt: str | None = None,
        user_prompt: str | None = None,
        *,
        prompt: str | None = None,
        context: Mapping[str, Any] | None = None,
        prompt_type: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> Answer:
        """Return the model's answer, stored as an `AIResponse` and on record in promptctl's log.

        A new call site names a `prompt`, such as `chat/assistant@production`, and its `context`. An old one brings
        `system_prompt` and `user_prompt`; nothing of them is a template, and `prompt_type` is the name that the log,
        its rules and budgets know them by. Raises `PromptTemplateError` for a prompt that is wrong, `ValueError` for
        a call that is neither, and promptctl's `ModelError` or `BudgetReached`.
        """
        parameters = {"temperature": temperature, "max_tokens": max_tokens}
        options: promptctl.RunOptions = {
            "model": settings.AI_MODEL,
            "parameters": {name: value for name, value in parameters.items() if value is not None},
            "user": None if self.user is None else str(self.user.pk),
        }
        if (prompt is None) == (user_prompt is None):
            raise ValueError("call_ai_chat takes either `prompt` and `context`, or `system_prompt` and `user_prompt`")
        with translated():
            if prompt is not None:
                execution = workspace().run(prompt, context, **options)
            else:
                messages = [{"role": "system", "content": system_prompt}] if system_prompt else []
                messages.append({"role": "user", "content": user_prompt or ""})
                execution = workspace().call(messages, prompt_type=prompt_type, **options)
        answer = Answer(execution.reply or "")
        answer.meta, answer.output = execution.metadata, execution.output
        AIResponse.objects.create(user=self.user, content=answer, meta=answer.meta)
        return answer
