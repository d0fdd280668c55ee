"""Whatever a program's prompts are made of: once adopted, it sends the same."""

from __future__ import annotations

import ast
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.adoption.programs import adopt, sent, write

NAMES = ("ticket", "product", "items", "row['name']", "ticket", "str(product)", "len(items)", "client._name")
SPECIAL = ["{{ x }}", "{%", "#}", "{", "}", "{{", "%", "%%", "$", "\n", "\r\n", "\r", '"', "'", "\\", '"""', "é"]
SPECIAL += ["😀", "{x}", "\t", " ", "", "\x00"]
SPECIAL += ["endraw", "{% endraw %}", "null", "- a: b", "\u2028", "\x85"]
TEXTS = st.lists(st.sampled_from(SPECIAL) | st.text(max_size=5), max_size=4).map("".join)
VALUES = st.sampled_from(
    ["a {{ b }}", "", "x\r\ny", 5, -1.5, 1e30, True, None, ["a", 2], {"k": "v"}, "{% if %}", "\x00"]
)


@st.composite
def f_strings(draw: Any) -> str:
    parts: list[ast.expr] = []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            parts.append(ast.Constant(draw(TEXTS)))
        else:
            value = ast.parse(draw(st.sampled_from(NAMES)), mode="eval").body
            parts.append(ast.FormattedValue(value, draw(st.sampled_from([-1, 114, 115])), None))
    try:
        return ast.unparse(ast.JoinedStr(parts))
    except ValueError:  # Python 3.11 has no backslash within
        return repr("plain")


@st.composite
def texts(draw: Any, depth: int = 2) -> str:
    """An expression of Python that makes a text."""
    kind = draw(
        st.sampled_from(["literal", "f", "constant", "sum", "percent", "format", "join", "replace", "choice", "lines"])
    )
    if kind == "f":
        return str(draw(f_strings()))
    if kind == "constant":
        return str(draw(st.sampled_from(["FIRST", "SECOND", "Desk.RULES", 'SAID["it"]', "Desk.SAID['it']"])))
    if kind == "lines":
        return "(" + "\n        ".join(repr(each) for each in draw(st.lists(TEXTS, min_size=1, max_size=3))) + ")"
    if kind == "percent":
        head = draw(TEXTS).replace("%", "%%")
        return f"{head + '%s and %r'!r} % (ticket, {draw(st.sampled_from(NAMES))})"
    if kind == "format":
        head = draw(TEXTS).replace("{", "{{").replace("}", "}}")
        return f"{head + '{0} {who} {0!r:>8}'!r}.format(ticket, who={draw(st.sampled_from(NAMES))})"
    if kind == "literal" or depth == 0:
        return repr(draw(TEXTS))
    inner = texts(depth - 1)
    if kind == "sum":
        return f"({draw(inner)} + {draw(inner)})"
    if kind == "join":
        return f"{draw(TEXTS)!r}.join([{draw(inner)}, {draw(inner)}])"
    if kind == "replace":
        return f"{draw(TEXTS) + '<q>'!r}.replace('<q>', {draw(inner)})"
    return f"({draw(TEXTS)!r} if items else {draw(TEXTS)!r})"


STYLES = {
    "inline": """\
    return client.chat.completions.create(
        model="m", messages=[{"role": "system", "content": <1>}, {"role": "user", "content": <2>}])<end>
""",
    "local": """\
    # why<end>
    first = <1>
    second = <2><end>
    second += <3>
    return client.chat.completions.create(
        model="m", messages=[{"content": second, "role": "user"}, {"role": "assistant", "content": first}])
""",
    "grown": """\
    messages = [{"role": "system", "content": <1>}]<end>
    if items:
        messages += history
    messages.append({"role": "user", "content": <2>})
    return client.chat.completions.create(messages=messages)
""",
    "mixed": """\
    return client.chat.completions.create(
        messages=[{"role": "system", "content": <1>}, *history, {"role": "user", "content": <2>}])
""",
    "chain": """\
    first = <1>
    product = <2><end>
    for item in [1, 2]:
        second = f'{first} {product} {item}'
        client.chat.completions.create(model='m', messages=[{"role": "user", "content": second}])
    return client.chat.completions.create(model='m', messages=[{"role": "user", "content": first}])
""",
    "system": """\
    return client.messages.create(system=<1>, messages=[{"role": "user", "content": <2>}], max_tokens=1)
""",
    "named": """\
    prompt = <1><end>
    client.log(prompt)
    system = {"role": "system", "content": <2>}
    client.messages.create(system=prompt, messages=history, max_tokens=1)
    return client.chat.completions.create(messages=[system, {"role": "user", "content": prompt}, *history])
""",
}


@st.composite
def programs(draw: Any) -> str:
    one, two, three = (draw(texts()) for _ in range(3))
    style = draw(st.sampled_from(list(STYLES)))
    end = draw(st.sampled_from(["", "  # kept", "\n    # kept, too"]))
    change = draw(st.sampled_from(["", "SAID['it'] += '!'", "print(SAID.get('it'), end='')", "SAID.update(it='?')"]))
    head = (
        f"FIRST = {draw(TEXTS)!r}\nSECOND = (\n    {draw(TEXTS)!r}\n    {draw(TEXTS)!r}\n)\n\n\n"
        f"class Desk:\n    RULES = {draw(TEXTS)!r}\n    SAID = {{'it': {draw(TEXTS)!r}}}\n\n\n"
        f"SAID = {{'it': FIRST + {draw(TEXTS)!r}, 'more': len(FIRST)}}\n{change}\n\n"
        "def ask(client, ticket, product, items, row, history):\n"
    )
    body = STYLES[style]
    for name, text in {"<1>": one, "<2>": two, "<3>": three, "<end>": end}.items():
        body = body.replace(name, text)
    return head + body


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs(), st.lists(st.tuples(VALUES, VALUES, st.lists(VALUES, max_size=2)), min_size=1, max_size=2))
def test_any_program_sends_the_same(code: str, values: list[Any]) -> None:
    def drive(program: Any, client: Any) -> None:
        for ticket, product, items in values:
            try:
                program.ask(client, ticket, product, items, {"name": product}, [{"role": "user", "content": "before"}])
            except (AttributeError, TypeError) as error:
                client.failed(type(error).__name__)

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, {"app/program.py": code})
        before = sent(root, "app/program.py", drive)
        found = adopt(root, {"app/program.py": code})
        assert found.prompts or found.left
        assert sent(root, "app/program.py", drive) == before
        assert adopt(root, {}).prompts == ()
