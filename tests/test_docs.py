"""The documentation says what is so: its commands exist, its sessions run, its generated parts and links are right."""

from __future__ import annotations

import inspect
import re
import sqlite3
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from promptctl import init_workspace, open_workspace
from promptctl.assertions.kinds import KINDS
from promptctl.cli.main import app
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.dataset_file import read_dataset_file
from promptctl.formats.prompt_file import read_prompt_file
from promptctl.formats.schemas import Kind, load_schema
from promptctl.formats.settings_file import read_settings
from promptctl.log.sqlite.schema import empty_log
from tests.docs_generated import ROOT, all_keys, generated, log_tables, pages
from tests.docs_reference import reference
from tests.docs_session import blocks, differences, steps

PAGES = pages()
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
LINKED = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_INLINE = re.compile(r"`([^`\n]+)`")
# Options that the pages name and that are Git's, pip's or SQLite's.
_FOREIGN = {
    "--promptctl",
    "--promptctl-model",
    "--promptctl-replies",
    "--promptctl-allow-code",
    "--promptctl-leave-out-code",
    "--junit-xml",
    "--atomic",
    "--end-of-options",
    "--no-tags",
    "--unshallow",
    "--batch",
    "--setting",
}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name, marks=[pytest.mark.untraced] if name == "docs/safety.md" else [])
        for page, name in zip(PAGES, NAMES, strict=True)
    ],
)
def test_a_session_shows_what_comes(page: Path, tmp_path: Path, warm_session: Path) -> None:
    if subprocess.run(["sed", "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("the sessions edit files with GNU sed")
    found = differences(text_of(page), tmp_path, None if page.name == "README.md" else warm_session)
    assert not found, "write what is so with: python -m tests.docs_session PAGE\n\n" + "\n\n".join(found)


def test_the_readme_has_a_session() -> None:
    commands = [step.command for block in blocks(text_of(ROOT / "README.md")) for step in steps(block)]
    for verb in ("init", "render", "run", "diff", "eval", "log"):
        assert any(command.startswith(f"promptctl {verb}") for command in commands)


def test_the_reference_is_what_the_commands_say() -> None:
    assert text_of(ROOT / "docs/cli.md") == reference(), "write it with: make docs"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_generated_parts_are_up_to_date(page: Path) -> None:
    assert text_of(page) == generated(text_of(page)), "write them with: python -m tests.docs_generated"


def test_the_tables_of_the_log_are_in_the_docs() -> None:
    page = text_of(ROOT / "docs/log.md")
    assert log_tables() in page
    assert "`executions` | `id`, `call_id`" in page
    assert "ALTER TABLE" not in page


@pytest.mark.parametrize("kind", ["prompt", "dataset", "promptctl"])
def test_every_key_of_a_file_is_described(kind: Kind) -> None:
    page = text_of(ROOT / "docs/files.md")
    assert [key for key in all_keys(load_schema(kind)) if f"`{key}`" not in page and f"{key}: " not in page] == []


@pytest.mark.parametrize("page", LINKED, ids=[page.relative_to(ROOT).as_posix() for page in LINKED])
def test_nothing_of_a_page_is_lost_as_markup(page: Path) -> None:
    """A host takes `<revision>` outside of code for a tag, and shows no cell beyond those of a table's head."""
    text = re.sub(r"(`+)(?:(?!\n\n).)+?\1", "", _prose(text_of(page)), flags=re.DOTALL)
    assert re.findall(r"<(?!!--|/?picture>|source |img )[a-zA-Z/]\S*", text) == []
    assert "`" not in text
    for table in re.findall(r"(?:^\|.*\n)+", _prose(text_of(page)), flags=re.MULTILINE):
        cells = [len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()]
        assert set(cells) == {cells[0]}, table


@pytest.mark.parametrize("page", LINKED, ids=[page.relative_to(ROOT).as_posix() for page in LINKED])
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(_prose(text_of(page))):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(text_of(target)), link


@pytest.mark.parametrize("page", LINKED, ids=[page.relative_to(ROOT).as_posix() for page in LINKED])
def test_commands_and_options_exist(page: Path) -> None:
    text = text_of(page)
    for command in _commands(text):
        _check(command)
    every = _every_option()
    for inline in _INLINE.findall(_prose(text)):
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", inline):
            assert option in every | _FOREIGN or not inline.startswith(("--", "promptctl")), inline


@cache
def _every_option() -> set[str]:
    return {option for command in _tree(root_command()) for option in _options(command)}


def test_the_house_is_described_whole() -> None:
    package = ROOT / "promptctl"
    page = text_of(ROOT / "docs/architecture.md").partition("## The map")[2].partition("\n## ")[0]
    described = re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE)
    rooms = {each.name + "/" * each.is_dir() for each in package.iterdir() if each.name[0] not in "_."}
    assert set(described) == rooms - {"py.typed", "shipped/"}  # the prompts that ship are data, which `calls/` reads
    layers = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"][0]["layers"]
    assert [room.removesuffix("/").removesuffix(".py") for room in described] == layers


def test_the_modules_that_the_map_names_exist() -> None:
    for page in ("docs/architecture.md", "docs/decisions.md", "CONTRIBUTING.md"):
        for name in re.findall(r"`((?:\w+/)+(?:\w+\.py)?|\w+\.py)`", text_of(ROOT / page)):
            assert (ROOT / "promptctl" / name).exists() or (ROOT / name).exists(), (page, name)


def test_the_tests_that_pages_name_exist() -> None:
    texts = {path.relative_to(ROOT).as_posix(): text_of(path) for path in (ROOT / "tests").rglob("*.py")}
    tests = {name for text in texts.values() for name in re.findall(r"def (test_\w+)", text)}
    files = {*texts, *(path.rpartition("/")[2] for path in texts)}
    for page in LINKED:
        for name in re.findall(r"`((?:tests/)?(?:\w+/)*test_\w+(?:\.py)?)`", text_of(page)):
            assert name in (files if name.endswith(".py") else tests), (page.name, name)


def test_the_methods_that_pages_name_exist(tmp_path: Path) -> None:
    init_workspace(tmp_path)
    with open_workspace(tmp_path) as workspace:
        for page in PAGES:
            for names in re.findall(r"\bworkspace((?:\.[a-z]\w*)+)", text_of(page)):
                found: Any = workspace
                for name in names.split(".")[1:]:
                    found = getattr(found, name)
                    if inspect.ismethod(found):
                        break


def test_each_decision_has_a_number_a_status_and_its_reasons() -> None:
    page = text_of(ROOT / "docs/decisions.md")
    _, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    form = re.compile(
        r"(?P<number>\d+)\. [^\n]+\n\n\*(?P<status>accepted|superseded by (?P<by>\d+)), 20\d\d-\d\d-\d\d\*\n\n"
        r"\*\*Context\.\*\* .+\*\*Decision\.\*\* ?.+\*\*Consequences\.\*\* .+",
        flags=re.DOTALL,
    )
    for number, section in enumerate(sections, 1):
        found = form.fullmatch(section)
        assert found is not None, section.partition("\n")[0]
        assert int(found["number"]) == number
        assert found["by"] is None or number < int(found["by"]) <= len(sections)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_examples_compile(page: Path) -> None:
    for block in blocks(text_of(page)):
        if block.language == "python":
            compile(block.text, f"{page.name}:{block.line}", "exec")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_examples_of_files_are_right(page: Path) -> None:
    for block in blocks(text_of(page)):
        if block.language != "yaml":
            continue
        data, place = block.text.encode(), f"{page.name}:{block.line}"
        keys = read_yaml(data, place).data
        if isinstance(keys, list):  # recordings, steps of a job
            continue
        if "cases" in keys:
            read_dataset_file(data, place)
        elif "messages" in keys:
            assert read_prompt_file(data, place).dialect == "native"
        elif set(keys) <= set(load_schema("promptctl")["properties"]):
            read_settings(data, place)


def test_queries_run_on_the_schema() -> None:
    """The pages' SQL, on the tables that it speaks of. `->>` with a bare name needs SQLite 3.38."""
    if sqlite3.sqlite_version_info < (3, 38):
        pytest.skip("this SQLite has no ->>")
    queries = [block.text for block in blocks(text_of(ROOT / "docs/log.md")) if block.language == "sql"]
    assert queries
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(empty_log())
        for query in queries:
            database.executescript(query)


def test_every_assertion_is_described() -> None:
    table = text_of(ROOT / "docs/evaluate.md").split("## Assertions")[1].split("### Judges")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in _INLINE.findall(row)} == set(KINDS)


