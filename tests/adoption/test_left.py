"""Places of a program that stay as they are: each is named with its line and the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptctl.errors import UsageError
from promptctl.files.tree import MAX_BYTES
from promptctl.git.trees import WorkTree
from tests.adoption.programs import adopt
from tests.cli.conftest import git

CALL = "client.chat.completions.create(model='m', messages="
# Code, the line that is named, and a part of the reason; `CALL ` begins a call up to its messages.
LEFT = {
    "a parameter": ("def ask(client, m):\n    CALL m)\n", 2, "its messages are the parameter `m`"),
    "keywords": ("def ask(client, **given):\n    client.chat.completions.create(**given)\n", 2, "by `**`"),
    "a value that may be parts": (
        """\
def ask(client, question):
    CALL [{"role": "user", "content": question}])
""",
        2,
        "`question`, which may be more than a text",
    ),
    "a comprehension": (
        """\
def ask(client, items):
    CALL [{"role": "user", "content": f"Item {i}"} for i in items])
""",
        2,
        "it is made by an expression",
    ),
    "two values": (
        """\
def ask(client, x):
    if x:
        m = [{"role": "user", "content": "Be kind"}]
    else:
        m = [{"role": "user", "content": "Be short"}]
    CALL m)
""",
        6,
        "`m` is given its value in several places (lines 3, 5)",
    ),
    "a sum whose value changes in between": (
        """\
def ask(client, x):
    text = f"Say {x}"
    text += "."
    x = x + 1
    CALL [{"role": "user", "content": text}])
    return x
""",
        2,
        "`x` is given another value on line 4",
    ),
    "a sum whose value may be changed in between": (
        """\
def ask(client, x):
    text = f"Say {x}"
    text += "."
    x.append(1)
    CALL [{"role": "user", "content": text}])
""",
        2,
        'line 4 may change `f"{x}"` before it is sent',
    ),
    "a format that its program makes": (
        """\
P = "Hello {name} {x:{w}}"
def ask(client, n):
    CALL [{"role": "user", "content": P.format(name=n, x=1, w=2)}])
""",
        3,
        "the form of a field of `format` is a value",
    ),
    "a Jinja template with logic": (
        """\
import jinja2
T = jinja2.Template("{% for i in items %}{{ i }}{% endfor %}")
def ask(client, items):
    CALL [{"role": "user", "content": T.render(items=items)}])
""",
        4,
        "its Jinja template does more than to name what is given",
    ),
    "a Jinja template of an environment with settings of its own": (
        """\
import jinja2
E = jinja2.Environment(autoescape=True)
def ask(client, x):
    CALL [{"role": "user", "content": E.from_string("Hello {{ x }}").render(x=x)}])
""",
        4,
        "which makes a text of others as the program runs",
    ),
    "a Jinja template of an environment that is not known": (
        """\
def ask(client, x):
    CALL [{"role": "user", "content": client.from_string("Hello {{ x }}").render(x=x)}])
""",
        2,
        "which makes a text of others as the program runs",
    ),
    "a text that is stripped at a value": (
        """\
def ask(client, x):
    CALL [{"role": "user", "content": (" To: " + x).strip()}])
""",
        2,
        "of a text that begins or ends with a value",
    ),
    "a join of a list that is taken apart": (
        """\
def ask(client, x):
    CALL [{"role": "user", "content": ", ".join(["to one", *x])}])
""",
        2,
        "which makes a text of others as the program runs",
    ),
    "a call in two places": (
        """\
def ask(client, x):
    CALL [{"role": "user", "content": "to <q> or <q>".replace("<q>", client.name())}])
""",
        2,
        "which makes a text of others as the program runs",
    ),
    "a replacement of the first alone": (
        """\
def ask(client, x):
    CALL [{"role": "user", "content": "to <q> or <q>".replace("<q>", x, 1)}])
""",
        2,
        "which makes a text of others as the program runs",
    ),
    "a field of format without a value": (
        """\
def ask(client, x):
    CALL [{"role": "user", "content": "to {1}".format(x)}])
""",
        2,
        "the field `{1}` has no value",
    ),
    "a field of format without a name": (
        """\
def ask(client, x):
    CALL [{"role": "user", "content": "to {x}".format(x)}])
""",
        2,
        "the field `{x}` has no value",
    ),
    "too few values for %": (
        """\
def ask(client, x):
    CALL [{"role": "user", "content": "to %s or %s" % (x,)}])
""",
        2,
        "the values of `%` are not as many as its fields",
    ),
    "one value for two fields of %": (
        """\
