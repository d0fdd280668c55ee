from __future__ import annotations

import pytest

from promptctl.files.names import (
    DEFAULT_PLACES,
    PathRefused,
    PromptPlaces,
    id_problem,
    is_dataset,
    nearest,
    resolve_path,
)


@pytest.mark.parametrize(
    ("path", "id_"),
    [
        ("prompts/triage.prompt.yaml", "triage"),
        ("prompts/support/triage.prompt.yml", "support/triage"),
        ("prompts/simple.web.page.prompt.yaml", "simple.web.page"),
        ("prompts/triage.yaml", None),
        ("prompts/my triage.prompt.yaml", None),
        ("prompts/-x.prompt.yaml", None),
        ("prompts/.prompt.yaml", None),
        ("prompts/a..b.prompt.yaml", None),
        ("datasets/triage.prompt.yaml", None),
        ("other/prompts/triage.prompt.yaml", None),
    ],
)
def test_id_is_the_path_below_prompts(path: str, id_: str | None) -> None:
    assert DEFAULT_PLACES.id(path) == id_


@pytest.mark.parametrize("id_", ["a/b.lock", "a.lock/b", "ä", "a//b", "/a", "a/", "a\n", "x" * 141, "a/.b", ""])
def test_ids_that_git_or_a_file_system_would_not_bear_are_refused(id_: str) -> None:
    assert id_problem(id_)


def test_an_id_is_told_what_it_may_begin_with() -> None:
    assert "that begin with a letter or digit" in str(id_problem("_x"))


@pytest.mark.parametrize("id_", ["a", "A-1_b", "v1.2/x", "x" * 140])
def test_plain_ids_are_fine(id_: str) -> None:
    assert id_problem(id_) is None


def test_recordings_are_never_datasets() -> None:
    assert is_dataset("datasets/smoke.yaml")
    assert is_dataset("datasets/support/smoke.yml")
    assert not is_dataset("datasets/recordings/replies.yaml")
    assert not is_dataset("datasets/cases.jsonl")


@pytest.mark.parametrize(
    ("path", "id_", "base"),
    [
        ("prompts/a/b.prompt.yaml", "a/b", "prompts"),
        (".github/prompts/a.prompt.yml", "a", ".github/prompts"),
        ("hello.prompt.yml", "hello", "prompts"),
        ("hello.prompt.yaml", None, "prompts"),
        ("src/hello.prompt.yml", None, "prompts"),
        (".github/prompts.prompt.yml", None, "prompts"),
        (".github/prompts2/a.prompt.yml", None, "prompts"),
    ],
)
def test_each_place_of_prompts_gives_ids_and_keeps_references_inside(path: str, id_: str | None, base: str) -> None:
    places = PromptPlaces(("prompts", ".github/prompts"), (".prompt.yml",))
    assert (places.id(path), places.base(path)) == (id_, base)
    assert id_ is None or path in places.paths_of(id_)


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("tone.j2", "prompts/tone.j2"),
        ("support/tone.j2", "prompts/support/tone.j2"),
        ("./tone.j2", "prompts/support/tone.j2"),
        ("./deep/tone.j2", "prompts/support/deep/tone.j2"),
        ("..tone.j2", "prompts/..tone.j2"),
    ],
)
def test_paths_are_below_the_base_or_beside_the_file(reference: str, path: str) -> None:
    assert resolve_path(reference, "prompts/support/triage.prompt.yaml", "prompts") == path


@pytest.mark.parametrize(
    "reference",
    [
        "../secret", "./../secret", "a/../../secret", "a/..", "..", "/etc/passwd", "~/x", "\\\\host\\x", "a\\b", "",
        "  ", ".", "./", "\u202ea", "a//b", "a/./b", "a/", "http://host/x", "file:///etc/passwd", "C:\\x",
        "a\0b", "a\nb",
    ],
)  # fmt: skip
def test_paths_never_leave_their_folder(reference: str) -> None:
    with pytest.raises(PathRefused) as refused:
        resolve_path(reference, "prompts/support/triage.prompt.yaml", "prompts")
    assert refused.value.hint


def test_nothing_is_fetched_and_the_refusal_says_what_to_do() -> None:
    with pytest.raises(PathRefused, match="nothing is ever fetched") as refused:
        resolve_path("https://example.com/x.json", "prompts/a.prompt.yaml", "prompts")
    assert "save the file below prompts/" in refused.value.hint


def test_a_typo_finds_the_nearest_names() -> None:
    assert nearest("support/triag", ["support/triage", "support/reply", "x"])[0] == "support/triage"
    assert nearest("Temperature", ["temperature"]) == ["temperature"]
    assert nearest("triage", ["support/triage", "other"]) == ["support/triage"]
    assert nearest("zzz", ["support/triage"]) == []
    assert nearest("ad", ["id", "xy"]) == ["id"]
    # A set has an order of its own in each process.
    assert nearest("p0", {f"p{number}" for number in range(1, 10)}) == ["p1", "p2", "p3"]
    assert nearest("a", ["b"]) == []


def test_names_chosen_by_files_are_compared_within_bounds() -> None:
    assert nearest("a" * 121, ["a" * 120]) == nearest("a" * 120, ["a" * 121]) == []
    assert nearest("n9999", (f"n{number}" for number in range(10_000))) != ["n9999"]
