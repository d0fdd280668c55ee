"""What the tests of the models share: a server, and requests to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from promptctl.models.gateway import Endpoint, Request
from tests.openai_server import OpenAIServer

# LiteLLM silences these when it is imported, which pytest takes back for each test.
LITELLM_WARNINGS = [
    pytest.mark.filterwarnings("ignore:Accessing the .* attribute on the instance is deprecated"),
    pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier"),
    pytest.mark.filterwarnings("ignore:.*conflict with protected namespace"),
]
KEY = "sk-canary-1a2b3c4d5e6f7g8h"


@pytest.fixture(scope="session")
def running_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(running_server: OpenAIServer) -> OpenAIServer:
    running_server.reset()
    return running_server


@pytest.fixture
def ask(server: OpenAIServer) -> Callable[..., Request]:
    """Makes a request to the server; any field can be given."""

    def make(text: str = "hello", **fields: Any) -> Request:
        given = {
            "model": "openai/gpt-4o-mini",
            "messages": ({"role": "user", "content": text},),
            "timeout_s": 10.0,
            "endpoint": Endpoint(server.url, KEY),
        }
        return Request(**{**given, **fields})

    return make