def ask(client, x):
    CALL [{"role": "user", "content": "to %s or %s" % x}])
""",
        2,
        "the values of `%` are one value, which is taken apart",
    ),
    "a name that % has no value for": (
        """\
def ask(client, x):
    CALL [{"role": "user", "content": "to %(a)s" % {"b": x}}])
""",
        2,
        "a field of `%` has no value",
    ),
    "a constant that the import made": (
        """\
import datetime
P = f"Today is {datetime.date.today()}."
def ask(client):
    CALL [{"role": "user", "content": P}])
""",
        4,
        "its content is `P`, which may be more than a text",
    ),
    "an attribute that an instance may have": (
        """\
class Bot:
    P = "Be kind"
    def __init__(self):
        self.P = "x"
    def ask(self, client):
        CALL [{"role": "user", "content": self.P}])
""",
        6,
        "its content is `self.P`",
    ),
    "a list of the module that grows": (
        """\
M = [{"role": "system", "content": "Be kind"}]
def ask(client):
    M.append({"role": "user", "content": "Hello"})
    CALL M)
""",
        4,
        "`M` is made once, and changed later",
    ),
    "an attribute that a different class overrides": (
        """\
class Bot:
    P = "Be kind"
    def ask(self, client):
        CALL [{"role": "user", "content": self.P}])
class Other(Bot):
    P = "Be short"
""",
        4,
        "its content is `self.P`",
    ),
    "Langfuse": (
        """\
from langfuse import Langfuse
prompt = Langfuse().get_prompt("movie-critic", label="production")
""",
        2,
        "Langfuse keeps its prompt `movie-critic`",
    ),
    "MLflow, where Langfuse is imported, too": (
        """\
import mlflow
from langfuse import Langfuse
prompt = mlflow.genai.load_prompt("prompts:/summary/1")
""",
        3,
        "MLflow keeps its prompt",
    ),
    "Langfuse, where MLflow is imported, too": (
        """\
import mlflow
from langfuse import Langfuse
kept = Langfuse()
prompt = kept.get_prompt("summary")
""",
        4,
        "Langfuse keeps its prompt",
    ),
    "a text of a mapping that is chosen": (
        """\
P = {"a": "Be kind", "b": "Be short"}
def ask(client, kind):
    CALL [{"role": "user", "content": P[kind]}])
""",
        3,
        "`P[kind]`, which is chosen from `P` as the program runs",
    ),
    "a text of a mapping that is changed": (
        """\
P = {"a": "Be kind", "b": "Be short"}
def change():
    P["a"] = "Be brief"
def ask(client):
    CALL [{"role": "user", "content": P["a"]}])
""",
        5,
        '`P["a"]`, and more is done than to read texts from `P`',
    ),
    "a text of a mapping that is handed on": (
        """\
P = {"a": "Be {x}", "b": "Be short"}
load(P)
def ask(client):
    CALL [{"role": "user", "content": P["a"].format(x=1)}])
""",
        4,
        "and more is done than to read texts from `P`",
    ),
    "a format that is a parameter": (
        """\
def ask(client, text, q):
    CALL [{"role": "user", "content": text.format(q=q)}])
""",
        2,
        "and what `text` is cannot be followed",
    ),
    "a text with values that loses its margin": (
        """\
from textwrap import dedent
def ask(client, q):
    CALL [{"role": "user", "content": dedent(f"  Say it: {q}")}])
""",
        3,
        "which makes a text of others as the program runs",
    ),
    "texts of whoever calls": (
        """\
def ask(client, system: str, q: str):
    CALL [{"role": "system", "content": system}, {"role": "user", "content": q}])
""",
        2,
        "its texts are the parameters `system`, `q`",
    ),
    "messages in a mapping": (
        """\
def ask(client, m):
    given = dict(model="m", messages=m)
    client.chat.completions.create(**given)
""",
        2,
        "its messages are the parameter `m`",
    ),
    "values that are read around a call": (
        """\
def ask(client, ticket):
    messages = [{"role": "system", "content": f"About {ticket['title']}"}]
    ticket.load("prior")
    messages.append({"role": "user", "content": f"It says {ticket['body']}"})
    CALL messages)
""",
        4,
        "`ticket['body']` is evaluated after line 3, and would be before it: that line calls code which may change it",
    ),
    "a text to be completed": (
        """\
def ask(client, q):
    client.completions.create(model="m", prompt=f"Go on: {q}")
""",
        2,
        "it completes one text",
    ),
    "a text to be completed, as it was once": (
        """\
