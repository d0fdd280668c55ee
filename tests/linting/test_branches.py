from __future__ import annotations

import pytest

from promptctl.errors import Problem
from tests.linting.linted import codes, found, system

INPUTS = """{tone: {enum: [kind, brisk]}, name: {type: string, minLength: 1}, extra: {type: string, default: ""},
  tags: {type: array, minItems: 1}, size: {type: integer, minimum: 1, maximum: 9}, mood: {enum: [a], required: false},
  nick: {type: [string, "null"], required: false}, user: {type: object, properties: {tier: {enum: [free, paid]}}},
  on: {type: boolean}, bit: {enum: [0, 1]}}"""
LOOPS = """{% for tag in tags %}{% if tag == 'a' %}{% for x in tags %}{% if x != 'a' %}B{% endif %}{% endfor %}
  {% endif %}{% endfor %}"""
USED = "{{ tone }}{{ name }}{{ extra }}{{ tags }}{{ nick }}{{ mood }}{{ size }}{{ user }}"


def unreachable(text: str, **files: str) -> list[Problem]:
    """What P102 finds; `USED` itself needs its optional inputs."""
    return [each for each in found(text, **files) if each.code == "P102"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{% if false %}A{% endif %}", "the same for every value"),
        ("{% if tone == 'angry' %}A{% endif %}", "the schema of `tone` allows no such value"),
        ("{% if tone in ['angry', 'cold'] %}A{% endif %}", "allows no such value"),
        ("{% if user.tier == 'gold' %}A{% endif %}", "the schema of `user.tier` allows no such value"),
        ("{% if name is defined %}A{% else %}B{% endif %}", "`name` always has a value"),
        ("{% if name is not defined %}A{% endif %}", "`name` always has a value"),
        ("{% if extra is undefined %}A{% endif %}", "`extra` always has a value"),
        ("{% if name %}A{% else %}B{% endif %}", "the schema of `name` decides the test"),
        ("{% if not tags %}A{% endif %}", "the schema of `tags` decides the test"),
        ("{% if size %}A{% elif extra %}B{% endif %}", "the schema of `size` decides the test"),
        ("{% if extra == 'x' %}A{% elif extra == 'x' %}B{% endif %}", "the same was tested before"),
        ("{% if size < 1 %}A{% endif %}", "the schema of `size` allows no such value"),
        ("{% if 9 < size %}A{% endif %}", "the schema of `size` allows no such value"),
        ("{% if tone == 'kind' %}A{% elif tone == 'brisk' %}B{% else %}C{% endif %}", "leave `tone` no value"),
        ("{% if tone not in ['kind', 'brisk'] %}A{% endif %}", "leave `tone` no value"),
        ("{% if tone == 'kind' %}{% if tone == 'brisk' %}A{% endif %}{% endif %}", "leave `tone` no value"),
        ("{% if extra == 'a' %}{% if extra == 'b' %}A{% endif %}{% endif %}", "leave `extra` no value"),
        ("{% if mood is none %}A{% endif %}", "the schema of `mood` allows no such value"),
        ("{% if extra is none %}A{% endif %}", "the schema of `extra` allows no such value"),
        ("{% if extra is sameas none %}A{% endif %}", "the schema of `extra` allows no such value"),
        ("{% if extra %}A{% if not extra %}B{% endif %}{% endif %}", "the same was tested before"),
        ("{{ tone | default('x') }}{% if tone == 'x' %}A{% endif %}", "the schema of `tone` allows no such value"),
        ("{% if on is true %}A{% elif on is sameas false %}B{% else %}C{% endif %}", "leave `on` no value"),
        ("{% if bit is true %}A{% endif %}", "leave `bit` no value"),
        ("{% if bit == true %}A{% elif bit == false %}B{% else %}C{% endif %}", "leave `bit` no value"),
        ("{{ 'A' if tone == 'angry' else 'B' }}", "allows no such value"),
        ("{% if extra and tone == 'angry' %}A{% endif %}", "allows no such value"),
    ],
)
def test_branches_that_nothing_reaches(content: str, words: str) -> None:
    (only,) = unreachable(system(f"{USED}\n{content}", inputs=INPUTS))
    assert words in only.message
    assert only.place is not None
    assert only.place.line == 9


