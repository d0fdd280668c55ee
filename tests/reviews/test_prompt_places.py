"""A branch that says anew where prompts are: nothing is hidden by it, and nothing read that is no prompt."""

from __future__ import annotations

import pytest

from tests.reviews.conftest import Cli, Pull, prompt_of

GITHUB = "messages: [{role: user, content: 'Sum up {{text}}'}]\nmodel: local/small\n"
PLACES = 'prompt_paths: [prompts, .github/prompts, "*.prompt.yml"]\n'


@pytest.fixture
def placed(pull: Pull) -> Pull:
    """The pull request on a `main` that has prompts in three places."""
    pull.git("checkout", "--quiet", "main")
    pull.write(".github/prompts/sum.prompt.yml", GITHUB)
    pull.write("top.prompt.yml", GITHUB)
    pull.write("datasets/sum.yaml", "prompts: [sum]\ncases: [{id: s, inputs: {text: me}, expected: Sum}]\n")
    pull.write("promptctl.yaml", pull.read("promptctl.yaml") + PLACES)
    pull.commit("Places")
    pull.git("push", "--quiet", "origin", "main")
    pull.git("checkout", "--quiet", "-B", "feature")
    return pull


def test_a_change_in_any_place_is_reviewed_and_measured(placed: Pull) -> None:
    placed.edit(".github/prompts/sum.prompt.yml", "Sum up", "Sum WORSE")
    placed.edit("top.prompt.yml", "Sum up", "Shorten")
    data = placed.data()
    assert [(each["prompt"], each["kind"]) for each in data["prompts"]] == [("sum", "changed"), ("top", "changed")]
    assert "sum" in [each["prompt"] for each in data["evaluations"]]
    assert data["exit_code"] == 1


def test_prompts_that_a_branch_brings_into_place_are_new_ones(pull: Pull) -> None:
    pull.write(".github/prompts/sum.prompt.yml", GITHUB)
    pull.write("promptctl.yaml", pull.read("promptctl.yaml") + PLACES)
    pull.commit()
    assert prompt_of(pull.data(is_evaluated=False), "sum")["kind"] == "added"


def test_a_prompt_that_moves_between_places_is_compared_with_itself(placed: Pull) -> None:
    placed.git("mv", "top.prompt.yml", "prompts/top.prompt.yml")
    placed.git("mv", ".github/prompts/sum.prompt.yml", "prompts/total.prompt.yml")
    placed.edit("promptctl.yaml", PLACES, "")
    data = placed.data(is_evaluated=False)
    found = {each["prompt"]: (each["kind"], each["formerly"]) for each in data["prompts"]}
    assert found["total"] == ("renamed", "sum")
    assert "sum" not in found


@pytest.mark.parametrize("places", ["", "prompt_paths: [prompts]\n", "prompt_paths: [\n", "prompt_paths: [/etc]\n"])
def test_a_place_that_a_branch_takes_away_takes_its_prompts_and_tests_away(placed: Pull, places: str, cli: Cli) -> None:
    placed.edit("promptctl.yaml", PLACES, places)
    ran = cli("review", "--no-eval", "--json")
    removed = [each["prompt"] for each in ran.json["prompts"] if each["kind"] == "removed"]
    assert removed == ["sum", "top"]


def test_a_place_that_leads_elsewhere_is_not_read(placed: Pull, cli: Cli) -> None:
    outside = placed.root.parent / "outside"
    outside.mkdir()
    (outside / "x.prompt.yml").write_text(GITHUB)
    (placed.root / "ai").symlink_to(outside)
    placed.edit("promptctl.yaml", PLACES, "prompt_paths: [prompts, ai, .github/prompts]\n")
    ran = cli("review", "origin/main", "HEAD", "--no-eval")
    assert ran.exit_code == 3
    assert "ai: HEAD puts a link, a submodule or a file where a folder belongs" in ran.err
    assert "link" in cli("validate").err
    assert cli("list").exit_code == 3


@pytest.mark.parametrize(
    ("settings", "words", "is_committed"),
    [
        (PLACES.replace("]", ", ..]"), "`..` can be no folder of prompts", True),
        ("prompt_path: []\n", "`prompt_path`", True),
        ("prompt_paths: [\n", "promptctl.yaml:", False),
    ],
)
def test_settings_that_cannot_be_read_never_pass(placed: Pull, settings: str, words: str, is_committed: bool) -> None:
    """Nobody knows where the prompts are then: one that the branch edits would look removed, measured by none."""
    placed.edit(".github/prompts/sum.prompt.yml", "Sum up", "Sum WORSE")
    placed.write("promptctl.yaml", placed.read("promptctl.yaml").replace(PLACES, settings))
    if is_committed:
        placed.commit()
    review = placed.review(is_evaluated=False)
    assert review.decision.exit_code == 3
    assert review.decision.reason.startswith("The settings of HEAD cannot be used: ")
    assert words in review.decision.reason
