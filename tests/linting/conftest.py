from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptctl.linting import models as linted_models
from promptctl.models.model_map import ModelMap

CACHES = {"supports_prompt_caching": True}
REASONS = {"supports_reasoning": True, "supports_none_reasoning_effort": False}
MODELS: dict[str, dict[str, Any]] = {
    "gpt-4o-mini": {"litellm_provider": "openai", "max_output_tokens": 16384, "max_input_tokens": 128000, **CACHES},
    "gpt-4o": {"litellm_provider": "openai", **CACHES},
    "gpt-4": {"litellm_provider": "openai", "max_input_tokens": 8192},
    "gpt-5": {"litellm_provider": "openai", **REASONS, **CACHES},
    "gpt-5.1": {"litellm_provider": "openai", "supports_reasoning": True, "supports_none_reasoning_effort": True},
    "gpt-5-chat-latest": {"litellm_provider": "openai"},
    "o3-mini": {"litellm_provider": "openai", "supports_reasoning": True, "supports_vision": False},
    "claude-sonnet-4-5": {"litellm_provider": "anthropic", "deprecation_date": "2027-06-30"},
    "claude-opus-4-7": {"litellm_provider": "anthropic", "supports_sampling_params": False},
    "claude-2": {"litellm_provider": "anthropic", "deprecation_date": "2026-11-29"},
    "claude-3": {"litellm_provider": "anthropic", "deprecation_date": "2026-12-20"},
    "gemini/gemini-2.5-flash": {"litellm_provider": "gemini"},
    "deepseek/deepseek-chat": {"litellm_provider": "deepseek", "supports_function_calling": False},
}


@pytest.fixture(scope="session")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a list of models as LiteLLM has it: what is retired, and when, changes with its releases."""
    folder = tmp_path_factory.mktemp("litellm")
    text = json.dumps(MODELS, indent=4)
    (folder / "model_prices_and_context_window_backup.json").write_text(text, encoding="utf-8")
    providers = json.dumps({"providers": {each["litellm_provider"]: {} for each in MODELS.values()}})
    (folder / "provider_endpoints_support_backup.json").write_text(providers, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def fixed_list(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linted_models, "ModelMap", lambda: ModelMap(listed))
