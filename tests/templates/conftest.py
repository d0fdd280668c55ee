"""Prompts made by hand, for the tests of what a template may do."""

from __future__ import annotations

from tests.prompts.conftest import make_prompt

__all__ = ["make_prompt"]
