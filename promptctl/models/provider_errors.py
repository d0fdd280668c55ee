"""Refusals of providers as our errors, with every key, header and address taken out of their words.

Both lanes to real models speak through this module, so that the same failure reads the same whichever lane met it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from promptctl.errors import (
    AuthenticationFailed,
    ContentFiltered,
    ModelError,
    ModelTimeout,
    OutOfQuota,
    ProviderFailed,
    ProviderUnreachable,
    RateLimited,
    RequestRejected,
)
from promptctl.files.wording import clip
from promptctl.models.gateway import HINT_ENDPOINT, Endpoint, Request

_REDACTED = "[redacted]"
_SHOWN_CHARS = 500
# A provider that echoes a key usually shows its first and last few characters.
_KEY_ENDS = 6
_SHORTEST_SECRET = 4
_MASKED = re.compile(r"[\w.\-]*\*{3,}[\w.\-*]*")
_KEY_LIKE = re.compile(
    r"(?i)\bbearer\s+[^\s\"',;]+|\b(?:sk|pk|rk|gsk|hf|xai|r8|AIza)[-_]?[A-Za-z0-9_\-]{12,}|\bAKIA[0-9A-Z]{12,}"
)
# Where the words of an error stand, in the shapes that servers give it.
_WORDS = ("error", "errors", "message", "detail", "msg", "error_message", "base_resp", "status_msg", "title")
_NAMED = [
    (re.compile("auth|api_?key|permission", re.I), 401),
    (re.compile("quota|billing|credits?|balance", re.I), 402),
    (re.compile("rate_?limit|too_?many|resource_?exhausted", re.I), 429),
    (re.compile("not_?found|invalid|bad_?request|unsupported|unprocessable|context_length", re.I), 400),
]
_QUOTA = re.compile(
    r"insufficient_quota|insufficient[ _](?:balance|credits?|funds)|exceeded your current quota|"
    r"credit balance is too low|(?:doesn't|does not) have any credits|billing_(?:hard_limit|not_active)",
    re.I,
)
# A 400 of a provider that has no 401 for it, and a 403 that is of each request; others are of this one.
_KEY_INVALID = re.compile(
    r"API_KEY_INVALID|invalid[ _]api[ _]key|incorrect api key|api key (?:is )?(?:not valid|invalid|expired)", re.I
)
_FORBIDDEN = re.compile(
    r"\bkeys?\b|api_?key|credential|permission|authori[sz]|authenticat|(?:\b|_)accounts?\b|organi[sz]ation|"
    r"subscription|AccessDenied|(?:have|no) access|access to|\bcountry",
    re.I,
)
_RENEWED = re.compile(r"RESOURCE_EXHAUSTED|RetryInfo|per[ _-]?(?:minute|day|second)|try again in \d", re.I)
_DELAY = re.compile(
    r"(?:retryDelay\W+|(?:try again|retry) in )"
    r"((?:\d+(?:\.\d+)? ?(?:ms|h(?:ours?)?|m(?:in(?:utes?)?)?|s(?:ec(?:onds?)?)?)(?![a-z]) ?)+)",
    re.I,
)
_DELAY_PART = re.compile(r"(\d+(?:\.\d+)?) ?(ms|[hms])", re.I)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_FILTERED = re.compile(
    r"content_filter|content[ _]policy|ResponsibleAIPolicy|content management policy|data_inspection_failed|"
    r"content exists risk|flagged as potentially violating|violates? (?:our |the )?(?:usage|safety|content)|"
    r"requires moderation|input was flagged|flagged_input",
    re.I,
)
_HINTS = [
    (
        re.compile(r"response_format|json_schema|structured.outputs?", re.I),
        "set `supports_schema: false` under `models:` in promptctl.yaml, so that the schema is asked for in words",
    ),
    (
        re.compile(r"encoding_format"),
        "set `leave_out: [encoding_format]` under `models:` in promptctl.yaml",
    ),
]
_CONTEXT = re.compile(r"context_length_exceeded|maximum context length|context window|prompt is too long", re.I)
_HTML = re.compile(r"\s*(?:<!doctype html|<html)", re.I)
_TIMEOUTS = frozenset({"Timeout", "ReadTimeout", "ConnectTimeout", "PoolTimeout"})
_BREAKS = frozenset(
    {"ConnectionRefusedError", "ConnectionResetError", "BrokenPipeError", "ConnectionAbortedError", "gaierror"}
    | {"ClientConnectionError", "ServerDisconnectedError", "ClientPayloadError", "ClientOSError"}
    | {"ClientConnectorError", "ClientConnectorDNSError", "ClientConnectorCertificateError", "SSLCertVerificationError"}
    | {"ConnectError", "ReadError", "WriteError", "RemoteProtocolError", "IncompleteReadError", "APIConnectionError"}
)


def refusal(request: Request, status: int, words: str, headers: Mapping[str, str]) -> ModelError:
    """Return the error that an HTTP status of 300 or more means. `words` is the answer's body or its message."""
    said = redact(words_of(words), request)
    detail = f": {said}" if said else ""
    kind, hint, did = _meaning(status, words)
    if status == 404:
        hint = f"check the model's name and the address, {request.endpoint.place}"
    error = kind(f"{request.model} {did} ({status}){detail}", hint=hint, status=status)
    error.detail = said or None
    if issubclass(kind, RateLimited | ProviderFailed):
        asked_s = retry_after_s(headers)
        error.retry_after_s = _delay_in(words) if asked_s is None else asked_s
    return error


