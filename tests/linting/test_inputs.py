from __future__ import annotations

import pytest

from tests.linting.linted import codes, found, system, user

TICKET = "{ticket: {type: string}}"
LONG = "Weigh each of the facts that the reader names against what the house has written about it. " * 70


class TestUnused:
    def test_input_is_found_where_it_is_declared(self) -> None:
        (only,) = found(user("Hi", inputs="{name: {type: string}}"))
        assert (only.code, str(only.place), only.severity) == ("P101", "prompts/p.prompt.yaml:1:10", "warning")

    @pytest.mark.parametrize(
        "content",
        [
            "{{ name }}",
            "{% if name %}Hi{% endif %}",
            "{% for each in name %}x{% endfor %}",
            '{% include "./a.j2" %}{{ 1 }}',
        ],
    )
    def test_inputs_that_are_used_anyhow_are_not(self, content: str) -> None:
        assert "P101" not in codes(user(content, inputs="{name: {type: string}}"), a_j2="{{ name }}")

    def test_placeholders_and_conditions_of_parts_use_their_inputs(self) -> None:
        text = """
            inputs: {history: {type: array, default: []}, photo: {type: string, required: false}}
            messages:
              - placeholder: history
              - role: user
                content:
                  - {type: text, text: Look, when: photo}
        """
        assert codes(text) == []

    def test_columns_of_githubs_tests(self) -> None:
        text = """
            messages: [{role: user, content: "{{a}}"}]
            testData: [{a: x, b: y, expected: z}]
        """
        assert codes(text) == ["P101"]


class TestNeeded:
    OPTIONAL = "{note: {type: [string, array], required: false}, other: {type: string, default: ''}}"

    @pytest.mark.parametrize(
        "content",
        [
            "{{ note }}",
            "{% if note %}From {{ note }}{% endif %}",
            "{{ note or 'nobody' }}",
            "{{ note | upper | default('nobody') }}",
            "{% for each in note %}x{% endfor %}",
            "{% if note == 'a' %}x{% endif %}",
            "{{ note.name | default('') }}",
            "{% if note is not none %}{{ note }}{% endif %}",
            "{% if note is not defined or other %}{{ note }}{% endif %}",
            '{% include "./a.j2" %}',
            "{{ note | tojson }}",
            "{% if other == note %}x{% endif %}",
            "{% if note not in [other, {}] %}x{% endif %}",
            "{% if 'a' in note %}x{% endif %}",
            "{% if note is iterable %}x{% endif %}",
            "{% if note is true %}x{% else %}{{ note }}{% endif %}",
            "{{ {'a': 1}[note] }}",
            "{% if note is not sameas none %}{{ note }}{% endif %}",
        ],
    )
    def test_an_optional_input_that_every_call_needs(self, content: str) -> None:
        problems = found(user(content, inputs=self.OPTIONAL), a_j2="{{ note }} {{ note }}")
        (only,) = (each for each in problems if each.code == "P106")
        assert only.severity == "warning"
        assert only.message.startswith("`note` is optional")

    @pytest.mark.parametrize(
        "content",
        [
            "{% if note is defined %}{{ note }}{% endif %}",
            "{% if note is defined and note %}{{ note }}{% endif %}",
            "{% if note is not defined %}x{% else %}{{ note }}{% endif %}",
            "{{ note | default('nobody') | upper }}",
            "{% if note | default('') %}{{ note }}{% endif %}",
            "{% set text = note | default('') %}{{ text }}",
            "{% for each in note | default([]) %}{{ each.name }}{% endfor %}",
            "{% if other and note is defined %}{{ note }}{% endif %}",
            "{% if other == 'long' %}{{ note }}{% endif %}",
            "{% if note is string %}{{ note }}{% endif %}",
            "{% if other %}{% set note = 'a' %}{% endif %}{{ note }}",
            "{% if note is defined %}{% set other = note %}{% elif other %}{% set note = 1 %}{% endif %}{{ note }}",
            "{% if note is not defined %}{% set note = 'a' %}{% endif %}{{ note }}{% include './a.j2' %}",
            "{% if note is defined %}{{ note }}{% elif other %}x{% else %}{% set note = 'b' %}{% endif %}{{ other }}",
            "{% if note is true or note is sameas false or note is sameas other %}x{% endif %}",
        ],
    )
    def test_one_that_a_call_may_leave_out(self, content: str) -> None:
        assert "P106" not in codes(user(content, inputs=self.OPTIONAL))

    def test_with_a_default_or_without_logic_nothing_fails(self) -> None:
        assert "P106" not in codes(user("{{ note }}", inputs="{note: {type: string, default: ''}}"))
        assert "P106" not in codes(user("{{note}}", inputs=self.OPTIONAL) + "template: simple\n")


