"""Files that cases name as inputs: read from the dataset's own tree alone, and part of what a case is."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from promptctl.datasets.dataset import Dataset
from promptctl.datasets.reached import datasets_reached
from promptctl.errors import Problem
from promptctl.files.media import MAX_MEDIA_BYTES
from promptctl.files.tree import MAX_BYTES, MemoryTree, Tree
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import load_prompt

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
PROMPT = """inputs: {url: {type: string}}
messages:
- role: user
  content: [{type: image_url, image_url: {url: "{{ url }}"}}]
"""


def tree(row: str, path: str = "datasets/d.yaml", image: bytes = PNG) -> MemoryTree:
    text = f"prompts: [p]\ncases: [{{id: a, expected: x, {row}}}]\n" if path.endswith(".yaml") else row
    return MemoryTree({path: text, "prompts/p.prompt.yaml": PROMPT, "datasets/images/a.png": image})


def problems(given: Tree, path: str = "datasets/d.yaml") -> list[Problem]:
    return Dataset.open(given, path).check(load_prompt(given, "p"))


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ("files: {url: images/a.png}", "datasets/d.yaml"),
        ("files: {url: ./images/a.png}", "datasets/d.yaml"),
        ("files: {url: ./a.png}", "datasets/images/d.yaml"),
        ('{"id": "a", "expected": "x", "files": {"url": "images/a.png"}}\n', "datasets/d.jsonl"),
        ("id,files.url,expected\na, ./images/a.png ,x\n", "datasets/d.csv"),
    ],
)
def test_an_image_is_given_as_a_data_url(row: str, path: str) -> None:
    given = tree(row, path)
    assert problems(given, path) == []
    (case,) = Dataset.open(given, path).cases(load_prompt(given, "p"))
    assert case.inputs == {"url": URL}


def test_another_image_is_another_case() -> None:
    digests = set()
    for image in (PNG, PNG + b"2"):
        dataset = Dataset.open(tree("files: {url: images/a.png}", image=image), "datasets/d.yaml")
        assert dataset.check() == []
        digests.add(dataset.digest)
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("files: {url: ../prompts/p.prompt.yaml}", "path-refused"),
        ("files: {url: /etc/passwd}", "path-refused"),
        ("files: {url: 'file:///etc/passwd'}", "path-refused"),
        ("files: {url: 'https://example.com/a.png'}", "path-refused"),
        ("files: {url: ./../../a.png}", "path-refused"),
        ("files: {url: images/b.png}", "missing-file"),
        ("files: {url: images/a.png}, inputs: {url: x}", "given-twice"),
        ("files: {url: images/a.png, other: images/a.png}", "extra-input"),
    ],
)
def test_what_cannot_be_read_is_a_problem(row: str, code: str) -> None:
    assert [each.code for each in problems(tree(row))] == [code]


@pytest.mark.parametrize("image", [b"\xff\xfe\0", b"\x89PNG\r\n\x1a\n" + bytes(MAX_MEDIA_BYTES)])
def test_an_unknown_or_large_file_is_a_problem(image: bytes) -> None:
    (problem,) = problems(tree("files: {url: images/a.png}", image=image))
    assert problem.code in ("not-readable", "unreadable")
    assert str(problem.place) == "datasets/d.yaml:2:43"


def test_no_link_leads_out_of_the_workspace(tmp_path: Path) -> None:
    outside, root = tmp_path / "secret", tmp_path / "root"
    outside.write_text("secret")
    for folder in ("prompts", "datasets"):
        (root / folder).mkdir(parents=True)
    (root / "prompts/p.prompt.yaml").write_text(PROMPT)
    (root / "datasets/link.txt").symlink_to(outside)
    (root / "datasets/folder").symlink_to(tmp_path)
    for reference in ("link.txt", "./link.txt", "folder/secret"):
        text = f"prompts: [p]\ncases: [{{id: a, expected: x, files: {{url: {reference}}}}}]\n"
        (root / "datasets/d.yaml").write_text(text)
        (problem,) = problems(WorkTree(root))
        assert "symbolic link" in problem.message
        assert "secret" not in problem.message.replace("folder/secret", "")


def test_a_large_file_on_disk_is_not_read(tmp_path: Path) -> None:
    for folder in ("prompts", "datasets"):
        (tmp_path / folder).mkdir()
    (tmp_path / "prompts/p.prompt.yaml").write_text(PROMPT)
    (tmp_path / "datasets/d.yaml").write_text("cases: [{id: a, expected: x, files: {url: a.png}}]\n")
    with (tmp_path / "datasets/a.png").open("wb") as file:
        file.truncate(1 << 31)
    assert [each.code for each in problems(WorkTree(tmp_path))] == ["unreadable"]


def test_a_changed_image_reaches_the_datasets_whose_rows_name_it() -> None:
    files = {
        "datasets/d.yaml": "cases: d.csv\n",
        "datasets/d.csv": "files.url\na.png\n",
        "datasets/e.yaml": "cases: []\n",
    }
    assert datasets_reached(MemoryTree(files), ["datasets/a.png"]) == {"datasets/d.yaml"}


def test_a_changed_image_reaches_the_datasets_whose_rows_are_too_large_for_a_text(tmp_path: Path) -> None:
    (tmp_path / "datasets/recordings").mkdir(parents=True)
    (tmp_path / "datasets/d.yaml").write_text("cases: d.jsonl\n")
    (tmp_path / "datasets/e.yaml").write_text("cases: [{id: recordings}]  # e.jsonl\n")
    for path in ("d.jsonl", "recordings/e.jsonl"):
        (tmp_path / "datasets" / path).write_text('{"id": "a", "files": {"url": "a.png"}}\n' + " \n" * MAX_BYTES)
    assert datasets_reached(WorkTree(tmp_path), ["datasets/a.png"]) == {"datasets/d.yaml"}


@pytest.mark.parametrize("value", ["https://example.com/a.png", "data:image/png;base64,AA==", "what is it"])
def test_an_address_or_a_text_is_none(value: str) -> None:
    assert problems(tree(f"inputs: {{url: '{value}'}}")) == []


@pytest.mark.parametrize("value", ["file://images/a.png", "images/a.png", "a.png"])
def test_the_path_of_a_file_as_an_input_is_a_warning(value: str) -> None:
    (problem,) = problems(tree(f"inputs: {{url: '{value}'}}"))
    assert (problem.severity, problem.hint) == ("warning", "name a file below datasets/ under `files: {url: …}`")
