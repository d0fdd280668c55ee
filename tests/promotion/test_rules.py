from __future__ import annotations

import pytest

from promptctl.errors import LabelRefused, UsageError
from promptctl.formats.settings_file import LabelRule
from promptctl.labels.tags import LabelName
from promptctl.promotion.rules import Proof, check_name
from tests.desks import PROMPT, Desk


@pytest.mark.parametrize("label", ["production", "on-call", "g", "canary-2", "vip", "x86"])
def test_names_that_can_be_labels(label: str) -> None:
    check_name(label)


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("v7", "version number"),
        ("v7-hotfix", "version number"),
        ("beef", "a commit"),
        ("a", "a commit"),
        ("remote", "a setting"),
        ("Production", "lower-case"),
        ("2nd", "begins with a letter"),
        ("-x", "begins with a letter"),
        ("a/b", "lower-case letters"),
        ("prod\n", "lower-case letters"),
        ("prød", "lower-case letters"),
        ("", "lower-case letters"),
    ],
)
def test_names_that_would_be_taken_for_something_else(label: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check_name(label)


def test_only_the_labels_named_in_the_settings_may_be_set(alone: Desk) -> None:
    alone.rules = {"production": LabelRule(), "staging": LabelRule()}
    alone.set("v1", "staging")
    with pytest.raises(
        LabelRefused, match=r"not among those that promptctl\.yaml allows: production, staging"
    ) as caught:
        alone.set("v1", "stagin")
    assert caught.value.hint == "did you mean `staging`?"
    with pytest.raises(LabelRefused) as caught:
        alone.set("v1", "preview")
    assert caught.value.hint is not None
    assert "preview: {}" in caught.value.hint
    alone.rules = {}
    alone.set("v1", "preview")


def test_a_label_that_the_settings_no_longer_name_can_still_be_removed(alone: Desk) -> None:
    alone.set("v1", "preview")
    alone.rules = {"production": LabelRule()}
    assert alone.mover.remove(LabelName(PROMPT, "preview")).is_moved


def test_after_wants_the_same_digest_live_there(alone: Desk) -> None:
    alone.rules = {"production": LabelRule(after="staging"), "staging": LabelRule()}
    before = alone.everything()
    with pytest.raises(LabelRefused, match="comes after staging, but support/triage@staging names nothing") as caught:
        alone.set("v2")
    commit = alone.candidate("v2").commit
    assert caught.value.hint == f"promptctl label set support/triage@staging {commit[:12]}"
    assert alone.everything() == before
    alone.set("v2", "staging")
    alone.set("v2")
    alone.set("v3", "staging")
    with pytest.raises(LabelRefused, match="names v3, not v1"):
        alone.set("v1")
    alone.set("v1", "staging")
    alone.mover.remove(LabelName(PROMPT, "staging"))
    with pytest.raises(LabelRefused, match="names nothing, not v1"):
        alone.set("v1")


def test_after_asks_what_the_remote_has_not_what_is_here(ada: Desk, ben: Desk) -> None:
    ada.rules = {"production": LabelRule(after="staging"), "staging": LabelRule()}
    ben.set("v2", "staging")
    assert ada.set("v2").is_moved
    ben.set("v3", "staging")
    with pytest.raises(LabelRefused, match="names v3"):
        ada.set("v1")


def test_an_evaluation_must_have_passed_and_is_recorded(alone: Desk) -> None:
    alone.rules = {"production": LabelRule(evaluation="passed", dataset="support/smoke")}
    with pytest.raises(LabelRefused, match="needs a passing evaluation of v2 on support/smoke") as caught:
        alone.set("v2")
    commit = alone.candidate("v2").commit
    assert caught.value.hint == f"promptctl eval support/triage@{commit[:12]} --dataset support/smoke"
    asked = []

    def find(dataset: str | None) -> Proof:
        asked.append(dataset)
        return proof

    alone.find_proof, proof = find, Proof(missing="the last one failed")
    with pytest.raises(LabelRefused, match="a passing evaluation of v2 on support/smoke, and the last one failed"):
        alone.set("v2")
    proof = Proof("019 support/smoke\n12/12 passed")
    event = alone.set("v3").event
    assert event.evaluation == "019 support/smoke 12/12 passed"
    assert asked == ["support/smoke", "support/smoke"]
    assert alone.labels.log(LabelName(PROMPT, "production")).events[0].evaluation == event.evaluation


def test_a_reason_is_asked_for_every_kind_of_move(alone: Desk) -> None:
    alone.rules = {"production": LabelRule(reason="required")}
    with pytest.raises(LabelRefused, match="a move of production needs a reason") as caught:
        alone.set("v1", reason=" \n ")
    assert caught.value.hint == 'say why with --reason "…"'
    alone.set("v1", reason="first")
    alone.set("v2", reason="second")
    with pytest.raises(LabelRefused, match="needs a reason"):
        alone.mover.rollback(LabelName(PROMPT, "production"))
    with pytest.raises(LabelRefused, match="needs a reason"):
        alone.mover.remove(LabelName(PROMPT, "production"))
    alone.mover.rollback(LabelName(PROMPT, "production"), reason="worse")
    assert alone.live() == "v1"


def test_everything_that_is_missing_is_said_at_once(alone: Desk) -> None:
    rule = LabelRule(after="staging", evaluation="passed", reason="required")
    alone.rules = {"production": rule, "staging": LabelRule()}
    with pytest.raises(LabelRefused) as caught:
        alone.set("v1")
    assert caught.value.message.startswith(
        "support/triage@production was not moved: a move of production needs a reason; "
    )
    assert caught.value.hint is not None
    assert len(caught.value.hint.splitlines()) == 3


def test_a_rollback_needs_no_new_proof(alone: Desk) -> None:
    alone.set("v1")
    alone.set("v2")
    alone.rules = {"production": LabelRule(after="staging", evaluation="passed"), "staging": LabelRule()}
    assert alone.mover.rollback(LabelName(PROMPT, "production")).event.version == "v1"
