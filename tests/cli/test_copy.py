from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, commit, git, write
from tests.cli.support import PATH, TRIAGE, inside_support, support_workspace  # noqa: F401


def test_references_beside_the_file_are_written_anew(cli: Cli, inside: Path) -> None:
    ran = cli("copy", "support/triage", "team/triage", "--yes")
    assert ran.exit_code == 0
    assert ran.out.startswith("diff --git a/prompts/team/triage.prompt.yaml b/prompts/team/triage.prompt.yaml\n")
    assert "written  prompts/team/triage.prompt.yaml\n" in ran.err
    text = (inside / "prompts/team/triage.prompt.yaml").read_text()
    assert '{% include "support/tone.j2" %}' in text
    assert "{$ref: support/triage.schema.yaml}" in text
    assert cli("validate", "prompts").exit_code == 0
    difference = cli("diff", "support/triage", "team/triage", "--json").json
    assert difference["partials"] == []
    assert difference["output"] is None


def without_parent(text: str, parent: str) -> str:
    """A copy's text as it was, with the line taken out that names what it was copied from."""
    line = f"copied_from: {parent}\n"
    assert text.count(line) == 1
    return text.replace(line, "")


def test_beside_the_old_file_only_the_parent_is_added(cli: Cli, inside: Path) -> None:
    cli("copy", "support/triage", "support/second", "--yes")
    text = (inside / "prompts/support/second.prompt.yaml").read_text()
    head = git(inside, "rev-parse", "HEAD")[:12]
    assert without_parent(text, f"support/triage@{head}") == (inside / PATH).read_text()


def test_a_dry_run_shows_the_copy_and_writes_nothing(cli: Cli, inside: Path) -> None:
    ran = cli("copy", "chat", "other", "--dry-run")
    assert (ran.exit_code, ran.out.splitlines()[:2]) == (
        0,
        ["diff --git a/prompts/other.prompt.yaml b/prompts/other.prompt.yaml", "new file mode 100644"],
    )
    assert not (inside / "prompts/other.prompt.yaml").exists()


def test_an_older_version_is_copied_and_what_differs_beside_it_is_said(cli: Cli, inside: Path) -> None:
    ran = cli("copy", "support/triage@v1", "support/first", "--json", "--yes")
    assert ran.json["version"] == 1
    assert ran.json["differing"] == ["prompts/support/tone.j2"]
    assert "tone.j2 is not what it was at v1" in ran.err
    text = (inside / "prompts/support/first.prompt.yaml").read_text()
    assert without_parent(text, f"support/triage@{ran.json['commit'][:12]}") == TRIAGE


def test_a_copy_is_no_rename(cli: Cli, inside: Path) -> None:
    text = (
        "formerly:\n  - older\n  - oldest\n# about the model\nmodel: echo/echo\nmessages: [{role: user, content: x}]\n"
    )
    write(inside, "prompts/plain.prompt.yaml", text)
    cli("label", "set", "plain@production", "HEAD")
    commit(inside, "Add plain")
    assert cli("copy", "plain", "other", "--yes").exit_code == 0
    copied = (inside / "prompts/other.prompt.yaml").read_text()
    parent = f"plain@{git(inside, 'rev-parse', 'HEAD')[:12]}"
    assert copied == (
        f"copied_from: {parent}\n# about the model\nmodel: echo/echo\nmessages: [{{role: user, content: x}}]\n"
    )
    commit(inside, "Add other")
    assert [each["subject"] for each in cli("history", "other", "--json").json] == ["Add other"]
    assert cli("show", "other", "--json").json["labels"] == []


def test_nothing_is_ever_overwritten(cli: Cli, inside: Path) -> None:
    write(inside, "prompts/yml.prompt.yml", "messages: [{role: user, content: x}]\n")
    before = {path: path.read_bytes() for path in inside.glob("prompts/**/*.*")}
    for taken in ("chat", "support/triage", "yml"):
        ran = cli("copy", "support/triage", taken)
        assert ran.exit_code == 2
        assert f"there is a prompt `{taken}` already" in ran.err
    assert {path: path.read_bytes() for path in inside.glob("prompts/**/*.*")} == before


def test_a_copy_that_would_lack_its_files_is_refused_with_the_command_that_brings_them(cli: Cli, inside: Path) -> None:
    git(inside, "rm", "--quiet", "-r", "prompts/support")
    commit(inside, "Drop triage")
    version = cli("history", "support/triage", "--json").json[0]
    ran = cli("copy", f"support/triage@{version['commit']}", "team/triage")
    assert ran.exit_code == 3
    assert "the work tree lacks prompts/support/tone.j2, prompts/support/triage.schema.yaml" in ran.err
    assert f"git restore --source={version['commit'][:12]} -- prompts/support/tone.j2" in ran.err
    assert not (inside / "prompts/team").exists()


def test_a_reference_that_cannot_be_written_anew_is_refused(cli: Cli, inside: Path) -> None:
    split = 'messages:\n  - role: user\n    content: "{% include \\"./to\\\n      ne.j2\\" %}"\n'
    write(inside, "prompts/support/odd.prompt.yaml", split)
    ran = cli("copy", "support/odd", "odd")
    assert ran.exit_code == 3
    assert "cannot be rewritten" in ran.err
    assert not (inside / "prompts/odd.prompt.yaml").exists()


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("new_id", "words"),
    [
        ("../x", "cannot be a prompt"),
        ("/tmp/x", "cannot be a prompt"),
        ("a b", "cannot be a prompt"),
        ("prompts/x.prompt.yaml", "its id is x"),
        ("x.prompt.yaml", "its id is x"),
        ("a.lock", "may end in `.lock`"),
    ],
)
def test_a_wrong_id_writes_nothing(cli: Cli, new_id: str, words: str) -> None:
    ran = cli("copy", "support/triage", new_id)
    assert (ran.exit_code, ran.out) == (2, "")
    assert words in ran.err


def test_a_linked_folder_leads_nowhere(cli: Cli, inside: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (inside / "prompts/link").symlink_to(tmp_path / "elsewhere")
    ran = cli("copy", "chat", "link/chat")
    assert ran.exit_code == 3
    assert "symbolic link" in ran.err
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_of_githubs_dialect_keeps_its_suffix(cli: Cli, inside: Path) -> None:
    text = (
        "name: Hi\nmodel: openai/gpt-4o\nmessages:\n  - role: user\n    content: Hi {{name}}\ntestData: [{name: Ada}]\n"
    )
    write(inside, "prompts/hi.prompt.yml", text)
    assert "written  prompts/gh/hi.prompt.yml\n" in cli("copy", "hi", "gh/hi", "--yes").err
    assert (inside / "prompts/gh/hi.prompt.yml").read_text() == text