import openai
def ask(q):
    openai.Completion.create(model="m", prompt="Go on: " + q)
""",
        3,
        "it completes one text",
    ),
    "calls in a different order": (
        """\
from string import Template
import jinja2
def ask(client, x, y):
    CALL [{"role": "user", "content": 'Say {b} {a}'.format(a=x(), b=y())}])
""",
        4,
        "do not stand in the text once each in their order",
    ),
    "a call whose value stands there twice": (
        """\
from string import Template
import jinja2
def ask(client, x, y):
    CALL [{"role": "user", "content": 'Say {0} {0}'.format(x())}])
""",
        4,
        "do not stand in the text once each in their order",
    ),
    "a call whose value does not stand there": (
        """\
from string import Template
import jinja2
def ask(client, x, y):
    CALL [{"role": "user", "content": 'Say {1}'.format(x(), y())}])
""",
        4,
        "do not stand in the text once each in their order",
    ),
    "a call that changes what is read after it": (
        """\
from string import Template
import jinja2
def ask(client, x, y):
    CALL [{"role": "user", "content": 'Say {b} {a}'.format(a=x.pop(), b=x[0])}])
""",
        4,
        "do not stand in the text once each in their order",
    ),
    "calls in a mapping of a percent sign": (
        """\
from string import Template
import jinja2
def ask(client, x, y):
    CALL [{"role": "user", "content": 'Say %(b)s %(a)s' % {'a': x(), 'b': y()}}])
""",
        4,
        "do not stand in the text once each in their order",
    ),
    "calls in a template of Jinja": (
        """\
from string import Template
import jinja2
def ask(client, x, y):
    CALL [{"role": "user", "content": jinja2.Template('Say {{ b }} {{ a }}').render(a=x(), b=y())}])
""",
        4,
        "do not stand in the text once each in their order",
    ),
    "calls in a template with dollars": (
        """\
from string import Template
import jinja2
def ask(client, x, y):
    CALL [{"role": "user", "content": Template('Say $b $a').substitute(a=x(), b=y())}])
""",
        4,
        "do not stand in the text once each in their order",
    ),
    "a mapping that a call makes": (
        """\
from string import Template
import jinja2
def ask(client, x, y):
    CALL [{"role": "user", "content": Template('Say $a $a').substitute(x())}])
""",
        4,
        "a mapping that an expression makes",
    ),
    "a call for what is not replaced": (
        """\
from string import Template
import jinja2
def ask(client, x, y):
    CALL [{"role": "user", "content": 'Say it'.replace('X', x())}])
""",
        4,
        "which makes a text of others",
    ),
    "a text with a call in two messages": (
        """\
def ask(client, x):
    text = f"Say {x()}"
    CALL [{"role": "system", "content": text}, {"role": "user", "content": text}])
""",
        2,
        "is evaluated for something else, too",
    ),
    "half a character": (
        """\
def ask(client, x):
    CALL [{"role": "user", "content": f"Say \\ud800 {x}"}])
""",
        2,
        "its text has half a character",
    ),
    "MLflow": (
        """\
import mlflow
prompt = mlflow.genai.load_prompt("prompts:/summary/1")
""",
        2,
        "MLflow keeps its prompt",
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_it_is_named_with_its_line_and_the_reason(name: str, tmp_path: Path) -> None:
    code, line, why = LEFT[name]
    code = code.replace("CALL ", CALL)
    found = adopt(tmp_path, {"app/desk.py": code})
    assert found.prompts == ()
    assert [(each.place.path, each.place.line) for each in found.left] == [("app/desk.py", line)]
    assert why in found.left[0].why
    assert (tmp_path / "app/desk.py").read_text(encoding="utf-8") == code


def test_an_annotation_says_that_a_parameter_cannot_change(tmp_path: Path) -> None:
    code = f"""\
def ask(client, name, row):
    system = f"You help {{name}}."
    docs = search(row)
    {CALL}[{{"role": "system", "content": system}}, {{"role": "user", "content": f"Use {{docs}}."}}])
"""
    [left] = adopt(tmp_path, {"app/desk.py": code}).left
    hint = "move line 3, or write the text at the call, or, if it is always a text, say so (`name: str`)"
    assert left.hint == hint
    found = adopt(tmp_path, {"app/desk.py": code.replace("name,", "name: str,")})
    assert (len(found.prompts), found.left) == (1, ())


def test_a_message_under_a_condition_stays_beside_the_others(tmp_path: Path) -> None:
    code = f"""\
