"""A review in which HEAD takes away what tests its prompts: told by every gate, and failed by the strict one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from promptctl.comparisons.rule import GateRule
from promptctl.errors import CHECK_FAILED, OK
from tests.reviews.conftest import TRIAGE, Cli, Pull, case

STRICT = GateRule(gate="strict")
Evade = Callable[[Pull], object]


def eight(**more: Any) -> list[dict[str, Any]]:
    return [case(n) | more for n in range(8)]


def all_must_pass(pull: Pull) -> str:
    pull.dataset(*eight(must_pass=True), min_pass=0.9)
    return pull.commit("Every case must pass")


def drop_cases(pull: Pull) -> None:
    pull.dataset(*eight(must_pass=True)[:6], min_pass=0.9)


def drop_must_pass(pull: Pull) -> None:
    pull.dataset(*eight(), min_pass=0.9)


def lower_min_pass(pull: Pull) -> None:
    pull.dataset(*eight(must_pass=True), min_pass=0.5)


def move_and_lower_min_pass(pull: Pull) -> None:
    pull.git("rm", "--quiet", "datasets/triage.yaml")
    pull.dataset(*eight(must_pass=True), name="moved", min_pass=0.5)


def answer_themselves(pull: Pull) -> None:
    pull.dataset(*eight(must_pass=True, output="billing"), min_pass=0.9)


def group_them(pull: Pull) -> None:
    pull.dataset(*eight(must_pass=True, cluster="all"), min_pass=0.9)


def name_another_prompt(pull: Pull) -> None:
    pull.dataset(*eight(must_pass=True), prompt="other", min_pass=0.9)


def delete(pull: Pull) -> None:
    pull.git("rm", "--quiet", "datasets/triage.yaml")


EVASIONS: list[tuple[Evade, str]] = [
    (delete, "datasets/triage.yaml was removed, which tested triage"),
    (name_another_prompt, "datasets/triage.yaml no longer tests triage"),
    (drop_cases, "datasets/triage.yaml lost 2 cases (case-6, case-7)"),
    (drop_must_pass, "datasets/triage.yaml: 8 cases no longer must pass (case-0, case-1, case-2 and 5 more)"),
    (
        answer_themselves,
        "datasets/triage.yaml: 8 cases answered by the dataset itself (case-0, case-1, case-2 and 5 more)",
    ),
    (group_them, "datasets/triage.yaml: 8 cases grouped with other cases (case-0, case-1, case-2 and 5 more)"),
    (lower_min_pass, "datasets/triage.yaml: min_pass 0.9 → 0.5"),
    (move_and_lower_min_pass, "datasets/triage.yaml: min_pass 0.9 → 0.5 in datasets/moved.yaml"),
]


@pytest.mark.parametrize(("evade", "told"), EVASIONS)
def test_what_is_taken_away_is_told_and_fails_the_strict_gate(pull: Pull, evade: Evade, told: str) -> None:
    base = all_must_pass(pull)
    evade(pull)
    pull.edit("prompts/triage.prompt.yaml", "Say one word.", "Say one word only.")
    found = pull.data(base=base, is_evaluated=False)
    assert (found["exit_code"], found["taken_away"]) == (OK, [told])
    assert found["warnings"] == [f"HEAD takes away what tests its prompts: {told}; --gate strict would fail"]
    strict = pull.data(base=base, is_evaluated=False, rule=STRICT)
    assert strict["exit_code"] == CHECK_FAILED
    assert strict["decision"] == f"The strict gate lets HEAD take away nothing that tests a prompt: {told}."


def test_long_ids_hide_nothing_else_of_what_is_taken_away(pull: Pull) -> None:
    long = [case(20 + n) | {"id": f"{'x' * 199}{n}"} for n in range(3)]
    pull.dataset(*long, *eight(must_pass=True), min_pass=0.9)
    base = pull.commit("Long ids")
    pull.dataset(*eight(), min_pass=0.5)
    pull.commit("Away")
    told = pull.markdown(base=base, is_evaluated=False)
    warning = next(line for line in told.splitlines() if "HEAD takes away what tests its prompts:" in line)
    strict = pull.markdown(base=base, is_evaluated=False, rule=STRICT)
    decision = next(line for line in strict.splitlines() if "The strict gate lets HEAD take away nothing" in line)
    for line in (warning, decision):
        assert "lost 3 cases \\(xxx" in line
        assert "8 cases no longer must pass" in line
        assert "min\\_pass 0.9 → 0.5" in line
        assert len(line) < 1000
    assert warning.endswith("; --gate strict would fail**")


def test_what_else_fails_stands_before_what_is_taken_away(pull: Pull) -> None:
    base = all_must_pass(pull)
    delete(pull)
    pull.edit(
        "prompts/triage.prompt.yaml", "  ticket: {type: string}\n", "  ticket: {type: string}\n  more: {type: string}\n"
    )
    told = pull.markdown(base=base, is_evaluated=False, rule=STRICT, fails_on_breaking=True)
    assert (
        "\n**triage breaks its callers or consumers. The strict gate lets HEAD take away nothing that tests a prompt: "
        "datasets/triage.yaml was removed, which tested triage.**\n"
    ) in told


def test_every_output_says_so(pull: Pull, cli: Cli) -> None:
    base = all_must_pass(pull)
    delete(pull)
    pull.commit("Away")
    outputs = ["-o", "a.md", "-o", "a.html", "-o", "a.xml", "-o", "a.json"]
    told = "datasets/triage.yaml was removed, which tested triage"
    ran = cli("review", base, "HEAD", "--no-eval", *outputs)
    assert ran.exit_code == OK
    assert f"warning: HEAD takes away what tests its prompts: {told}; --gate strict would fail" in ran.out
    texts = {suffix: (pull.root / f"a.{suffix}").read_text() for suffix in ("md", "html", "xml", "json")}
    assert all("HEAD takes away what tests its prompts" in text for text in texts.values())
    page = json.loads(texts["html"].split('type="application/json">')[1].split("</script>")[0])
    assert page["review"]["warnings"]

    ran = cli("review", base, "HEAD", "--no-eval", "--gate", "strict", *outputs)
    assert ran.exit_code == CHECK_FAILED
    assert f"failed: The strict gate lets HEAD take away nothing that tests a prompt: {told}." in ran.out
    for suffix in ("md", "html", "xml", "json"):
        assert "The strict gate lets HEAD take away nothing" in (pull.root / f"a.{suffix}").read_text()
    assert "<failure message=" in (pull.root / "a.xml").read_text()


def rename(pull: Pull, text: str) -> None:
    """Put the prompt under a new id that no `formerly` explains."""
    pull.git("rm", "--quiet", "prompts/triage.prompt.yaml")
    pull.write("prompts/sort.prompt.yaml", text)


def alike(pull: Pull) -> None:
    rename(pull, pull.read("prompts/triage.prompt.yaml").replace("Say one word.", "Say one word only."))


def unlike(pull: Pull) -> None:
    rename(pull, "inputs: {ticket: {type: string}}\nmessages: [{role: user, content: '{{ ticket }} in a word'}]\n")


@pytest.mark.parametrize("put_under_a_new_id", [alike, unlike])
def test_no_new_name_hides_what_is_taken_away(pull: Pull, put_under_a_new_id: Evade) -> None:
    base = all_must_pass(pull)

    def told() -> object:
        pull.commit("Evade")
        found = pull.data(base=base, is_evaluated=False, rule=STRICT)
        assert found["exit_code"] == (CHECK_FAILED if found["taken_away"] else OK)
        pull.git("reset", "--quiet", "--hard", base)
        put_under_a_new_id(pull)
        return found["taken_away"]

    put_under_a_new_id(pull)
    assert told() == ["datasets/triage.yaml still names triage, and no longer tests triage (sort may stand for it)"]
    pull.dataset(*eight(must_pass=True), prompt="sort", min_pass=0)
    assert told() == ["datasets/triage.yaml: min_pass 0.9 → 0"]
    pull.git("mv", "datasets/triage.yaml", "datasets/sort.yaml")
    pull.dataset(*eight(must_pass=True)[:7], name="sort", prompt="sort", min_pass=0)
    assert told() == [
        "datasets/triage.yaml was removed, which tested triage (sort may stand for it)",
        "datasets/triage.yaml: min_pass 0.9 → 0 in datasets/sort.yaml",
    ]
    pull.git("rm", "--quiet", "datasets/triage.yaml")
    pull.dataset(*eight(), name="sort", prompt="sort", min_pass=0.9)
    assert told() == ["datasets/triage.yaml: 8 cases no longer must pass (case-0, case-1, case-2 and 5 more)"]
    pull.git("rm", "--quiet", "datasets/triage.yaml")
    pull.dataset(case(20), name="sort", prompt="sort", min_pass=0)
    assert told() == ["datasets/triage.yaml was removed, which tested triage (sort may stand for it)"]
    pull.dataset(*eight(must_pass=True), prompt="sort", min_pass=0.9)
    assert told() == []


def test_no_decoy_takes_the_tests_of_a_removed_prompt_over(pull: Pull) -> None:
    base = all_must_pass(pull)
    unlike(pull)
    pull.write("prompts/decoy.prompt.yaml", "messages: [{role: user, content: billing}]\n")
    pull.dataset(*eight(must_pass=True), prompt="decoy", min_pass=0.9)
    pull.commit("A prompt that passes every case, and one that has none")
    found = pull.data(base=base, is_evaluated=False, rule=STRICT)
    said = "the tests of triage test decoy now, and sort, which may stand for it, has none"
    told = f"{said}: `formerly: [triage]` in one of them says which does"
    assert (found["exit_code"], found["taken_away"]) == (CHECK_FAILED, [told])
    pull.edit("prompts/sort.prompt.yaml", "inputs:", "formerly: [triage]\ninputs:")
    assert pull.data(base=base, is_evaluated=False, rule=STRICT)["taken_away"] == [
        "datasets/triage.yaml no longer tests sort (was triage)"
    ]
    pull.dataset(*eight(must_pass=True), prompt="sort", min_pass=0.9)
    pull.commit("Test it")
    assert pull.data(base=base, is_evaluated=False, rule=STRICT)["taken_away"] == []


def test_cases_that_assert_less_are_told(pull: Pull) -> None:
    both = [{"type": "equals", "value": "billing"}, {"type": "contains", "value": "bill"}]
    pull.dataset(case(1) | {"assert": both}, case(2) | {"assert": both}, case(3) | {"assert": both, "threshold": 0.9})
    base = pull.commit("Two assertions")
    pull.dataset(
        case(1) | {"assert": both[:1]},
        case(2) | {"assert": [both[0], both[1] | {"weight": 0}]},
        case(3) | {"assert": both, "threshold": 0.1},
    )
    pull.commit("Fewer")
    (told,) = pull.data(base=base, is_evaluated=False)["taken_away"]
    assert told == "datasets/triage.yaml: 3 cases asserting less (case-1, case-2, case-3)"


def test_a_schema_that_refuses_less_asks_less_of_every_case(pull: Pull) -> None:
    schema = "type: object\nproperties: {label: {type: string}}\nrequired: [label]\n"
    typed = TRIAGE + "output: {schema: {$ref: shared/out.schema.yaml}}\n"
    pull.write("prompts/shared/out.schema.yaml", schema)
    pull.write("prompts/triage.prompt.yaml", typed)
    pull.dataset(case(1) | {"expected": None, "assert": [{"type": "json-schema"}]})
    base = pull.commit("Type it")

    def told() -> list[str]:
        pull.commit("Change")
        found = pull.data(base=base, is_evaluated=False, rule=STRICT)
        assert found["exit_code"] == (CHECK_FAILED if found["taken_away"] else OK)
        pull.git("reset", "--quiet", "--hard", base)
        return found["taken_away"]  # type: ignore[no-any-return]

    pull.write("prompts/shared/out.schema.yaml", schema.replace("required: [label]", "required: []"))
    said = "replies to triage may be what the output schema of BASE refuses"
    assert told() == [f"{said} ($.label: need not be there now)"]
    closed = schema.replace("required: [label]", "required: []\nadditionalProperties: false")
    pull.write("prompts/shared/out.schema.yaml", closed)
    base, before = pull.commit("Close it"), base
    pull.write("prompts/shared/out.schema.yaml", closed.replace("label: {type: string}", ""))
    assert told() == []  # which refuses more
    pull.write("prompts/shared/out.schema.yaml", closed.replace("{label:", "{why: {type: string}, label:"))
    assert told() == []
    base = before
    pull.git("reset", "--quiet", "--hard", base)
    pull.write("prompts/triage.prompt.yaml", TRIAGE)
    assert told() == [f"{said} (schema: replies were JSON of a schema and are free text now)"]
    rename(pull, TRIAGE.replace("Say one word.", "Say one word only."))
    pull.dataset(case(1) | {"expected": None, "assert": [{"type": "is-json"}]}, prompt="sort")
    assert told() == [f"{said.replace('triage', 'sort')} (schema: replies were JSON of a schema and are free text now)"]
    pull.write("prompts/shared/out.schema.yaml", schema.replace("string", "string, minLength: 2"))
    assert told() == []
    pull.write("prompts/triage.prompt.yaml", typed)
    pull.dataset(case(1))
    pull.write("prompts/shared/out.schema.yaml", schema.replace("object", "objekt"))
    base = pull.commit("No schema")
    pull.write("prompts/shared/out.schema.yaml", schema)
    assert told() == []
    pull.git("rm", "--quiet", "datasets/triage.yaml")
    base = pull.commit("No test")
    pull.write("prompts/triage.prompt.yaml", TRIAGE)
    assert told() == []
    unlike(pull)
    pull.dataset(case(1), prompt="sort")
    assert told() == []


def test_a_strict_xfail_is_among_the_changes_and_one_no_longer_strict_asks_less(pull: Pull) -> None:
    def marked(*, is_strict: bool) -> dict[str, Any]:
        return case(1, xfail={"reason": "later", "strict": is_strict})

    pull.dataset(case(2), marked(is_strict=True))
    base = pull.commit("A pass would fail")
    pull.dataset(case(2), marked(is_strict=False))
    free = pull.commit("A pass is fine")
    found = pull.data(base=base, is_evaluated=False)
    told = "datasets/triage.yaml: 1 case free to pass, whatever `xfail` says (case-1)"
    assert (found["taken_away"], found["datasets"][0]["changed"]) == ([told], ["case-1"])
    pull.dataset(case(2), marked(is_strict=True))
    pull.commit("Strict again")
    found = pull.data(base=free, is_evaluated=False)
    assert (found["taken_away"], found["datasets"][0]["changed"]) == ([], ["case-1"])


def test_tests_in_the_file_of_a_prompt_under_a_new_id_count_too(pull: Pull) -> None:
    prompt = "messages:\n  - {role: user, content: 'Hi {{x}}'}\n"
    pull.write("prompts/own.prompt.yml", prompt + "testData:\n  - {x: a, expected: Hi a}\n")
    base = pull.commit("A prompt with a test of its own")
    pull.git("rm", "--quiet", "prompts/own.prompt.yml")
    pull.write("prompts/new.prompt.yml", prompt.replace("Hi", "Hello there,"))
    pull.commit("Under a new id")
    (told,) = pull.data(base=base, is_evaluated=False)["taken_away"]
    assert told == "the tests in prompts/own.prompt.yml were removed"


def test_what_only_moved_or_went_with_its_prompt_is_not_taken_away(pull: Pull) -> None:
    base = all_must_pass(pull)
    pull.git("mv", "datasets/triage.yaml", "datasets/moved.yaml")
    renamed = [each | {"id": f"new-{each['id']}"} for each in eight(must_pass=True)]
    pull.dataset(*renamed, name="moved", min_pass=0.9)
    pull.commit("Move and rename")
    assert pull.data(base=base, is_evaluated=False, rule=STRICT)["exit_code"] == OK
    pull.git("rm", "--quiet", "prompts/triage.prompt.yaml", "datasets/moved.yaml")
    pull.commit("The prompt goes, and its dataset with it")
    assert pull.data(base=base, is_evaluated=False, rule=STRICT)["taken_away"] == []


def test_tests_in_a_prompts_own_file_count_too(pull: Pull) -> None:
    prompt = "messages:\n  - {role: user, content: 'Hi {{x}}'}\n"
    pull.write("prompts/own.prompt.yml", prompt + "testData:\n  - {x: a, expected: Hi a}\n")
    base = pull.commit("A prompt with a test of its own")
    pull.write("prompts/own.prompt.yml", prompt)
    pull.commit("No test")
    assert pull.data(base=base, is_evaluated=False)["taken_away"] == [
        "the tests in prompts/own.prompt.yml were removed"
    ]


def put_under_a_new_name(pull: Pull) -> None:
    pull.git("rm", "--quiet", "prompts/triage.prompt.yaml")
    pull.write("prompts/sort.prompt.yaml", TRIAGE.replace("Say one word.", "WORSE"))


def test_no_split_and_no_added_case_lowers_the_bar_of_the_cases_that_were_there(pull: Pull) -> None:
    pull.dataset(*eight(), min_pass=0.8)
    pull.write(".gitignore", ".promptctl/\n")
    base = pull.commit("A bar")

    def reviewed(**request: Any) -> tuple[int, list[str], str]:
        pull.commit("Evade")
        found = pull.data(base=base, rule=STRICT, **request)
        pull.git("reset", "--quiet", "--hard", base)
        return found["exit_code"], found["taken_away"], found["decision"]

    told = ["datasets/triage.yaml: min_pass 0.8 → 0 in datasets/rest.yaml"]
    pull.dataset(*eight()[:1], min_pass=0.8)
    pull.dataset(*eight()[1:], name="rest", min_pass=0)
    assert reviewed(is_evaluated=False)[:2] == (CHECK_FAILED, told)
    put_under_a_new_name(pull)
    pull.dataset(case(20, "wrong"), prompt="sort", min_pass=0.8)
    pull.dataset(*eight(), name="rest", prompt="sort", min_pass=0)
    assert reviewed()[:2] == (CHECK_FAILED, told)
    put_under_a_new_name(pull)
    pull.dataset(*eight(), *(case(n, "wrong") for n in range(20, 70)), prompt="sort", min_pass=0.8)
    code, taken, decision = reviewed()
    assert (code, taken) == (CHECK_FAILED, [])
    assert decision == (
        "sort, by the cases that datasets/triage.yaml has in BASE alone: 0 of 8 cases passed (0%), "
        "fewer than the 80% asked for."
    )
    # What asks for no less, or for more.
    pull.dataset(*eight()[:4], min_pass=0.8)
    pull.dataset(*eight()[4:], name="rest", min_pass=0.8)
    assert reviewed()[:2] == (OK, [])
    pull.dataset(*eight()[4:], name="rest", min_pass=0)
    assert reviewed()[:2] == (OK, [])
    pull.dataset(*eight(), case(20), min_pass=0.8)
    assert reviewed()[:2] == (OK, [])
    pull.git("mv", "datasets/triage.yaml", "datasets/moved.yaml")
    assert reviewed()[:2] == (OK, [])


def test_a_branch_from_before_a_case_is_asked_it(pull: Pull) -> None:
    (pull.root / ".git/info/exclude").write_text(".promptctl/\n")
    pull.edit("prompts/triage.prompt.yaml", "Say one word.", "Say one word only.")
    pull.git("checkout", "--quiet", "main")

    def reviewed(**more: Any) -> list[str]:
        found = pull.data(base="main", head="feature", is_evaluated=False, rule=STRICT, **more)
        assert found["exit_code"] == (CHECK_FAILED if found["taken_away"] else OK)
        return found["taken_away"]  # type: ignore[no-any-return]

    pull.edit("prompts/greet.prompt.yaml", "Hello", "Hello you")
    pull.dataset(case(1), name="other", prompt="other")
    pull.git("mv", "datasets/triage.yaml", "datasets/moved.yaml")
    pull.commit("What the branch has nothing to do with")
    assert reviewed() == []
    pull.git("mv", "datasets/moved.yaml", "datasets/triage.yaml")
    pull.dataset(*eight()[:7], case(7, must_pass=True), case(20), min_pass=1)
    pull.dataset(case(30), name="new")
    pull.commit("More to ask")
    told = [
        "HEAD lacks 1 case (case-30) that datasets/new.yaml of BASE has now: update the branch",
        "HEAD lacks 2 cases (case-7, case-20) that datasets/triage.yaml of BASE has now: update the branch",
    ]
    assert reviewed() == told
    pull.git("checkout", "--quiet", "feature")
    pull.dataset(*eight(), case(20, "easier"), min_pass=1)
    pull.commit("A case of its own by that id")
    assert reviewed() == told
    pull.git("reset", "--quiet", "--hard", "HEAD~1")
    pull.git("merge", "--quiet", "--no-edit", "main")
    assert reviewed() == []


def test_a_branch_from_before_a_higher_bar_must_reach_it(pull: Pull) -> None:
    pull.dataset(*eight(), min_pass=0.5)
    pull.git("checkout", "--quiet", "-B", "main")
    pull.commit("A bar")
    pull.git("checkout", "--quiet", "-B", "feature")
    pull.edit("prompts/triage.prompt.yaml", "Say one word.", "Say one word only.")
    pull.git("checkout", "--quiet", "main")
    pull.dataset(*eight(), min_pass=0.9)
    pull.commit("A higher bar")
    assert pull.data(base="main", head="feature", is_evaluated=False, rule=STRICT)["taken_away"] == [
        "datasets/triage.yaml of BASE has min_pass 0.9 now, HEAD 0.5: update the branch"
    ]
