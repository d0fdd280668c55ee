"""Prompts of programs adopted: what is sent before and after is the same, and what cannot be followed is said."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptctl.adoption.texts import wish
from tests.adoption.programs import Client, adopt, sent, write

Drive = Callable[[Any, Client], object]
SAME: dict[str, tuple[str, Drive]] = {
    "format of a constant": (
        """\
SYSTEM = "You triage tickets of {product}. Answer as JSON: {{\\"label\\": \\"billing\\"}}"

def triage(client, ticket, product="Acme", history=()):
    return client.chat.completions.create(
        model="gpt-4o-mini", temperature=0,
        messages=[{"role": "system", "content": SYSTEM.format(product=product)}, *history,
                  {"role": "user", "content": f"Ticket: {ticket.strip()}"}],
    )
""",
        lambda program, client: [
            program.triage(client, " {{ x }} ", history=[{"role": "system", "content": "odd"}, {"role": "user"}]),
            program.triage(client, "b", None),
        ],
    ),
    "local texts and a list that grows": (
        """\
def triage(client, ticket, more):
    # said once
    system = "You are kind."
    prompt = f"Ticket: {ticket!r:>10}" + " end %s" % ticket  # both
    prompt += "\\nThanks {{ x }} {% raw %}"
    messages = [{"role": "system", "content": system}]
    if more:
        messages.extend(more)
    messages.append({"role": "user", "content": prompt})
    return client.chat.completions.create(model="gpt-4o", messages=messages)
""",
        lambda program, client: [
            program.triage(client, "x", []),
            program.triage(client, 12, [{"role": "user", "content": "hm"}]),
        ],
    ),
    "Anthropic": (
        """\
def ask(client, question: str, urgent):
    return client.messages.create(
        model="claude-sonnet-4-5",
        max_tokens=500,
        stop_sequences=["END"],
        system=(
            "You answer"
            + (" fast" if urgent else "")
            + "."
        ),
        messages=[{"role": "user", "content": question}],
    )
""",
        lambda program, client: [program.ask(client, "why?", 1), program.ask(client, "{% x %}", "")],
    ),
    "Anthropic with a history": (
        """\
def chat(client, name, history):
    with client.messages.stream(system=f"You speak with {name}.", max_tokens=5, model="m", messages=history) as stream:
        return stream

def chat_simply(client, name, history):
    return client.messages.create(system=f"You speak with {name}.", max_tokens=5, model="m", messages=history)
""",
        lambda program, client: program.chat_simply(client, "Ada", [{"role": "user", "content": [1, 2]}]),
    ),
    "Responses": (
        """\
async def run(client, kw):
    return client.responses.create(model="gpt-5", instructions="Be good", input=f"Hello {kw['a']}", max_output_tokens=9)

def go(client):
    coroutine = run(client, {"a": 'it"s'})
    try:
        coroutine.send(None)
    except StopIteration:
        pass
""",
        lambda program, client: program.go(client),
    ),
    "LangChain's messages": (
        """\
from langchain_core.messages import HumanMessage, SystemMessage

def chain(client, question):
    return client.invoke([SystemMessage("Be nice to people"), HumanMessage(content=f"Q: {question}")])
""",
        lambda program, client: program.chain(client, "{x}"),
    ),
    "LiteLLM with parts": (
        '''\
import string
from textwrap import dedent

class Describe:
    RULES = string.Template("Look at $what for $$5, ${who}")

    def __call__(self, client, url: str, what, who="me"):
        return client.acompletion(
            model="openai/gpt-4o",
            messages=[
                {"role": "system", "content": dedent("""
                    Be brief,
                      and kind.
                    """).strip()},
                {"role": "user", "content": [
                    {"type": "text", "text": self.RULES.substitute(what=what, who=who)},
                    {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
                ]},
            ],
        )
''',
        lambda program, client: program.Describe()(client, "https://x.example/a.png", 5),
    ),
    "percent, join, replace and repetition": (
        """\
LIMIT = 5
HEAD = "=" * 8

