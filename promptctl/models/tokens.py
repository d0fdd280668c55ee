"""Estimates of a text's tokens, offline: OpenAI's tokenizer with the files that come with LiteLLM."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from promptctl.models.litellm_library import environment

# The name under which tiktoken looks for `o200k_base` in its cache: the SHA-1 of the address it would load it from.
_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
_VARIABLE = "TIKTOKEN_CACHE_DIR"
_CHARACTERS_PER_TOKEN = 4


def token_counter() -> tuple[Callable[[str], int], str]:
    """Return a function that counts the tokens of a text, and what it counts with.

    Exact for OpenAI's models since gpt-4o, close for others. If the tokenizer is not to be had, a token is four
    characters. Nothing is ever downloaded.
    """
    folder = _bundled()
    try:
        import tiktoken
    except ImportError:
        folder = None
    if folder is None:
        return lambda text: -(-len(text) // _CHARACTERS_PER_TOKEN), "four characters a token"
    with environment({_VARIABLE: str(folder)}):
        encoding = tiktoken.get_encoding("o200k_base")
    return lambda text: len(encoding.encode(text, disallowed_special=())), "o200k_base tokens"


def _bundled() -> Path | None:
    """LiteLLM's folder of tokenizers, found without importing it."""
    found = find_spec("litellm")
    folder = Path(found.origin).parent / "litellm_core_utils" / "tokenizers" if found and found.origin else None
    return folder if folder is not None and (folder / _FILE).is_file() else None
