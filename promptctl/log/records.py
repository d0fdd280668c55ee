"""Rows of the log as plain records, and what records them by the workspace's rules."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future, ThreadPoolExecutor

    from promptctl.log.budgets import Settlement
    from promptctl.log.feedback import Feedback

T = TypeVar("T")
Status = Literal["ok", "error", "invalid_output", "blocked", "cancelled"]
WITH_REPLY = ("ok", "invalid_output")
"""Statuses of attempts that brought a whole reply."""
Source = Literal["run", "api", "eval"]
Content = Literal["full", "metadata", "off"]
KeptContent = Literal["full", "metadata", "pruned"]


class CostCorrection(NamedTuple):
    """A cost that was corrected after the call: when, from what (None: unknown) to what, and by which price."""

    corrected_at: str
    old_nano_usd: int | None
    new_nano_usd: int
    price_source: str | None


class Drawn(NamedTuple):
    """Fields of a call that takes part in an experiment; `arm` is None if control took the place of its arm.

    `arm_key` is None for a call that had no key.
    """

    experiment: str
    arm: str | None
    arm_key: str | None


class Hides(Protocol):
    """Keeps values of sensitive inputs out of what is stored."""

    def execution(self, execution: Execution) -> Execution:
        """Return an attempt as it is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One attempt of one call: a row of `executions`, with its payloads beside it.

    `id` and `call_id` are UUIDv7 strings; the attempts of one call share `call_id` and count `attempt` from 1.
    `started_at` is UTC, ISO 8601 with milliseconds and `Z`. Costs are integer nano-USD, None if unknown.
    `reply_source` is the origin of the reply; `cache` and `recorded` cost 0 and never touch `latest_calls`.
    `inputs`, `messages`, `reply` and `tool_calls` are the payloads; a log read back without content has None there.
    `reasoning` is the model's thinking, kept with the tool calls as a part of the reply that is not its text.
    `call_metadata` is the prompt's own metadata with the call's added: the column `metadata` of the table.
    `usage_details` are the tokens and the service tier that a price may depend on and that have no field of their own;
    None in records of earlier versions, which kept none. `corrections` are those of the cost, oldest first, as far as
    they were read; `cost_nano_usd` and `price_source` of a record read back are always those of the newest.
    `feedback` is all that was given on its call, oldest first, in a record read back.
    `output` is the parsed reply if the prompt has an output schema and the reply fits it, `full_cost_nano_usd` the
    original cost of a reused reply; neither is stored.
    `kept_content` says, of a record read back, whether its row kept the payloads, never had them, or lost them to
    pruning; it is None before the record is stored.
    `experiment` and `arm` name the arm that the call got. `arm_key` is the hash of what it was drawn by, the same on
    every machine. A call that fell back to the control arm has no `arm`: it is not compared.
    `bare_error` is the error message without what it quotes of the call, None if it quotes nothing: that of a row which
    keeps no content. `mask` hides values of sensitive inputs when the record is stored. `keeps` is how much of it the
    log keeps, as far as it is known: with `off` it has no row.
    """

    id: str
    call_id: str
    attempt: int = 1
    started_at: str
    source: Source
    prompt: str
    prompt_name: str
    version: int | None = None
    version_display: str | None = None
    digest: str
    commit: str | None = None
    is_dirty: bool = False
    label: str | None = None
    content_type: str | None = None
    provider: str | None = None
    model: str
    model_resolved: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_nano_usd: int | None = None
    price_source: str | None = None
    latency_ms: float | None = None
    first_token_ms: float | None = None
    finish_reason: str | None = None
    reply_source: str = "model"
    status: Status
    error_type: str | None = None
    error_message: str | None = None
    user: str | None = None
    session: str | None = None
    evaluation_id: str | None = None
    case_id: str | None = None
    repeat: int | None = None
    tool_version: str = ""
    experiment: str | None = None
    arm: str | None = None
    arm_key: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    call_metadata: Mapping[str, Any] = field(default_factory=dict)
    usage_details: Mapping[str, Any] | None = None
    inputs: Mapping[str, Any] | None = None
    messages: Sequence[Mapping[str, Any]] | None = None
    reply: str | None = None
    tool_calls: Sequence[Mapping[str, Any]] = ()
    output: Any = None
    full_cost_nano_usd: int | None = None
    kept_content: KeptContent | None = None
    reasoning: str | None = None
    corrections: Sequence[CostCorrection] = ()
    feedback: Sequence[Feedback] = ()
    bare_error: str | None = None
    mask: Hides | None = field(default=None, repr=False, compare=False)
    keeps: Content | None = field(default=None, repr=False, compare=False)

    @property
    def metadata(self) -> dict[str, Any]:
        """Return a JSON object for a chat message that names the prompt that made it, with exactly these keys.

        `prompt_id` is the digest: with `prompt` it names the version exactly. `prompt_version` is the number or None;
        `model` is the model's name without its provider, which is in `provider`. `execution_id` is None if the log
        keeps no row. Time, tokens and cost are those of
        this record, None if unknown. A call of an experiment also has `experiment` and `arm`. Its JSON Schema is
        `promptctl/reports/json/message-metadata.schema.json`.
        """
        provider = self.provider or self.model.partition("/")[0]
        return {
            "prompt_id": self.digest,
            "prompt_version": self.version,
            "prompt_name": self.prompt_name,
            "prompt_label": self.label,
            "content_type": self.content_type,
            "model": self.model.removeprefix(f"{provider}/"),
            "provider": provider,
            "prompt": self.prompt,
            "commit": self.commit,
            "parameters": dict(self.parameters),
            "execution_id": None if self.keeps == "off" else self.id,
            "latency_ms": self.latency_ms,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_nano_usd": self.cost_nano_usd,
            **({} if self.experiment is None else {"experiment": self.experiment, "arm": self.arm}),
        }

    @property
    def scores(self) -> dict[str, float]:
        """The call's score under each name of feedback: the mean over people."""
        if not self.feedback:
            return {}
        from promptctl.log.feedback import scores_of

        return scores_of(self.feedback)

    def as_row(self, *, with_content: bool = False) -> dict[str, Any]:
        """Return the same without contents, or with those that are kept."""
        is_kept = with_content and self.kept_content == "full"
        dropped = {"output"} if is_kept else {"output", "reasoning", *CONTENT_FIELDS}
        row = {name: value for name, value in self.as_dict().items() if name not in dropped}
        if not is_kept and self.feedback:
            row["feedback"] = [{**each, "comment": None, "expected": None} for each in row["feedback"]]
        return row

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys: the fields, and `metadata`, which a chat message carries."""
        return {
            **{_JSON_NAMES.get(name, name): getattr(self, name) for name in PLAIN_FIELDS},
            "parameters": dict(self.parameters),
            "call_metadata": dict(self.call_metadata),
            "metadata": self.metadata,
            "content": self.kept_content,
            "inputs": self.inputs,
            "messages": self.messages,
            "reply": self.reply,
            "tool_calls": list(self.tool_calls),
            "output": self.output,
            **({} if self.reasoning is None else {"reasoning": self.reasoning}),
            **({"usage_details": dict(self.usage_details)} if self.usage_details else {}),
            **({"corrections": [each._asdict() for each in self.corrections]} if self.corrections else {}),
            **(
                {"scores": self.scores, "feedback": [each.as_dict() for each in self.feedback]} if self.feedback else {}
            ),
        }


_JSON_NAMES = {
    "id": "execution",
    "call_id": "call",
    "evaluation_id": "evaluation",
    "case_id": "case",
    "is_dirty": "dirty",
}
# As an event loop's own: what one of them waits for, such as a call that a warning leads to, needs a different one.
_MOST_THREADS = 32
_LAST_S = 10.0
FIELD_OF = {shown: name for name, shown in _JSON_NAMES.items()}
JSON_FIELDS = ("parameters", "call_metadata", "usage_details")
CONTENT_FIELDS = ("inputs", "messages", "reply", "tool_calls")
_NAMES = [each.name for each in fields(Execution)]
PLAIN_FIELDS = tuple(_NAMES[: _NAMES.index(JSON_FIELDS[0])])


@dataclass(frozen=True, slots=True)
class Entry:
    """An execution, and how much of it is kept by its log rule or by the call itself.

    `settlement` is what it spent of the budgets that were reserved for it, if any were.
    """

    execution: Execution
    content: Content = "metadata"
    settlement: Settlement | None = None


class LogRecorder:
    """Writes by a log's `append`, which returns a warning or None.

    `content_for` says how much the workspace's rules keep of a prompt's calls; what a call asks for wins over them, and
    `off` still keeps the totals. If the log cannot be written,
    `on_warning` is called, and the record is kept in a file that the next open takes in. `settlements` are what
    executions spent of budgets, by their ids, until their records are written.

    It has threads of its own: those of an event loop are the application's, which may keep them busy or need them.
    """

    def __init__(
        self,
        append: Callable[[list[Entry]], object],
        content_for: Callable[[str], Content],
        on_warning: Callable[[str], None],
        settlements: dict[str, Settlement] | None = None,
    ) -> None:
        self._append = append
        self._settlements = {} if settlements is None else settlements
        self.content_for = content_for
        self._on_warning = on_warning
        self._outliving: WeakKeyDictionary[asyncio.AbstractEventLoop, list[Future[None]]] = WeakKeyDictionary()
        self._threads: dict[int, ThreadPoolExecutor] = {}  # by process: a forked child has its own
        self._in_place: dict[int, Future[Any]] = {}  # by thread

    async def save(self, execution: Execution, content: Content | None) -> None:
        """Record one attempt, durably, without holding up the event loop; even if that is cancelled meanwhile."""
        import asyncio

        if (job := self._hand_over(execution, content)) is not None:
            try:
                await asyncio.shield(asyncio.wrap_future(job))
            except asyncio.CancelledError:
                self._outlive(job)
                raise

    def save_now(self, execution: Execution, content: Content | None) -> None:
        """Record one attempt, durably, before returning; in an event loop a thread does it, and `written` waits."""
        if (job := self._hand_over(execution, content)) is not None:
            self._outlive(job)

    async def written(self) -> None:
        """Wait for what `save_now` handed over in this event loop; it is written even if that is cancelled."""
        import asyncio

        here = asyncio._get_running_loop()  # none under trio
        if ours := [job for loop, jobs in list(self._outliving.items()) if loop is here for job in list(jobs)]:
            await asyncio.wait([asyncio.wrap_future(job) for job in ours])

    def on_thread(self, work: Callable[..., T], *given: Any) -> Future[T]:
        """Do something with the log on a thread that writes, or here if none is started any more."""
        from concurrent.futures import Future

        process = os.getpid()
        try:
            from concurrent.futures import ThreadPoolExecutor

            threads = self._threads.get(process)
            if threads is None:
                threads = self._threads.setdefault(process, ThreadPoolExecutor(_MOST_THREADS, "promptctl-log"))
            return threads.submit(work, *given)
        except (RuntimeError, ImportError):  # the interpreter ends, or the workspace was closed this moment
            done: Future[T] = Future()
            self._in_place[get_ident()] = done
            try:
                done.set_result(work(*given))
            except Exception as error:
                done.set_exception(error)
            self._in_place.pop(get_ident(), None)
            return done

    def close(self) -> None:
        """Wait for what the threads do, and end them; the next record starts new ones.

        As the program ends, threads of its own write their records themselves, and stand still after it: their records
        are waited for too.
        """
        if (threads := self._threads.pop(os.getpid(), None)) is not None:
            with suppress(RuntimeError):  # a warning closes the workspace from one of them
                threads.shutdown()
        if others := [job for thread, job in list(self._in_place.items()) if thread != get_ident()]:
            from concurrent.futures import wait

            wait(others, _LAST_S)

    def _hand_over(self, execution: Execution, content: Content | None) -> Future[None] | None:
        """Write on a thread if an event loop runs here, and return what to wait for; without one, write."""
        import asyncio
        from contextvars import copy_context

        if asyncio._get_running_loop() is not None:
            return self.on_thread(copy_context().run, self._write, execution, content)
        self._write(execution, content)
        return None

    def _write(self, execution: Execution, content: Content | None) -> None:
        settlement = self._settlements.pop(execution.id, None)
        entry = Entry(execution, content or self.content_for(execution.prompt), settlement)
        warning = self._append([entry])
        if warning is not None:
            self._on_warning(str(warning))
        if settlement is not None:
            settlement.written()

    def _outlive(self, job: Future[None]) -> None:
        """Have the end of the event loop that runs here wait for a record.

        It waits for threads of its own alone: one of them waits for all records, and ends with the last.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        jobs = self._outliving.setdefault(loop, [])
        jobs.append(job)
        if len(jobs) == 1:
            with suppress(RuntimeError):
                loop.run_in_executor(None, _wait_for, jobs)


def _wait_for(jobs: list[Future[None]]) -> None:
    with suppress(IndexError):
        while True:
            job = jobs[0]
            job.exception()
            with suppress(ValueError):  # a second thread was begun as this one was about to end
                jobs.remove(job)