def ask(client, row, tags):
    text = "\\n".join([HEAD, "%(name)s has %(age)5.1f%%" % row, f"at most {LIMIT:03d}", "Tags: " + ", ".join(tags)])
    return client.chat.completions.create(
        model="x",
        messages=[
            {"role": "user", "content": text}, {"role": "assistant", "content": "<q>".replace("q", row["name"])}
        ],
    )
""",
        lambda program, client: program.ask(client, {"name": "Ada", "age": 3.14159}, ["a", "b"]),
    ),
    "a value that is read once, and one that changes each time": (
        """\
def ask(client, numbers):
    return client.chat.completions.create(messages=[
        {"role": "user", "content": f"{next(numbers)} then {next(numbers)}, {numbers and 1}"},
    ], model=next(numbers))
""",
        lambda program, client: program.ask(client, iter(["a", "b", "c"])),
    ),
    "in a loop, a comprehension and a lambda": (
        """\
def ask(client, items):
    for item in items:
        text = f"First {item}"
        messages = [{"role": "system", "content": "One by one."}, {"role": "user", "content": text}]
        client.chat.completions.create(model="x", messages=messages)
    [client.chat.completions.create(model="x", messages=[{"role": "user", "content": f"Then {i}"}]) for i in items]
    later = lambda i: client.chat.completions.create(model="x", messages=[{"role": "user", "content": f"Last {i}"}])
    return list(map(later, items))
""",
        lambda program, client: program.ask(client, ["a", 2, None]),
    ),
    "Jinja": (
        """\
import jinja2

TEMPLATE = jinja2.Template("Hello {{ name }}, {% raw %}{{ x }}{% endraw %} {{ n }}\\n")
ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined)

def ask(client, name):
    text = TEMPLATE.render(name=name, n=1.0)
    more = ENVIRONMENT.from_string("Bye {{ name }}\\n").render(name=name)
    client.chat.completions.create(model="x", messages=[{"role": "user", "content": more}])
    last = jinja2.Environment().from_string("So {{ name }}").render(name=name)
    client.chat.completions.create(model="x", messages=[{"role": "user", "content": last}])
    return client.chat.completions.create(model="x", messages=[{"role": "user", "content": text}])
""",
        lambda program, client: program.ask(client, "<Ada>"),
    ),
    "texts that methods and operators make": (
        """\
from string import Template
from textwrap import dedent

NUMBER = 1.5
T = Template("To $who and $$ ${more}")

def ask(client, x, row):
    chat = client.chat.completions
    chat.create(messages=[{"role": "user", "content": "a %(x)s b %(y)5.1f%%" % {"x": x, "y": 2}}])
    chat.create(messages=[{"role": "user", "content": "row %(name)s" % row}])
    chat.create(messages=[{"role": "user", "content": "whole %s" % x}])
    chat.create(messages=[{"role": "user", "content": "form %-5s|%05d|%r|%a" % (x, 7, x, "é")}])
    chat.create(messages=[{"role": "user", "content": "in {0[name]} {0[tags][0]} {1!r:>6}".format(row, x)}])
    chat.create(messages=[{"role": "user", "content": "of {name}".format_map(row)}])
    chat.create(messages=[{"role": "user", "content": T.substitute(row, who=x, more=1)}])
    chat.create(messages=[{"role": "user", "content": T.safe_substitute(who=x)}])
    chat.create(messages=[{"role": "user", "content": ("  to: " + x + " end ").strip()}])
    chat.create(messages=[{"role": "user", "content": (f"  to: {x}").lstrip()}])
    chat.create(messages=[{"role": "user", "content": "no <q> or <q>".replace("<q>", x)}])
    chat.create(messages=[{"role": "user", "content": ", ".join(("one", x, f"more {x}"))}])
    chat.create(messages=[{"role": "user", "content": "so " * 3 + x}])
    chat.create(messages=[{"role": "user", "content": "yes we do" if row else "no we do not"}])
    chat.create(messages=[{"role": "user", "content": f"{NUMBER:>6} {NUMBER!r} as {x[0]} {x[-1]:{3}}"}])
    chat.create(messages=[{"role": "user", "content": dedent('''
        Say it
          with {x}
        ''').format(x=x)}])
""",
        lambda program, client: program.ask(client, "a\\nb", {"name": "Ada", "tags": ["t"]}),
    ),
    "texts that are chosen": (
        """\