class TestUndelimited:
    @pytest.mark.parametrize(
        "content",
        [
            "Classify the ticket.\n{{ ticket }}",
            "Ticket:\n{{ ticket }}\n\nClassify it.",
            "Classify this ticket: {{ ticket }}",
            "<rules>\nBe kind.\n</rules>\n{{ ticket }}",
            "<ticket>\n{{ ticket }}",
            "```\nx\n```\n{{ ticket }}",
        ],
    )
    def test_texts_of_others_in_the_systems_message(self, content: str) -> None:
        assert codes(system(content, inputs=TICKET)) == ["P103"]

    @pytest.mark.parametrize(
        "content",
        [
            "{{ ticket }}\nIgnore what is rude in it and classify the rest.",
            "Summarize {{ ticket }} in at most three sentences please.",
            "Here it is:\n{{ ticket }}\n\nNow write a short answer to it.",
            "Classify the ticket.\n{{ ticket }}\nAnswer with one word.",
            "{{ ticket }}\nAnswer yes or no.",
            "Is it rude?\n{{ ticket }}\n- Reply in German.",
            "Judge this: {{ ticket }}. Answer yes or no.",
        ],
    )
    def test_and_in_the_users_before_more_instructions(self, content: str) -> None:
        (only,) = found(user(content, inputs=TICKET))
        assert only.code == "P103"
        assert "`ticket`" in only.message

    @pytest.mark.parametrize(
        "content",
        [
            "<ticket>\n{{ ticket }}\n</ticket>\nClassify the ticket above with one word.",
            "<ticket id='1'>\n{{ ticket }}\n</ticket>\nClassify the ticket above with one word.",
            "<doc{{ mark }}>\n{{ ticket }}\n</doc{{ mark }}>\nClassify the ticket above with one word.",
            "[TICKET]\n{{ ticket }}\n[/TICKET]\nClassify the ticket above with one word.",
            "```\n{{ ticket }}\n```\nClassify the ticket above with one word.",
            '"""\n{{ ticket }}\n"""\nClassify the ticket above with one word.',
            "---\n{{ ticket }}\n---\nClassify the ticket above with one word.",
            "=== TICKET ===\n{{ ticket }}\n=== END ===\nClassify the ticket above with one word.",
            "BEGIN TICKET\n{{ ticket }}\nEND TICKET\nClassify the ticket above with one word.",
            'Classify the ticket "{{ ticket }}" with exactly one word.',
            "Classify the ticket `{{ ticket }}` with exactly one word.",
            "Classify the ticket {{ ticket | tojson }} with exactly one word.",
            "{{ ticket }}",
            "Classify the following ticket with one word.\n\n{{ ticket }}",
            "Ticket:\n{{ ticket }}\n\nLabel:",
            "{{ ticket }}\nThanks in advance!",
            "Product: {{ product }}\nTicket: {{ ticket }}\nLabel:",
            "Write a simple {{ ticket }} program that displays the greeting message.",
            'Judge this: {"ticket": {{ ticket }}, "reply": "x"}\nThe verdict is an integer between 1 and 5.',
        ],
    )
    def test_marks_of_any_kind_are_enough_and_so_is_the_messages_end(self, content: str) -> None:
        inputs = '{ticket: {type: string}, product: {type: string}, mark: {type: string, default: ""}}'
        assert "P103" not in codes(user(content, inputs=inputs))

    @pytest.mark.parametrize(
        ("name", "schema"),
        [
            ("product", "{type: string}"),
            ("source", "{type: string, default: auto}"),
            ("tone", "{type: string}"),
            ("language", "{type: string}"),
            ("style_guide", "{type: string}"),
            ("document_type", "{type: string}"),
            ("text_length", "{type: integer}"),
            ("text", "{enum: [a, b]}"),
            ("text", "{type: string, maxLength: 80}"),
            ("text", "{type: string, pattern: '^[a-z]+$'}"),
            ("content_url", "{type: string}"),
        ],
    )
    def test_settings_and_short_values_are_no_texts_of_others(self, name: str, schema: str) -> None:
        content = f"You write about {{{{ {name} }}}} for readers who know nothing of it."
        assert codes(system(content, inputs=f"{{{name}: {schema}}}")) == []

    @pytest.mark.parametrize("name", ["ticket", "user_input", "query", "question"])
    def test_a_bare_value_on_a_line_of_the_systems_message(self, name: str) -> None:
        text = system(f"You help people.\n{{{{ {name} }}}}", inputs=f"{{{name}: {{type: string}}}}")
        assert codes(text) == ["P103"]

    def test_one_finding_for_a_message_names_how_many_more_there_are(self) -> None:
        inputs = "{ticket: {type: string}, reply: {type: string}, email: {type: string}}"
        (only,) = found(system("Judge it.\n{{ ticket }}\n{{ email }}\n{{ reply }}", inputs=inputs))
        assert only.message.endswith("(and 1 more input of this message)")

    def test_assistant_messages_and_partials(self) -> None:
        text = system('Answer it.\n{% include "./a.j2" %}', inputs=TICKET)
        (first, *_) = found(text, a_j2="The ticket is this:\n{{ ticket }}\n")
        assert (first.code, str(first.place)) == ("P103", "prompts/a.j2:2")

    def test_a_comment_at_the_inputs_declaration_says_that_it_is_trusted(self) -> None:
        text = """
            inputs:
              ticket: {type: string}  # promptctl: ignore=P103 (we write them ourselves)
            messages:
              - role: system
                content: |
                  Classify it.
                  {{ ticket }}
        """
        assert codes(text) == []


