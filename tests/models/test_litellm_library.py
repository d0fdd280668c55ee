"""LiteLLM in a fresh interpreter: what its import and a failing call do to the process around them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import asyncio, json, os, socket, sys, threading

touched = []
def refuse(*given, **options):
    touched.append(repr(given))
    raise OSError("no network")
socket.getaddrinfo = socket.socket.connect = socket.create_connection = refuse

before = dict(os.environ)
from promptctl.models import litellm_library
from promptctl.models.gateway import Endpoint, Request
from promptctl.models.litellm_lane import LiteLLM
from promptctl.models.prices import Prices
is_imported_early = "litellm" in sys.modules

litellm_library.preload()
is_importing_beside = any(thread.name == "import-litellm" for thread in threading.enumerate())
litellm_library.load_litellm()
after = dict(os.environ)
touched_by_import = list(touched)

async def fail():
    lane = LiteLLM(Prices())
    try:
        endpoint = Endpoint("http://127.0.0.1:1/v1", "sk-canary-1a2b3c4d")
        await lane.complete(Request("openai/x", [{"role": "user", "content": "hi"}], endpoint=endpoint))
    except Exception as error:
        return type(error).__name__
    finally:
        await lane.close()

error = asyncio.run(fail())
with open("report.json", "w") as report:
    json.dump({
        "is_imported_early": is_imported_early,
        "touched_by_import": touched_by_import,
        "has_same_environment": before == after,
        "dotenv": os.environ.get("FROM_DOTENV"),
        "is_importing_beside": is_importing_beside,
        "error": error,
    }, report)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], subprocess.CompletedProcess[str]]:
    folder: Path = tmp_path_factory.mktemp("litellm")
    (folder / ".env").write_text("FROM_DOTENV=canary\nOPENAI_API_KEY=canary\n")
    (folder / "run.py").write_text(SCRIPT)
    command = [sys.executable, "-W", "error::ResourceWarning", "run.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report, done


Ran = tuple[dict[str, Any], "subprocess.CompletedProcess[str]"]


def test_the_lane_does_not_import_litellm_before_it_is_needed(ran: Ran) -> None:
    assert ran[0]["is_imported_early"] is False


def test_the_import_touches_no_network(ran: Ran) -> None:
    assert ran[0]["touched_by_import"] == []


def test_the_import_leaves_the_environment_as_it_was_and_reads_no_dotenv(ran: Ran) -> None:
    assert ran[0]["has_same_environment"] is True
    assert ran[0]["dotenv"] is None


def test_preloading_imports_on_a_thread_of_its_own(ran: Ran) -> None:
    assert ran[0]["is_importing_beside"] is True


def test_a_call_after_preloading_works(ran: Ran) -> None:
    assert ran[0]["error"] == "ProviderUnreachable"


def test_nothing_is_printed_not_even_by_a_failing_call(ran: Ran) -> None:
    assert (ran[1].stdout, ran[1].stderr) == ("", "")