def ask(client, x):
    chat = client.chat.completions
    chat.create(messages=[{"role": "user", "content": "Say yes to it" if x else "Say no to it"}])
    chat.create(messages=[{"role": "user", "content": ("Be kind. " if x else "") + f"Go on with {x}."}])
    chat.create(messages=[{"role": "user", "content": f"Go on{'' if x else ' with nothing'} then"}])
""",
        lambda program, client: [program.ask(client, x) for x in (True, False, "", "{{ x }}", 0)],
    ),
    "variables that other code needs": (
        """\
import promptctl

prompts = promptctl.open_workspace(__file__)
name = "all"
greeting = f"Hello {name}"

def ask(client, x, prompts):
    prompt = f"Say {x}"
    client.chat.completions.create(messages=[{"role": "user", "content": prompt}])
    prompt += " again"
    client.log(prompt)
    gone = f"Bye {x}"
    client.chat.completions.create(messages=[{"role": "user", "content": gone}])
    del gone
    return prompt

def look(client, x):
    here = f"Here {x}"
    client.chat.completions.create(messages=[{"role": "user", "content": here}])
    return sorted(locals().items() - {("client", client)})[:1]

def greet(client):
    client.chat.completions.create(messages=[{"role": "user", "content": greeting}])

def main(client):
    both = {"role": "system", "content": "Be kind to both."}
    client.chat.completions.create(messages=[both, {"role": "user", "content": "One"}])
    client.chat.completions.create(messages=[both, {"role": "user", "content": "Two"}])
    client.chat.completions.create(messages=[dict(both), {"role": "user", "content": "Three"}] + [both])
""",
        lambda program, client: [
            client.got(program.ask(client, 1, 2)),
            client.got(program.look(client, "y")),
            program.greet(client),
            program.main(client),
        ],
    ),
    "what is posted, and what is given by a mapping": (
        """\
def post(client, text):
    client.post("https://api.example.com/v1/chat/completions", json={
        "model": "gpt-4o", "temperature": 0.5,
        "messages": [{"role": "user", "content": f"Sum up: {text}"}],
    })
    params = {"model": "x", "max_tokens": 5, "system": "Be brief.", "messages": [{"role": "user", "content": text}]}
    client.messages.create(**params)
    params = dict(messages=[{"role": "user", "content": f"Again: {text}"}])
    return client.chat.completions.create(**params)
""",
        lambda program, client: program.post(client, "long"),
    ),
    "values that change between the text and the call": (
        """\
P = "{count} and {items}"

def ask(client, count, items, row):
    text = f"Say {count}"
    count = count + 1
    client.chat.completions.create(messages=[{"role": "user", "content": text}])
    other = f"Say {items}"
    for _ in range(2):
        client.chat.completions.create(messages=[{"role": "system", "content": ""}, {"role": "user", "content": other}])
        items.append(count)
    again(client, count, items)
    fourth = f"Row {row['a']}"
    change(row)
    return client.chat.completions.create(messages=[{"role": "user", "content": fourth}])

def again(client, count, items):
    third = P.format(**locals())
    count = 7
    client.messages.create(system=third, messages=[{"role": "user", "content": "Go"}])

def change(row):
    row["a"] = "changed"
""",
        lambda program, client: program.ask(client, 1, [5], {"a": "b"}),
    ),
    "mappings of texts": (
        """\
PROMPTS = {"triage": "Sort {ticket}.", "reply": "Answer kindly.", "numbers": [1]}

class Desk:
    TEXTS = {"rule": "Be short."}

def ask(client, ticket):
    own = {"end": "Thanks"}
    return client.chat.completions.create(messages=[
        {"role": "system", "content": PROMPTS["reply"]},
        {"role": "user", "content": PROMPTS["triage"].format(ticket=ticket)},
        {"role": "user", "content": f"{Desk.TEXTS['rule']} {own['end']}"},
    ])
""",
        lambda program, client: program.ask(client, "it {x}"),
    ),
    "a mapping made by dict, taken apart": (
        """\
def ask(client, q):
    given = dict(model="m", messages=[{"role": "user", "content": f"Tell me {q}"}])
    return client.chat.completions.create(**given)