def ask(client, question: str, urgent):
    messages = [{{"role": "system", "content": "You answer."}}]
    if urgent:
        messages.append({{"role": "system", "content": "Be very quick."}})
    messages.append({{"role": "user", "content": question}})
    return {CALL}messages)
"""
    found = adopt(tmp_path, {"app/desk.py": code})
    assert [(each.place.line, each.why) for each in found.left] == [(3, "it is added under a condition or in a loop")]
    assert [each.id for each in found.prompts] == ["desk/ask"]
    assert "Be very quick." in (tmp_path / "app/desk.py").read_text(encoding="utf-8")
    assert (
        (tmp_path / "prompts/desk/ask.prompt.yaml").read_text(encoding="utf-8")
        == """\
model: openai/m
inputs:
  messages: {type: array, default: []}
  question: {type: string}
messages:
  - role: system
    content: You answer.
  - placeholder: messages
  - role: user
    content: "{{ question }}"
"""
    )


def test_constants_of_other_files_and_of_classes_are_followed(tmp_path: Path) -> None:
    found = adopt(
        tmp_path,
        {
            "app/__init__.py": "",
            "app/texts.py": 'SYSTEM = "You speak of {product}."\nclass Texts:\n    USER = "Hello"\n',
            "app/again.py": "from app.texts import SYSTEM as RULES\n",
            "app/desk.py": (
                "from . import texts\nfrom .texts import Texts\nfrom app.again import RULES\n\n"
                "class Desk:\n    NOTE = 'Thanks'\n\n    def ask(self, client, product):\n"
                f"        {CALL}[{{'role': 'system', 'content': RULES.format(product=product)}},\n"
                "            {'role': 'system', 'content': texts.SYSTEM}, {'role': 'user', 'content': Texts.USER},\n"
                "            {'role': 'user', 'content': self.NOTE}])\n"
            ),
        },
    )
    [adopted] = found.prompts
    assert adopted.id == "desk/ask"
    assert [each["content"] for each in adopted.prompt.data["messages"][:2]] == [
        "You speak of {{ product }}.",
        "You speak of {product}.",
    ]
    assert [note for note in adopted.prompt.notes if "app/texts.py:1" in note]


def test_an_annotation_is_advised_only_where_it_helps(tmp_path: Path) -> None:
    code = f"""\
def one(client, read):
    p = read()
    {CALL}[{{"role": "user", "content": p}}])
def two(client, q, read):
    p = "Start. "
    if q:
        p += read()
    {CALL}[{{"role": "user", "content": p}}])
"""
    found = adopt(tmp_path, {"app/desk.py": code})
    hint = "if it is always a text, say so (`p: str`), and ask again"
    assert [(each.place.line, each.hint) for each in found.left] == [(3, hint), (8, None)]


def test_comments_that_go_are_said(tmp_path: Path) -> None:
    code = f"""\
def ask(client, ticket):
    prompt = (
        "Be kind"  # why
        " and brief"
        # to whom
        f"{{ticket}}"
    )  # stays
    return {CALL}[
        {{"role": "system", "content": "Answer."}},  # first
        {{"role": "user", "content": prompt}},
    ])
"""
    [adopted] = adopt(tmp_path, {"app/desk.py": code}).prompts
    assert adopted.prompt.notes == ("the comments in lines 3, 5, 9 go",)
    assert "# stays" in (tmp_path / "app/desk.py").read_text(encoding="utf-8")


def test_what_a_call_says_beside_its_messages_goes_into_the_file(tmp_path: Path) -> None:
    code = """\
import openai
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
MODEL = "gpt-4o"

