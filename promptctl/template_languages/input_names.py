"""Names of variables in other languages as names that inputs may have."""

from __future__ import annotations

import re

from promptctl.files.free_names import plain_letters
from promptctl.prompts.closure import JINJA_WORDS

_OTHER = re.compile(r"[^A-Za-z0-9_]+")
# `dict` and `namespace` are functions of the templates, and no variables.
_TAKEN = JINJA_WORDS | {"dict", "namespace"}


def input_name(text: str) -> str:
    """Return a name that an input may have, of ASCII letters, digits and `_`, and no word of Jinja.

    >>> input_name("user-name"), input_name("größe"), input_name("2nd"), input_name("self"), input_name("質問")
    ('user_name', 'grosse', 'input_2nd', 'self_', 'input')
    """
    name = text
    if not (name.isascii() and name.isidentifier()):
        name = _OTHER.sub("_", plain_letters(text)).strip("_") or "input"
        name = name if name[0].isalpha() else f"input_{name}"
    return f"{name}_" if name in _TAKEN else name