""",
        lambda program, client: program.ask(client, "why"),
    ),
    "a text that two calls and a log share": (
        """\
def ask(client, history):
    prompt = "Be kind"
    client.log(prompt)
    client.messages.create(system=prompt, messages=history, max_tokens=1)
    return client.chat.completions.create(
        messages=[{"role": "system", "content": "Answer."}, {"role": "user", "content": prompt}, *history])
""",
        lambda program, client: program.ask(client, [{"role": "user", "content": "before"}]),
    ),
    "numbers that are counted up in a text, or stand for nothing": (
        """\
def ask(client, n, row, tags):
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content":
        f"Page {n + 1} of {1 + n + 2}, {n if n else 0} {None if n else 1} {row.get('org', 0)} "
        f"{chr(10).join('- ' + tag for tag in tags)} {', '.join(tags)}"}])
""",
        lambda program, client: [program.ask(client, n, {}, ["a", "b"]) for n in (0, 3)],
    ),
    "messages made by dict": (
        """\
def ask(client, q, history):
    messages = [dict(role="system", content="Be kind."), *history]
    messages.append(dict(role="user", content=f"Tell me {q}"))
    return client.chat.completions.create(model="m", messages=messages)

def say(client, q):
    return client.chat.completions.create(messages=[dict(content="Say " + q, role="user", name="ada")])
""",
        lambda program, client: (
            program.ask(client, "why", [{"role": "user", "content": "x"}]),
            program.say(client, "it"),
        ),
    ),
    "a sum of lists, yielded": (
        """\
def ask(client, questions):
    for question in questions:
        messages = [
            {"role": "system", "content": "Answer."},  # the rule
        ] + [{"role": "user", "content": f"Q {question}"}]
        yield client.chat.completions.create(model="m", messages=messages)
""",
        lambda program, client: list(program.ask(client, ["a", "b"])),
    ),
    "calls once each in their order": (
        """\
def ask(client, rows, row):
    client.chat.completions.create(model="m", messages=[
        {"role": "system", "content": "Say {} {a}".format(rows.pop(), a=rows.pop())},
        {"role": "user", "content": "As %s, %s" % (rows.pop(), row[0]) + "X".replace("X", str(rows.pop()))},
        {"role": "user", "content": "Or {b} {a} {b}".format(a=row[0], b=row[1])},
    ])
""",
        lambda program, client: program.ask(client, [1, 2, 3, 4], ["a", "b"]),
    ),
    "calls that are tried again": (
        """\
def ask(client, rows, row):
    text = f"Say {rows} and {row[0]}"
    for attempt in range(2):
        client.chat.completions.create(model="m", messages=[
            {"role": "system", "content": "Be kind."}, {"role": "user", "content": text}])

def again(client, row):
    text = f"Say it to {row[0]}"
    attempt = 0
    while attempt < 2:
        attempt += 1
        client.chat.completions.create(model="m", messages=[
            {"role": "system", "content": "Be kind."}, {"role": "user", "content": text}])
""",
        lambda program, client: (program.ask(client, [1], [2]), program.again(client, [3])),
    ),
    "values in a different order beside a call": (
        """\
def ask(client, row, user):
    client.chat.completions.create(model="m", messages=[{"role": "user", "content":
        "Say {c} to {a} and {a} in {b} {a}".format(a=row[0], c=row[1], d=row[2], b=user.get("lang"))}])
""",
        lambda program, client: program.ask(client, [1, 2, 3], {"lang": "de"}),
    ),
    "calls of an earlier line for a later message": (
        """\
def ask(client, rows):
    question = f"Say {rows.pop()}"
    client.chat.completions.create(model="m", messages=[
        {"role": "system", "content": f"Be {rows.pop()}"},
        {"role": "user", "content": question},
    ])
""",
        lambda program, client: program.ask(client, [1, 2]),
    ),
    "a value that a caller changes at a yield": (
        """\
def ask(client, row):
    text = f"Say {row[0]}"
    yield
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
""",
        lambda program, client: _changed_at_each_yield(program, client),
    ),
    "a value that has a second name, and is changed by a call": (
        """\