def root_command() -> Any:
    return typer.main.get_command(app)


def _tree(command: Any) -> Iterator[Any]:
    yield command
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        yield from _tree(command.get_command(None, name))


def _options(command: Any) -> set[str]:
    spellings = (option for each in command.params for option in (*each.opts, *each.secondary_opts))
    return {*spellings, "--help", "-h"}


def _commands(text: str) -> Iterator[str]:
    """Every `promptctl …` of the page, in blocks and within sentences."""
    for block in blocks(text):
        for line in block.lines:
            found = re.match(r"(?:\$ |\s*- run: )?(?:export \S+ && )?(promptctl .*)", line)
            if found and block.language in ("console", "sh", "yaml"):
                yield found[1]
    for inline in _INLINE.findall(_prose(text)):
        if inline.startswith("promptctl ") and "=" not in inline.split()[1]:
            yield inline


def _check(text: str) -> None:
    """Raise where the command, or an option of it, is none of ours."""
    words = re.split(r"[;|&]| [>#\\]|\$\(| -- ", text)[0].replace('"', "").replace("'", "").split()[1:]
    command = root_command()
    while words and hasattr(command, "list_commands"):
        name = words.pop(0)
        if name.startswith("-"):
            option = name.partition("=")[0]
            assert option in _options(command), text
            takes_value = any(option in each.opts and not each.is_flag for each in command.params)
            del words[: takes_value and "=" not in name]
            continue
        found = [command.get_command(None, each) for each in name.split("|")]
        assert None not in found, text
        command = found[0]
    for word in words:
        if word.startswith("-") and word != "-":
            assert word.partition("=")[0] in _options(command), text


def _prose(text: str) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def _anchors(text: str) -> set[str]:
    """The anchors that a host makes of the page's headings."""
    headings = re.findall(r"^#+ (.+)$", _prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
