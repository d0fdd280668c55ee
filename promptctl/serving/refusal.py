"""An answer that is an error, in the shape that clients of the protocol read."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from promptctl import errors

# Who could be helped by asking again was asked again for: `x-should-retry` tells it to the official clients.
HEADERS = {"x-should-retry": "false"}
_STATUSES: tuple[tuple[type[errors.PromptctlError], int, str], ...] = (
    (errors.ReplyNotRecorded, 404, "reply_not_recorded"),
    (errors.AuthenticationFailed, 401, "invalid_api_key"),
    (errors.MissingKey, 401, "missing_key"),
    (errors.ModelConfigurationError, 400, "model_not_found"),
    (errors.OutOfQuota, 429, "insufficient_quota"),
    (errors.RateLimited, 429, "rate_limit_exceeded"),
    (errors.ModelTimeout, 504, "timeout"),
    (errors.ContentFiltered, 400, "content_filter"),
    (errors.RequestRejected, 400, "request_rejected"),
    (errors.ModelError, 502, "provider_failed"),
    (errors.CostLimitReached, 402, "budget_reached"),
    (errors.UsageError, 400, "invalid_request"),
    (errors.PromptctlError, 500, "workspace_error"),
)


class NotAnswered(Exception):
    """A request that gets an error: its status, words, and the part of the request and the code that go with them."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, allow: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.allow = status, message, param, code, allow

    @property
    def body(self) -> dict[str, Any]:
        """The protocol's object of an error."""
        kind = "invalid_request_error" if self.status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def refusal_of(error: errors.PromptctlError) -> NotAnswered:
    """Return the refusal that an error of ours becomes, with what to do about it."""
    status, code = next((status, code) for kind, status, code in _STATUSES if isinstance(error, kind))
    if type(error) is errors.RequestRejected and error.status is not None:
        status = error.status
    words = f"{error}. {error.hint[:1].upper()}{error.hint[1:]}" if error.hint else str(error)
    return NotAnswered(status, words, code=code)
