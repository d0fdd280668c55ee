from __future__ import annotations

import pytest

from promptctl.errors import InvalidFiles
from promptctl.files.names import DEFAULT_PLACES, PromptPlaces
from promptctl.files.prompt_places import line_for
from promptctl.files.tree import MemoryTree, Overlay, prompt_files
from promptctl.formats.settings_file import read_settings
from promptctl.prompts.loading import load_prompt, prompt_paths

TEXT = "messages: [{role: user, content: Hi}]\n"


def tree(settings: str, *paths: str) -> MemoryTree:
    return MemoryTree({"promptctl.yaml": settings, **dict.fromkeys(paths, TEXT)})


def test_a_tree_says_where_its_own_prompts_are() -> None:
    settings = 'prompt_paths: [./prompts, .github/prompts/, "*.prompt.yml"]\n'
    found = tree(settings, "prompts/a/b.prompt.yaml", ".github/prompts/c.prompt.yml", "d.prompt.yml", "e.prompt.yaml")
    assert found.places == PromptPlaces(("prompts", ".github/prompts"), (".prompt.yml",))
    assert list(prompt_paths(found)) == ["a/b", "c", "d"]
    assert load_prompt(found, "c").path == ".github/prompts/c.prompt.yml"
    assert prompt_files(Overlay(found, {"f.prompt.yml": b""}))[-1] == "prompts/a/b.prompt.yaml"


@pytest.mark.parametrize(
    "settings", ["", "model: echo/echo\n", "prompt_paths: prompts\n", "prompt_paths: [\n", "- 1\n"]
)
def test_without_sound_places_they_are_below_prompts(settings: str) -> None:
    assert tree(settings).places is DEFAULT_PLACES


@pytest.mark.parametrize(
    ("entries", "line", "words"),
    [
        ("[/etc]", 1, "can be no folder"),
        ("[../other]", 1, "can be no folder"),
        ("[prompts/../..]", 1, "can be no folder"),
        ("[.]", 1, "can be no folder"),
        ("['a b']", 1, "can be no folder"),
        ("['C:\\x']", 1, "can be no folder"),
        ("[.git]", 1, "holds other files"),
        ("[a/.GIT/hooks]", 1, "holds other files"),
        ("[.promptctl]", 1, "holds other files"),
        ("[datasets/x]", 1, "holds other files"),
        ("['prompts/**/*.prompt.yaml']", 1, "not chosen by their names"),
        ("['**/prompts']", 1, "not chosen by their names"),
        ("['src/*.prompt.yml']", 1, "not chosen by their names"),
        ("[a.prompt.yml]", 1, "not chosen by their names"),
        ("\n  - prompts\n  - prompts/support", 3, "lie in each other"),
        ("\n  - a/b\n  - a", 3, "lie in each other"),
        ("\n  - a\n  - a/", 3, "named twice"),
        ("\n  - '*.prompt.yml'\n  - '*.prompt.yml'", 3, "named twice"),
        ("[" + ", ".join(f"f{n}" for n in range(21)) + "]", 1, "more than 20"),
        ("[]", 1, ""),
        ("[[a]]", 1, ""),
    ],
)
def test_places_that_cannot_be_are_refused_and_change_nothing(entries: str, line: int, words: str) -> None:
    text = f"prompt_paths: {entries}\n"
    with pytest.raises(InvalidFiles) as caught:
        read_settings(text.encode())
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.place is not None
    assert (problem.place.path, problem.place.line) == ("promptctl.yaml", line)
    assert tree(text).places is DEFAULT_PLACES


def test_the_line_to_write_keeps_what_is_named_and_searches_a_folder_once() -> None:
    assert line_for(["a.prompt.yml", "b.prompt.yaml"]) == 'prompt_paths: [prompts, "*.prompt.yml", "*.prompt.yaml"]'
    assert line_for([".github/x/a.prompt.yml", ".github/b.prompt.yml"]) == "prompt_paths: [prompts, .github]"
    assert line_for(["not an id.prompt.yml", "odd folder/a.prompt.yml"]) is None


def test_a_folder_may_be_named_by_a_number() -> None:
    text = "prompt_paths: [2024, 1.10]\n"
    assert read_settings(text.encode())
    assert tree(text).places.folders == ("2024", "1.10")


def test_two_places_with_one_id_are_an_error_that_names_both() -> None:
    found = tree('prompt_paths: [prompts, "*.prompt.yml"]\n', "prompts/a.prompt.yaml", "a.prompt.yml")
    with pytest.raises(InvalidFiles, match=r"prompts/a\.prompt\.yaml and a\.prompt\.yml are both the prompt `a`"):
        load_prompt(found, "a")


def test_references_are_relative_to_the_folder_and_stay_in_it() -> None:
    settings = 'prompt_paths: [ai/prompts, prompts, "*.prompt.yml"]\n'
    text = "messages: [{role: user, content: '{% include \"NAME\" %}'}]\noutput: {schema: {$ref: s.schema.yaml}}\n"
    files = {
        "promptctl.yaml": settings,
        "ai/prompts/sub/a.prompt.yaml": text.replace("NAME", "./tone.j2"),
        "ai/prompts/sub/tone.j2": "kind {% include 'end.j2' %}",
        "ai/prompts/end.j2": "end",
        "ai/prompts/s.schema.yaml": "type: object\n",
        "prompts/b.prompt.yaml": text.replace("NAME", "end.j2"),
        "top.prompt.yml": text.replace("NAME", "end.j2"),
        "sly.prompt.yml": text.replace("NAME", "./secret.j2"),
        "secret.j2": "secret",
    }
    prompt = load_prompt(MemoryTree(files), "sub/a")
    assert (prompt.base, dict(prompt.partials)) == (
        "ai/prompts",
        {"end.j2": "end", "sub/tone.j2": "kind {% include 'end.j2' %}"},
    )
    assert prompt.output.schema_path == "ai/prompts/s.schema.yaml"
    assert load_prompt(MemoryTree(files), "top").partials == {"end.j2": "end"}
    with pytest.raises(InvalidFiles, match=r"leads out of ai/prompts/"):
        load_prompt(MemoryTree(files), "sly")
    with pytest.raises(InvalidFiles, match=r"there is no partial prompts/end\.j2"):
        load_prompt(MemoryTree(files), "b")

    moved = {path.replace("ai/prompts/", "prompts/"): data for path, data in files.items() if path != "promptctl.yaml"}
    assert load_prompt(MemoryTree(moved), "sub/a").digest == prompt.digest