def error_in_answer(request: Request, data: Mapping[str, Any]) -> ModelError | None:
    """Return the error that an answer with status 200 is, as some servers send it; None if it has no words of one."""
    if not any(data.get(key) for key in _WORDS):
        return None
    words = json.dumps(data)
    objects = [inner for key in _WORDS if isinstance(inner := data.get(key), dict)] + [data]
    status = next((status for each in objects if (status := _status_in(each)) is not None), None)
    if status is not None:
        return refusal(request, status, words, {})
    said = redact(words_of(words), request)
    failure = ProviderFailed(f"{request.model} answered with an error: {said}")
    failure.detail = said
    return failure


def _status_in(error: Mapping[str, Any]) -> int | None:
    """Return the HTTP status that an error object states, as a number or by the name of its kind."""
    for key in ("code", "status", "status_code", "statusCode"):
        code = str(error.get(key))
        if code.isdecimal() and 400 <= int(code[:6]) < 600:
            return int(code)
    named = " ".join(str(error.get(key)) for key in ("code", "type", "status"))
    return next((status for pattern, status in _NAMED if pattern.search(named)), None)


def interrupted(request: Request, cause: BaseException | None = None) -> ModelError:
    """Return the error of a request that got no whole answer, by what is found in the chain of causes."""
    errors, place = list(causes(cause)), request.endpoint.place
    names = {type(error).__name__ for error in errors}
    if "ConnectionRefusedError" in names:
        return _unreachable(request, f"nothing listens at {place} (connection refused)")
    if names & {"gaierror", "ClientConnectorDNSError"}:
        return _unreachable(request, f"the host name of {place} is not known")
    certificate = next((e for e in errors if type(e).__name__ == "SSLCertVerificationError"), None)
    if certificate is not None:
        reason = getattr(certificate, "verify_message", "") or "not accepted"
        return _unreachable(request, f"the certificate of {place} was refused ({reason})", _HINT_CERTIFICATE)
    if any(map(_is_timeout, names)):
        return timed_out(request)
    return ProviderUnreachable(f"{request.model}: the connection closed before the reply was whole")


def was_interrupted(error: BaseException) -> bool:
    """Return True if an error, or what caused it, is of the connection or of its deadline: `interrupted` says which."""
    # LiteLLM calls whatever it does not know a connection error.
    names = {type(cause).__name__ for cause in causes(error) if not type(cause).__module__.startswith("litellm")}
    return bool(names & _BREAKS) or any(map(_is_timeout, names))


