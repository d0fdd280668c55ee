"""Small pieces of JavaScript that promptfoo files hold, read as what they say; nothing is ever run."""

from __future__ import annotations

import json
import re
from typing import Any

_STEPS = re.compile(r"(?:\.[A-Za-z_$][\w$]*|\[\d+\]|\[\"[^\"\\]*\"\]|\['[^'\\]*'\])*\Z")
_STEP = re.compile(r"\.([A-Za-z_$][\w$]*)|\[(\d+)\]|\[\"([^\"\\]*)\"\]|\['([^'\\]*)'\]")
_LITERAL = r"(\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|-?\d+(?:\.\d+)?|true|false|null)"
_TEXT = r"output(?:\.trim\(\))?"
_CALL = re.compile(rf"{_TEXT}(\.toLowerCase\(\))?(?:\.trim\(\))?\.(includes|startsWith|endsWith)\({_LITERAL}\)")
_EQUAL = re.compile(rf"({_TEXT}|JSON\.parse\(output\)[^=!\n]*?)\s*(===?|!==?)\s*{_LITERAL}")
_TEST = re.compile(r"/((?:[^/\\\n]|\\.)+)/([gimsu]*)\.test\(output\)")
PARSED = "(typeof output === 'string' ? JSON.parse(output) : output)"
_LONGEST = 500
_LENGTH = re.compile(r"output\.length\s*(<=?|>=?)\s*(\d{1,4})")
# RE2 counts no further than this.
_MOST_COUNTED = 900
_METHODS = {"includes": "contains", "startsWith": "starts-with", "endsWith": "ends-with"}


def transformed_path(script: str) -> str | None:
    """Return the JSONPath of what a `transform` takes out of a reply, empty for all of it; None for any other code.

    >>> transformed_path("output.trim()"), transformed_path("JSON.parse(output).label"), transformed_path("f(output)")
    ('', '$.label', None)
    """
    code = _expression(script)
    if code in ("output", "output.trim()"):
        return ""
    for start in (PARSED, "JSON.parse(output.trim())", "JSON.parse(output)", "output"):
        steps = code.removeprefix(start)
        if steps != code or code == start:
            return "$" + _path(steps) if _STEPS.match(steps) and not steps.startswith(".trim") else None
    return None


def _expression(script: str) -> str:
    """Return the expression that a script is; nothing of a long one, which is never so simple."""
    code = script.strip().removesuffix(";").strip().removeprefix("return ").strip()
    return code if len(code) <= _LONGEST else ""


def _path(steps: str) -> str:
    return "".join(
        f"[{found[2]}]" if found[2] else f".{found[1]}" if found[1] else f"[{json.dumps(found[3] or found[4] or '')}]"
        for found in _STEP.finditer(steps)
    )


def checked(script: str) -> dict[str, Any] | None:
    """Return the assertion that says the same as a `javascript` one; None for code that is more than one comparison.

    >>> checked("output.toLowerCase().includes('refund')")
    {'type': 'icontains', 'value': 'refund'}
    """
    code = _expression(script)
    is_negated = code.startswith("!") and not code.startswith("!=")
    code = code[1:].strip() if is_negated else code
    # A `!` is of what is compared, not of the comparison.
    found = _called(code) or _tested(code) or (None if is_negated else _compared(code) or _measured(code))
    if found is None:
        return None
    negated = found.pop("negated", is_negated)
    return {**found, "type": f"not-{found['type']}"} if negated else found


def _called(code: str) -> dict[str, Any] | None:
    found = _CALL.fullmatch(code)
    value = _literal(found[3]) if found else None
    if found is None or not isinstance(value, str) or not value:
        return None
    if not found[1]:
        return {"type": _METHODS[found[2]], "value": value}
    return {"type": "icontains", "value": value} if found[2] == "includes" and value == value.lower() else None


def _compared(code: str) -> dict[str, Any] | None:
    found = _EQUAL.fullmatch(code)
    if found is None:
        return None
    path, value = transformed_path(found[1]), _literal(found[3])
    if path is None or (not path and not isinstance(value, str)):
        return None
    return {"type": "equals", "value": value, **({"path": path} if path else {}), "negated": found[2].startswith("!")}


def _tested(code: str) -> dict[str, Any] | None:
    found = _TEST.fullmatch(code)
    if found is None:
        return None
    flags = "".join(flag for flag in "ims" if flag in found[2])
    return {"type": "regex", "value": (f"(?{flags})" if flags else "") + found[1].replace("\\/", "/")}


def _measured(code: str) -> dict[str, Any] | None:
    """Return the pattern of a reply that is shorter, or longer, than some characters."""
    found = _LENGTH.fullmatch(code)
    if found is None or int(found[2]) > _MOST_COUNTED:
        return None
    number = int(found[2]) + {"<": -1, "<=": 0, ">": 1, ">=": 0}[found[1]]
    pattern = rf"(?s)\A.{{0,{number}}}\z" if found[1].startswith("<") else rf"(?s)\A.{{{number},}}"
    return {"type": "regex", "value": pattern} if number >= 0 else None


def _literal(written: str) -> Any:
    if written[0] == "'":
        inner = re.sub(r"\\(.)|\"", lambda found: "'" if found[0] == "\\'" else '\\"' if found[0] == '"' else found[0],
                       written[1:-1])  # fmt: skip
        written = f'"{inner}"'
    try:
        return json.loads(written)
    except ValueError:
        return None
