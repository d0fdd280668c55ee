"""What a user is told if a reply fails: a status and a sentence. The log has the rest."""

from __future__ import annotations

from typing import NamedTuple

from promptctl import (
    BudgetReached,
    InputError,
    ModelConfigurationError,
    ModelError,
    ModelTimeout,
    PromptctlError,
    RateLimited,
)


class Failure(NamedTuple):
    """A status for the time before the reply begins, and words for both before and after."""

    status: int
    words: str


# The first that fits. Messages of providers and names of variables are nothing for users.
_FAILURES: tuple[tuple[type[PromptctlError], Failure], ...] = (
    (InputError, Failure(422, "This cannot be asked about the lesson.")),
    (BudgetReached, Failure(429, "The tutor has answered as much as it may for now. Please come back later.")),
    (RateLimited, Failure(503, "The tutor is busy. Please try again in a moment.")),
    (ModelTimeout, Failure(504, "The tutor took too long to answer. Please try again.")),
    (ModelConfigurationError, Failure(500, "The tutor is not set up. We have been told.")),
    (ModelError, Failure(502, "The tutor could not answer. Please try again.")),
)


def failure_of(error: Exception) -> Failure:
    """Return what is said of an error."""
    fitting = (failure for kind, failure in _FAILURES if isinstance(error, kind))
    return next(fitting, Failure(500, "The tutor cannot answer now. We have been told."))
