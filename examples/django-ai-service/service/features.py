"""The features of the service that ask a model: one call site is moved, the other one is not yet."""

from __future__ import annotations

from service.ai_service import AIService, Answer

DOCUMENTATION = "You write documentation for Python code, in Markdown, without repeating the code."


def draft_issue(service: AIService, feedback: str, feedback_type: str = "bug") -> Answer:
    """Return an issue made of a user's words: `output` has its title and labels."""
    return service.call_ai_chat(
        prompt="issues/feedback@production", context={"feedback": feedback, "feedback_type": feedback_type}
    )


def document(service: AIService, code: str) -> Answer:
    """Return documentation for code. This call site is as it always was, but for the name in the log."""
    return service.call_ai_chat(
        system_prompt=DOCUMENTATION, user_prompt=code, temperature=0.2, prompt_type="docs/generator"
    )
