"""The result of looking for prompts in code: proposed files, proposed changes of the code, and all that stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promptctl.adoption.found import FoundPrompt, Unadoptable
from promptctl.files.proposal import Proposal


@dataclass(frozen=True, slots=True)
class AdoptedPrompt:
    """A prompt of the code with the id and the path of its file. `call` is the code that renders it from there."""

    prompt: FoundPrompt
    id: str
    path: str
    call: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        found = self.prompt.as_dict()
        return {"prompt": self.id, "file": self.path, **found, "write": self.call}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """The prompts of the code below some paths. `files` is how many files were looked at; nothing is written yet."""

    files: int
    proposal: Proposal
    prompts: tuple[AdoptedPrompt, ...] = ()
    left: tuple[Unadoptable, ...] = ()

    @property
    def rewritten(self) -> int:
        """Count of the calls that the proposal changes."""
        return sum(each.prompt.rewrite is not None for each in self.prompts)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {
            "files": self.files,
            "prompts": [each.as_dict() for each in self.prompts],
            "left": [each.as_dict() for each in self.left],
        }
