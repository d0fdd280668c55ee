"""Answers in the chat-completions protocol as they come over the wire, mended before LiteLLM reads them.

LiteLLM loses or trips over some of what the direct lane reads. What it has no place for is kept for our lane.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

from promptctl.errors import ModelConfigurationError, ModelError
from promptctl.models.chat_protocol import answer_data, dict_of, dicts_of, odd_counts, word_of
from promptctl.models.chat_stream import DONE, EventDecoder, index_of, is_kept_open
from promptctl.models.gateway import LARGEST_REPLY, Request, broken, is_broken_off, text_of, too_large
from promptctl.models.hosts import HUB, Reach

_PATHS = ("/chat/completions", "/embeddings")


class Wire:
    """The requests and the answer of one call. `failure` is the error that it turned out to be, whatever LiteLLM makes
    of that.

    `started` is the `time.perf_counter()` at which the request was sent; what LiteLLM imports before is not latency.
    """

    def __init__(self, request: Request, reach: Reach) -> None:
        self.started = time.perf_counter()
        self._reach = reach
        self.failure: ModelError | None = None
        self._request = request
        self._refusal = ""
        self._usage: Any = None
        self._finish_reason: str | None = None

    def begin(self) -> None:
        """Take the time: the request goes out now."""
        self.started = time.perf_counter()

    def check(self, scheme: str, host: str, port: int | None, path: str) -> None:
        """Raise the error of a request to an address that is not the model's, before it is sent."""
        self._refuse(host, self._reach.refusal(scheme, host, port, path))

    def check_host(self, host: str) -> None:
        """Raise the error of looking up a host that no request of the call may go to."""
        self._refuse(host, self._reach.refusal_of_host(host))

    def _refuse(self, host: str, error: ModelConfigurationError | None) -> None:
        if error is None:
            return
        if host.lower() != HUB:
            self.failure = error
        raise error

    def take(self) -> dict[str, Any]:
        """Return what LiteLLM was not given since the last time, as a chunk of the protocol."""
        refusal, self._refusal = self._refusal, ""
        usage, self._usage = self._usage, None
        choices = [{"delta": {"refusal": refusal}}] if refusal else []
        return {"usage": usage, "choices": choices, "finish_reason": self._finish_reason}

    async def mend(self, response: Any) -> Any:
        """Return the response of an HTTP library with a bounded body, which is mended if it is of the protocol."""
        import httpx

        response = self._bounded(response)
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        if not response.is_success or not response.request.url.path.endswith(_PATHS):
            return response
        wire, received = self, response

        class Mended(httpx.AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                decoder = EventDecoder()
                async for part in received.aiter_bytes():
                    # One by one: an error among them must not take with it what came before.
                    for event in decoder.feed(part):
                        yield wire._event(event)
                for event in decoder.finish():
                    yield wire._event(event)

            async def aclose(self) -> None:
                await received.aclose()

        body: httpx.AsyncByteStream
        if kind == "text/event-stream":
            body = Mended()
        elif kind == "text/html":
            self.failure = broken(self._request, "answered with HTML")
            raise self.failure
        elif kind == "application/json":
            body = httpx.ByteStream(self._mended(await received.aread(), "message"))
        else:
            return response
        return _with_body(response, body)

    def _bounded(self, response: Any) -> Any:
        """Return a response of which no more than the direct lane reads is held, however it is compressed."""
        import httpx

        wire = self

        class Bounded(httpx.AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                left = LARGEST_REPLY
                async for part in response.aiter_bytes():
                    left -= len(part)
                    if left < 0:
                        wire.failure = too_large(wire._request)
                        raise wire.failure
                    yield part

            async def aclose(self) -> None:
                await response.aclose()

        return _with_body(response, Bounded())

    def _event(self, data: bytes) -> bytes:
        return b"" if is_kept_open(data) else b"data: %s\n\n" % self._mended(data, "delta")

    def _mended(self, body: bytes, part: str) -> bytes:
        try:
            data = {} if body == DONE else answer_data(body)
        except (ValueError, RecursionError):
            return body
        if not isinstance(data, dict) or not data:
            return body
        if data.get("error") or not isinstance(data.get("choices", data.get("data")), list):
            from promptctl.models.provider_errors import error_in_answer

            self.failure = error_in_answer(self._request, data)
            if self.failure is not None:
                raise self.failure
        for choice in dicts_of(data.get("choices")):
            self._mend(choice, part)
        if odd_counts(data.get("usage")):
            self._usage, data["usage"] = data["usage"], None
        return json.dumps(data).encode()

    def _mend(self, choice: dict[str, Any], part: str) -> None:
        if is_broken_off(word_of(choice.get("finish_reason"))):
            # LiteLLM calls it a stop, or fails without what had come.
            self._finish_reason, choice["finish_reason"] = choice["finish_reason"], "stop"
        if choice.get(part) is None:
            choice[part] = {"role": "assistant", "content": None}
        said = dict_of(choice[part])
        if isinstance(content := said.get("content"), list) and all(
            each.get("type") == "text" for each in dicts_of(content)
        ):
            said["content"] = text_of(content)
        for call in dicts_of(said.get("tool_calls")):
            if index_of(call) is None:
                call.pop("index", None)
        if part == "delta" and said.get("refusal"):
            self._refusal += str(said.pop("refusal"))


def _with_body(response: Any, body: Any) -> Any:
    """Return a response with this body, which is not compressed any more: no header may say that it is."""
    import httpx

    plain = [each for each in response.headers.items() if each[0] not in {"content-encoding", "content-length"}]
    return httpx.Response(response.status_code, headers=plain, stream=body, request=response.request)
