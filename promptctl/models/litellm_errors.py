"""LiteLLM's exceptions as our errors: by the HTTP answer that caused them, if there was one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptctl.errors import ModelConfigurationError, ModelError, ProviderFailed, RequestRejected
from promptctl.models.chat_protocol import provider_name
from promptctl.models.gateway import Request, broken
from promptctl.models.provider_errors import causes, interrupted, redact, refusal, was_interrupted, words_of

# LiteLLM's advice on settings of its own, which are not the user's.
_ADVICE = re.compile(r"[.,]?\s*(?:To drop|If you want|Set `litellm).*", re.DOTALL)
_CUT = "Stream ended before a finish_reason was received"
# The statuses that LiteLLM gives to failures of its own, when no provider answered with one.
_MADE_UP = frozenset({400, 500})
# What LiteLLM puts before and after a provider's words.
_AROUND = re.compile(
    r"\A(?:(?:litellm\.)?\w*(?:Error|Exception|Timeout)(?:: | - ))+"
    r"|\. Handle with `litellm\.\w+`\.|\s+Original exception: .*\Z|\s*Traceback \(most recent call last\): ?\n.*\Z",
    re.DOTALL,
)


def translated(request: Request, error: BaseException) -> ModelError:
    """Return the error that an exception of LiteLLM, or of a library beneath it, means."""
    if isinstance(error, ModelError):
        return error
    answer = _http_answer(error)
    if answer is not None:
        return refusal(request, *answer)
    names = {type(cause).__name__ for cause in causes(error)}
    if names & {"UnsupportedParamsError", "ImageFetchError"}:
        return _unsent(request, error)
    if was_interrupted(error) or _CUT in _text(error):
        return interrupted(request, error)
    if "JSONDecodeError" in names:
        return broken(request, "answered with something that is not JSON")
    status = getattr(error, "status_code", None)
    is_missing_package = any(isinstance(cause, ImportError) for cause in causes(error))
    if status == 401 or is_missing_package or (status is None and isinstance(error, ValueError)):
        return _not_set_up(request, error)
    if isinstance(status, int) and status >= 400 and status not in _MADE_UP:
        return refusal(request, status, _text(error), {})
    kind = RequestRejected if status == 400 else ProviderFailed
    failure = kind(f"{request.model} failed: {_words(error, request)}")
    failure.detail = _words(error, request)
    return failure


def _unsent(request: Request, error: BaseException) -> RequestRejected:
    """Return the error of a request that LiteLLM itself refused, before anything was sent."""
    text = _text(error)
    named = [name for name in (*request.parameters, "tools", "response_format") if re.search(rf"\b{name}\b", text)]
    if not named:
        hint = "images must be given as data: URLs for this provider; nothing is fetched from here"
        return _rejected(f"{request.model}: {_words(error, request)}", hint)
    what = _ADVICE.sub("", words_of(text))
    if "not support parameters" in text:
        what = f"{provider_name(request.model)} does not take {' and '.join(f'`{name}`' for name in named)}"
    way = f"or leave it out for this model: `leave_out: [{named[0]}]` in its rule under `models:` in promptctl.yaml"
    return _rejected(f"{request.model}: {redact(what, request)}", f"take `{named[0]}` out of the prompt, {way}")


def _rejected(message: str, hint: str) -> RequestRejected:
    error = RequestRejected(message, hint=hint)
    error.was_sent = False
    return error


def _http_answer(error: BaseException) -> tuple[int, str, Mapping[str, str]] | None:
    """Status, body and headers of the provider's answer, found in the chain of causes."""
    for cause in causes(error):
        response = getattr(cause, "response", None)
        # LiteLLM makes up responses for errors that had none; only the HTTP libraries' own carry a real one.
        is_real = type(cause).__module__.partition(".")[0] in {"httpx", "openai"}
        if is_real and response is not None and getattr(response, "status_code", 0) >= 300:
            return response.status_code, _body_of(response), response.headers
    return None


def _body_of(response: Any) -> str:
    try:
        return str(response.text)
    except Exception:
        return ""


def _not_set_up(request: Request, error: BaseException) -> ModelConfigurationError:
    return ModelConfigurationError(
        f"{request.model} is not set up: {_words(error, request)}",
        hint="see the provider's page at https://docs.litellm.ai/docs/providers for what it needs",
    )


def _words(error: BaseException, request: Request) -> str:
    return redact(words_of(_text(error)), request)


def _text(error: BaseException) -> str:
    """Return the message without what LiteLLM adds: `litellm.BadRequestError: OpenAIException - …`."""
    return _AROUND.sub("", str(getattr(error, "message", "") or error))