def ask(client, row):
    other = row
    text = f"Say {row}"
    other.append("new")
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
""",
        lambda program, client: program.ask(client, ["old"]),
    ),
    "a value that has a second name, and is changed by a sum": (
        """\
def ask(client, row):
    other = row
    text = f"Say {row}"
    other += ["new"]
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
""",
        lambda program, client: program.ask(client, ["old"]),
    ),
    "a value that has a second name, and is changed in place": (
        """\
def ask(client, row):
    other = row
    text = f"Say {row}"
    other[0] = "new"
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
""",
        lambda program, client: program.ask(client, ["old"]),
    ),
    "a value that a line changes which prints": (
        """\
def ask(client, row):
    text = f"Say {row[0]}"
    print(end=change())
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])

ROW = ["old"]

def change():
    ROW[0] = "new"
    return ""
""",
        lambda program, client: program.ask(client, program.ROW),
    ),
    "a decorator and a comment before all else, and letters of two bytes": (
        """\
# A program of ours.

# why
@(lambda function: function)
def ask(client, n):
    a = "a line that is all ASCII"
    return client.chat.completions.create(grüße="é", messages=[{"role": "user", "content": f"Säg {n} ü"}], end=a)
""",
        lambda program, client: program.ask(client, 1),
    ),
    "templates with dollars": (
        """\
from string import Template
T = Template("Say ${a}b $$ $b to $c")
def ask(client, row, n):
    chat = client.chat.completions
    chat.create(messages=[{"role": "user", "content": T.safe_substitute(a=row, b=n)}])
    chat.create(messages=[{"role": "user", "content": Template("Say ${a}b $b").substitute(row, b=n)}])
""",
        lambda program, client: program.ask(client, {"a": 1, "b": 2}, 3),
    ),
    "a variable that a function within changes": (
        """\
def ask(client, n: int):
    def more():
        nonlocal n
        n += 1
    text = f"Say {n}"
    more()
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
""",
        lambda program, client: program.ask(client, 1),
    ),
    "returns, quotes and names that templates know": (
        '''\
def ask(client, loop, true, größe):
    """Ask."""
    return client.chat.completions.create(
        model="x",
        messages=[{"role": "user", "content": f"a\\r\\nb\\rc {loop} {{{true}}} {größe}"
                   " \\" ' \\\\ \\t {% if x %} {#"}],
    )
''',
        lambda program, client: program.ask(client, "l\r\n", None, 1.5),
    ),
}


def _changed_at_each_yield(program: Any, client: Client) -> None:
    row = ["old"]
    for _ in program.ask(client, row):
        row[0] = "new"


@pytest.mark.parametrize("name", SAME)
def test_the_adopted_program_sends_the_same(name: str, tmp_path: Path) -> None:
    code, drive = SAME[name]
    path = tmp_path / "app/program.py"
    write(tmp_path, {"promptctl.yaml": "model: echo/echo\n", "app/program.py": code})
    before = sent(tmp_path, "app/program.py", drive)
    found = adopt(tmp_path, {"app/program.py": code})
    assert found.prompts, found.left
    assert all(each.prompt.rewrite for each in found.prompts), [each.prompt.why for each in found.prompts]
    assert path.read_text(encoding="utf-8") != code
    assert sent(tmp_path, "app/program.py", drive) == before
    if "taken apart" in name or "mappings" in name or name == "Jinja":
        assert found.left == ()
    again = adopt(tmp_path, {}, "app")
    assert again.prompts == ()
    assert again.proposal.is_empty
    assert [re.sub(r"\d+", "", each.why) for each in again.left] == [
        re.sub(r"\d+", "", each.why) for each in found.left
    ]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("n + 1", "n"),
        ("row.get('org', 'none')", "row_org"),
        ("os.environ.get('LANG')", "os_environ_LANG"),
        ("os.getenv('LANG')", "LANG"),
        ("', '.join(tags)", "tags"),
        ("chr(10).join('- ' + tag for tag in row.tags)", "row_tags"),
        ("os.path.join(folder, 'x')", "folder"),
        ("get_name()", "name"),
        ("chr(10)", "value"),
    ],
)
def test_an_input_is_named_by_what_its_value_is_about(code: str, name: str) -> None:
    assert wish(ast.parse(code, mode="eval").body) == name