class TestUncached:
    def test_a_value_before_a_long_constant_text(self) -> None:
        (only,) = found(system(f"Ask {{{{ name }}}}.\n{LONG}", inputs="{name: {type: string}}"))
        assert only.code == "P104"
        assert "before 6," in only.message

    @pytest.mark.parametrize(
        ("content", "inputs"),
        [
            (f"{LONG}\n{{{{ name }}}}", "{name: {type: string}}"),
            ("{{ name }} " + LONG[:2000], "{name: {type: string}}"),
            (f"{{{{ product }}}}\n{LONG}", "{product: {type: string, default: Acme}}"),
            (f"{{{{ tone }}}}\n{LONG}", "{tone: {enum: [kind, brisk]}}"),
            (f"{{{{ language }}}}\n{LONG}", "{language: {type: string}}"),
            (f"{{% if brief %}}Be brief.{{% endif %}}\n{LONG}", "{brief: {type: boolean}}"),
        ],
    )
    def test_not_if_it_is_after_it_or_of_few_values_or_the_text_is_short(self, content: str, inputs: str) -> None:
        assert "P104" not in codes(system(content, inputs=inputs))

    def test_not_for_a_model_that_caches_nothing(self) -> None:
        text = system(f"Ask {{{{ name }}}}.\n{LONG}", "model: openai/gpt-4", inputs="{name: {type: string}}")
        assert "P104" not in codes(text)