@pytest.mark.parametrize(
    "content",
    [
        "{% if tone == 'kind' %}A{% else %}B{% endif %}",
        "{% if tone == 'kind' %}A{% elif tone == 'brisk' %}B{% endif %}",
        "{% if mood == 'a' %}A{% else %}C{% endif %}",
        "{% if user.tier == 'free' %}A{% elif user.tier == 'paid' %}B{% else %}C{% endif %}",
        "{% if nick is none %}A{% endif %}",
        "{% if bit is true or bit is false or tone == 'kind' %}A{% else %}B{% endif %}",
        "{% if extra | default('q') == 'q' %}A{% elif extra | default('q', true) != 'q' %}B{% else %}C{% endif %}",
        "{% if (mood or 'none') == 'none' %}A{% elif (tone if size > 1 else 'none') == 'none' %}B{% endif %}",
        "{% set tone = mood or 'none' %}{% if tone == 'none' %}A{% endif %}{% if (size and 'x') == 'x' %}B{% endif %}",
        "{% if (mood or 'a') == 'q' %}A{% elif (mood or 'b') == 'q' %}B{% endif %}",
        "{% if not mood %}{% set mood = 'none' %}{% endif %}{% if mood == 'none' %}A{% endif %}",
        "{% if size > 1 %}{% set tone = 'x' %}{% else %}{{ name }}{% endif %}{% if tone == 'x' %}A{% endif %}",
        "{% set tone = tone if size > 1 %}{% if tone is defined %}A{% else %}B{% endif %}",
        "{% if nick == 1 %}{% if nick is true %}A{% endif %}{% endif %}",
        "{% if nick in [['x'], 'y'] %}A{% elif nick in [{'x': 1}] %}B{% endif %}",
        "{% if mood | default('none') == 'none' %}A{% endif %}{% if size | default(0) < 1 %}A{% endif %}",
        "{% if size <= 1 %}A{% endif %}{% if size >= 9 %}A{% endif %}{% if size > 1 %}A{% else %}B{% endif %}",
        "{% if tone != 'kind' %}A{% else %}B{% endif %}",
        "{% if extra != 'a' %}{% if extra != 'b' %}A{% endif %}{% endif %}",
        "{% if nick is defined %}A{% else %}B{% endif %}",
        "{% if name is defined %}A{% endif %}",
        "{% if name %}A{% endif %}",
        "{% if extra %}A{% else %}B{% endif %}",
        "{% if extra == 'x' %}A{% elif extra == 'y' %}B{% else %}C{% endif %}",
        "{{ extra | default('none') }}",
        "{{ name | default('you') }}",
        LOOPS,
        "{% for tag in tags %}{% if loop.first %}A{% else %}B{% endif %}{% endfor %}",
        "{% set tone = 'angry' %}{% if tone == 'angry' %}A{% endif %}",
        "{% if size > 3 %}A{% elif size > 2 %}B{% endif %}",
    ],
)
def test_branches_that_some_value_reaches(content: str) -> None:
    assert "P102" not in codes(system(f"{USED}\n{content}", inputs=INPUTS))


def test_what_lies_within_is_not_told_again() -> None:
    content = "{% if tone == 'angry' %}{% if extra %}A{% else %}B{% endif %}{% endif %}"
    assert len(unreachable(system(f"{USED}\n{content}", inputs=INPUTS))) == 1


def test_in_a_partial() -> None:
    (only,) = unreachable(
        system(f'{USED}\n{{% include "./a.j2" %}}', inputs=INPUTS), a_j2="x\n{% if tone == 'no' %}A{% endif %}"
    )
    assert str(only.place) == "prompts/a.j2:2"