def ask(client, size):
    return client.chat.completions.create(
        model=MODEL, temperature=0, stop=["END"], max_tokens=size, user="me", tools=TOOLS, stream=True,
        response_format={
            "type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {"type": "object"}}},
        messages=[{"role": "user", "content": "Say it as JSON."}],
    )
"""
    [adopted] = adopt(tmp_path, {"app/desk.py": code}).prompts
    data = adopted.prompt.data
    assert (data["model"], data["parameters"]) == ("openai/gpt-4o", {"temperature": 0, "stop": ["END"]})
    assert data["output"] == {"schema": {"type": "object"}, "name": "a", "strict": True}
    assert data["tools"][0]["function"]["name"] == "look"
    assert adopted.prompt.notes == (
        "`max_tokens` is a value: the call alone has it",
        "`user` is no parameter of a prompt file: the call alone has it",
    )


@pytest.mark.parametrize(
    ("head", "model"),
    [
        ("from openai import AzureOpenAI\nclient = AzureOpenAI()\n", None),
        ("from openai import OpenAI\nclient = OpenAI(base_url='http://x')\n", None),
        ("from groq import Groq\nclient = Groq()\n", "groq/m"),
        ("client = None\n", "openai/m"),
    ],
)
def test_the_model_is_named_only_if_its_provider_is_known(head: str, model: str | None, tmp_path: Path) -> None:
    [adopted] = adopt(tmp_path, {"app/desk.py": f"{head}{CALL}[{{'role': 'user', 'content': 'Hello'}}])\n"}).prompts
    assert adopted.prompt.data.get("model") == model


def test_templates_of_langchain_are_files_and_the_code_is_shown(tmp_path: Path) -> None:
    code = """\
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate

chat = ChatPromptTemplate.from_messages(
    [("system", "You speak of {product}. {{}}"), MessagesPlaceholder("history"), ("human", "{question}")]
)
plain = PromptTemplate.from_template("Say {größe}")
"""
    found = adopt(tmp_path, {"app/desk.py": code})
    assert (tmp_path / "app/desk.py").read_text(encoding="utf-8") == code
    assert [each.id for each in found.prompts] == ["desk/chat", "desk/plain"]
    assert found.prompts[0].call == (
        'workspace.prompt("desk/chat").render({"product": product, "history": history, "question": question})'
    )
    assert found.prompts[1].call == 'workspace.prompt("desk/plain").render({"value": größe})'
    assert "{type: array, default: []}" in (tmp_path / "prompts/desk/chat.prompt.yaml").read_text(encoding="utf-8")
    again = adopt(tmp_path, {})
    assert [each.id for each in again.prompts] == ["desk/chat", "desk/plain"]
    assert again.proposal.is_empty


def test_ids_that_are_taken_are_changed_and_that_is_said(tmp_path: Path) -> None:
    call = f"def ask(client):\n    {CALL}[{{'role': 'user', 'content': 'Hello'}}])\n"
    other = call.replace("Hello", "Good day")
    taken = "messages: [{role: user, content: Hi}]\n"
    files = {"prompts/desk/Ask.prompt.yaml": taken, "a/desk.py": other, "b/desk.py": call, "b/c/desk.py": call}
    found = adopt(tmp_path, files, "a", "b")
    assert [(each.id, each.prompt.notes) for each in found.prompts] == [
        ("a/desk/ask", ("`desk/ask` is taken: its id is `a/desk/ask`",)),
        ("c/desk/ask", ("`desk/ask` is taken: its id is `c/desk/ask`",)),
        ("c/desk/ask", ("it says the same as line 2 of b/c/desk.py, and shares its file",)),
    ]


def test_many_prompts_of_one_name_are_numbered_without_reading_what_was_just_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read = WorkTree.read

    def counting(tree: WorkTree, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        reads.append(path)
        return read(tree, path, max_bytes=max_bytes)

    monkeypatch.setattr(WorkTree, "read", counting)
    calls = [f"def ask(client):\n    {CALL}[{{'role': 'user', 'content': 'Say {n}'}}])\n" for n in range(40)]
    found = adopt(tmp_path, {"desk.py": "".join(calls)}, "desk.py")
    assert [each.id for each in found.prompts] == ["desk/ask", *(f"desk/ask-{n}" for n in range(2, 41))]
    assert len(reads) < 100


def test_a_text_of_a_thousand_parts_is_one(tmp_path: Path) -> None:
    code = (
        "def ask(client):\n    s = 'a'\n"
        + "    s += ' b'\n" * 1000
        + f"    {CALL}[{{'role': 'user', 'content': s}}])\n"
    )
    found = adopt(tmp_path, {"desk.py": code}, "desk.py")
    assert found.prompts[0].prompt.data["messages"][0]["content"] == "a" + " b" * 1000


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("notes.txt", "x", "is no file of Python, TypeScript or JavaScript"),
        ("node_modules/a/chat.ts", "x", "is in `node_modules`, where the code of others is"),
        ("types.d.ts", "x", "is generated by its name"),
        ("made.py", "# DO NOT EDIT\n", "says that it is generated"),
        ("ignored.py", "x", "is ignored by Git"),
    ],
)
def test_a_named_path_that_is_not_read_is_an_error(path: str, text: str, why: str, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(UsageError, match=re.escape(f"`{path}` {why}")):
        adopt(tmp_path, {path: text, ".gitignore": "ignored.py\n"}, path)
