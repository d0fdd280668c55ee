"""The code that renders a prompt in JavaScript, from the modules that `promptctl export --to ts` writes."""

from __future__ import annotations

import re

from promptctl.adoption.found import FoundPrompt


def call_of(found: FoundPrompt, prompt_id: str) -> str:
    """Return the import of a prompt and the statement that renders it, a line each.

    A text of instructions that the call takes beside its messages is the first of them.
    """
    name = re.sub(r"[^A-Za-z0-9]+(\w?)", lambda each: each[1].upper(), prompt_id.rpartition("/")[2])
    name = name if name[:1].isalpha() else f"prompt{name}"
    given = ", ".join(each if each == code else f"{each}: {code}" for each, code in found.values.items())
    left = "[{ content: system }, ...messages]" if found.has_instructions else "messages"
    rendered = f"const {left} = {name}.render({f'{{ {given} }}' if given else ''});"
    return f'import {name} from "./prompts/{prompt_id}.js";\n{rendered}'
