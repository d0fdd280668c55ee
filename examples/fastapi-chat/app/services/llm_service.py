"""The one place that asks the model: which prompt, at which label, with which inputs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any

from app.models.chat import ChatMessage, ChatSession
from app.services.lessons import LESSONS
from promptctl import Execution, Workspace

PROMPTS = sorted({f"tutor/{lesson.content_type}@production" for lesson in LESSONS.values()})
# The experiment of `promptctl.yaml` that the prompt of a content type takes part in; the user decides the arm.
EXPERIMENTS = {"video": "tone"}


def stream_response(
    workspace: Workspace, session: ChatSession, past: Iterable[ChatMessage], question: str, *, model: str | None
) -> AsyncGenerator[dict[str, Any] | str | Execution, None]:
    """Yield the metadata of the prompt once, then the reply's text in pieces, and last the `Execution`."""
    lesson = LESSONS[session.lesson]
    return workspace.astream(
        f"tutor/{lesson.content_type}@production",
        {
            "title": lesson.title,
            "material": lesson.material,
            "history": [
                {"role": message.role.value, "content": message.content} for message in past if message.content
            ],
            "question": question,
        },
        model=model,
        user=session.user_id,
        session=str(session.id),
        content_type=lesson.content_type,
        experiment=EXPERIMENTS.get(lesson.content_type),
        metadata={"lesson": session.lesson},
    )