def timed_out(request: Request) -> ModelTimeout:
    """Return the error of a reply that was not whole in time."""
    return ModelTimeout(
        f"{request.model} gave no whole reply within {request.timeout_s:g} s",
        hint="raise `timeout_s` under `models:` in promptctl.yaml, or the `timeout` that the call gave; or ask for a "
        "shorter reply",
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what caused it, what caused that, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def words_of(body: str) -> str:
    """Return the words of an error's body, on one line of bounded length."""
    if _HTML.match(body):
        return "an HTML page"
    try:
        said = _message_in(json.loads(body))
    except (ValueError, RecursionError):
        said = body
    return clip(" ".join(said.split()), _SHOWN_CHARS)


def redact(text: str, request: Request) -> str:
    """Return the text without the request's key, headers and address, and without anything that looks like a key."""
    for secret in sorted(_secrets(request.endpoint), key=len, reverse=True):
        text = text.replace(secret, _REDACTED)
    key = request.endpoint.api_key or ""
    if len(key) >= 2 * _KEY_ENDS:
        for end in (key[:_KEY_ENDS], key[-_KEY_ENDS:]):
            text = re.sub(rf"[^\s\"',;:]*{re.escape(end)}[^\s\"',;:]*", _REDACTED, text)
    return _KEY_LIKE.sub(_REDACTED, _MASKED.sub(_REDACTED, text))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the provider asks to wait: Retry-After as a number or a date; None if it does not ask.

    >>> retry_after_s({"retry-after": "1.5"})
    1.5
    """
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    seconds = _seconds(value)
    return seconds if seconds is not None or not value else _seconds_until(value)


_HINT_CERTIFICATE = "name the certificates to trust in the variable SSL_CERT_FILE"
_HINT_KEY = "check the provider's key in the environment; `api_key_env` under `models:` names another variable"
_HINT_FORBIDDEN = (
    "if only some requests are refused, change their inputs; if all are, check the key's rights and `api_base`"
)


def _meaning(status: int, words: str) -> tuple[type[ModelError], str | None, str]:
    if status in {400, 403, 422} and _FILTERED.search(words):
        return ContentFiltered, "change the prompt or its inputs", "refused the prompt by its content filter"
    # A quota for each minute or day says when it is free again; a spent account does not.
    is_spent = status in {400, 403, 429} and _QUOTA.search(words) and not _RENEWED.search(words)
    if status == 402 or is_spent:
        return OutOfQuota, "add credit to the account with the provider", "is out of quota"
    is_refused = status == 403 and _FORBIDDEN.search(words) and not _HTML.match(words)
    if status == 401 or is_refused or (status == 400 and _KEY_INVALID.search(words)):
        return AuthenticationFailed, _HINT_KEY, "refused the key"
    if status == 403:
        return RequestRejected, _HINT_FORBIDDEN, "refused the request"
    if status == 429:
        return RateLimited, None, "takes no more requests for now"
    if status in {408, 409, 425} or status >= 500:
        return ProviderFailed, None, "failed"
    if status < 400:
        hint = "set `api_base` to the address it leads to; a redirect is not followed, so that no key goes with it"
        return RequestRejected, hint, "answered with a redirect"
    if _CONTEXT.search(words):
        return RequestRejected, "shorten the inputs, or choose a model with a longer context", "refused the request"
    named = next((way for pattern, way in _HINTS if pattern.search(words)), None)
    return RequestRejected, named, "refused the request"


def _delay_in(words: str) -> float | None:
    """Return the seconds that an error's body asks to wait, as Gemini's and OpenAI's do; None if it does not."""
    found = _DELAY.search(words)
    if found is None:
        return None
    return sum(float(number) * _SECONDS[unit.lower()] for number, unit in _DELAY_PART.findall(found[1]))


def _is_timeout(name: str) -> bool:
    return name in _TIMEOUTS or name.endswith("TimeoutError")


def _unreachable(request: Request, why: str, hint: str = HINT_ENDPOINT) -> ProviderUnreachable:
    error = ProviderUnreachable(f"{request.model} was not reached: {why}", hint=hint)
    error.was_sent = False
    return error


def _secrets(endpoint: Endpoint) -> set[str]:
    found = {endpoint.api_key or "", *endpoint.headers.values()}
    if endpoint.api_base:
        parts = urlsplit(endpoint.api_base)
        found |= {endpoint.api_base, endpoint.api_base.rstrip("/"), parts.netloc, parts.hostname or ""}
    return {secret for secret in found if len(secret) >= _SHORTEST_SECRET}


def _message_in(body: Any) -> str:
    """Return the message of an error object, in the shapes that providers give it."""
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        return "; ".join(_message_in(item) for item in body)
    if isinstance(body, dict):
        for key in _WORDS:
            if body.get(key):
                return _message_in(body[key])
    return json.dumps(body, ensure_ascii=False)


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
