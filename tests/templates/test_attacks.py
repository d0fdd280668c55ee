from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from promptctl.errors import RenderError, RenderLimitExceeded
from promptctl.templates.limits import RenderLimits
from tests.prompts.conftest import MakePrompt, render
from tests.templates.attacks import HARMLESS, INPUTS, PARTIALS, QUADRATIC, REACHING, REFUSED, TOO_LONG, TOO_MUCH

# Long enough for every attack that is stopped by what it makes, on a slow machine; nothing here waits for it.
PATIENT = RenderLimits(time_s=60)
HASTY = RenderLimits(time_s=0.05)


def attack(make_prompt: MakePrompt, template: str, limits: RenderLimits) -> str:
    inputs: dict[str, Any] = {name: eval(code) for name, code in INPUTS.items() if name in template}
    partials = {name: text for name, text in PARTIALS.items() if name in template}
    prompt = make_prompt(template, inputs={key: {} for key in inputs}, partials=partials)
    with little_memory():
        try:
            return str(render(prompt, inputs, limits=limits).messages[0]["content"])
        except RenderError as error:
            if "memory" in error.message:
                pytest.fail(error.message)
            raise


@contextmanager
def little_memory() -> Iterator[None]:
    """Let this process have 200 MiB more than it has now, where the system says how much that is."""
    measured = Path("/proc/self/statm")
    limit, most = resource.getrlimit(resource.RLIMIT_AS)
    if measured.exists():
        now = int(measured.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + 200 * 2**20, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))


@pytest.mark.untraced
@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_a_template_makes_is_bounded(make_prompt: MakePrompt, name: str) -> None:
    with pytest.raises(RenderLimitExceeded) as caught:
        attack(make_prompt, TOO_MUCH[name], PATIENT)
    assert "longer than" not in caught.value.message


@pytest.mark.parametrize("name", TOO_LONG)
def test_the_clock_stops_what_makes_nothing(make_prompt: MakePrompt, name: str) -> None:
    with pytest.raises(RenderLimitExceeded, match=r"longer than 0\.05 s"):
        attack(make_prompt, TOO_LONG[name], HASTY)


@pytest.mark.parametrize("name", QUADRATIC)
def test_what_no_clock_could_stop_is_not_begun(make_prompt: MakePrompt, name: str) -> None:
    with pytest.raises(RenderLimitExceeded, match="too"):
        attack(make_prompt, QUADRATIC[name], PATIENT)


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_value_does_not_allow_is_refused(make_prompt: MakePrompt, name: str) -> None:
    with pytest.raises(RenderError) as caught:
        attack(make_prompt, REFUSED[name], PATIENT)
    assert not isinstance(caught.value, RenderLimitExceeded)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_asked_of_a_large_value_costs_little(make_prompt: MakePrompt, name: str) -> None:
    template, printed = HARMLESS[name]
    assert attack(make_prompt, template, PATIENT) == printed


def test_numbers_whose_hashes_collide_cost_no_more_than_others(make_prompt: MakePrompt) -> None:
    prompt = make_prompt("{{ numbers | unique | length }}", inputs={"numbers": {}})
    numbers = [number * (2**61 - 1) for number in range(1, 30_001)]  # as keys of one mapping they take a minute
    start = time.process_time()
    assert render(prompt, {"numbers": numbers}, limits=PATIENT).messages[0]["content"] == "30000"
    assert time.process_time() - start < 5


@pytest.mark.parametrize("name", REACHING)
def test_nothing_of_python_is_reached(make_prompt: MakePrompt, name: str) -> None:
    with pytest.raises(RenderError) as caught:
        attack(make_prompt, REACHING[name], PATIENT)
    assert "<" not in caught.value.message.replace("{% include", "")
