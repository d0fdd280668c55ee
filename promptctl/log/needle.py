"""A text to erase: found in any case, in plain text and in JSON, and replaced."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from promptctl.log.encoding import to_json

ERASED = "[erased]"


class Needle:
    """A text to look for in any case, as it stands in plain text and in JSON."""

    def __init__(self, text: str) -> None:
        plain = {unicodedata.normalize(form, text) for form in ("NFC", "NFD")} | {text}
        forms = plain | {json.dumps(each, ensure_ascii=is_ascii)[1:-1] for each in plain for is_ascii in (True, False)}
        self._pattern = re.compile("|".join(re.escape(each) for each in sorted(forms, key=len, reverse=True)), re.I)

    def is_in(self, text: object) -> bool:
        """Return True if that is a text that holds it."""
        return isinstance(text, str) and self._pattern.search(text) is not None

    def erased_from(self, data: Any) -> Any:
        """Return a text, or JSON-like data, with the text replaced in all its texts."""
        if isinstance(data, str):
            return self._pattern.sub(ERASED, data)
        if isinstance(data, dict):
            return {self.erased_from(key): self.erased_from(value) for key, value in data.items()}
        return [self.erased_from(each) for each in data] if isinstance(data, list) else data

    def erased_from_json(self, text: Any) -> Any:
        """Return JSON text with the text replaced; a number that has the same digits stays."""
        if not self.is_in(text):
            return text
        data = json.loads(text)
        after = self.erased_from(data)
        return text if after == data else to_json(after)
