"""`promptctl lint`: what it prints in each format, what it mends, how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, write

KEY = "sk-proj-" + "a8Fk2Lq9Zx7Wm4Rt6Yv1Bn3C"
IDLE = """\
name: Idle  # promptctl: ignore=P403
# How it answers.
parameters: {temperature: 0, top_p: 0.9}  # as agreed
inputs:
  ticket: {type: string}  # promptctl: ignore=P103, P101
messages:
  - role: system
    content: |
      Classify it.
      {{ ticket }}
"""
MENDED = """\
name: Idle
# How it answers.
parameters: {temperature: 0}  # as agreed
inputs:
  ticket: {type: string}  # promptctl: ignore=P103
messages:
  - role: system
    content: |
      Classify it.
      {{ ticket }}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    write(tmp_path, "prompts/idle.prompt.yaml", IDLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    return tmp_path


def test_findings_have_a_code_and_warnings_fail_only_if_asked(cli: Cli, root: Path) -> None:
    ran = cli("lint")
    assert (ran.exit_code, ran.out) == (0, "1 prompt linted: 0 errors, 3 warnings\n")
    assert "warning: prompts/idle.prompt.yaml:3:30: P201 `top_p` does nothing" in ran.err
    assert cli("lint", "--strict").exit_code == 1
    assert cli("lint", "--strict", "--ignore", "P201,P001").exit_code == 0
    assert cli("lint", "--strict", "--select", "contradictory-parameters").exit_code == 1
    write(root, "promptctl.yaml", "model: echo/echo\nlint: [{prompts: '*', error: [P201]}]\n")
    assert cli("lint").exit_code == 1


def test_an_error_fails(cli: Cli, root: Path) -> None:
    write(root, "prompts/b.prompt.yaml", f"messages: [{{role: user, content: Use {KEY}}}]\n")
    ran = cli("lint", "prompts/b.prompt.yaml")
    assert (ran.exit_code, ran.out) == (1, "1 prompt linted: 1 error, 0 warnings\n")
    assert KEY not in ran.err


@pytest.mark.parametrize(
    ("arguments", "words", "exit_code"),
    [
        (["--select", "P1O1"], "there is no rule `P1O1`", 2),
        (["--ignore", "unused"], "did you mean", 2),
        (["--yes"], "--yes says nothing without --fix", 2),
        (["--json", "--format", "sarif"], "cannot be given together", 2),
        (["--fix", "--format", "github"], "cannot be given together", 2),
        (["prompts/idel.prompt.yaml"], "prompts/idle.prompt.yaml", 2),
        (["prompt"], "did you mean `prompts`?", 2),
        (["/"], "is not in the workspace", 2),
    ],
)
def test_what_cannot_be_asked(cli: Cli, root: Path, arguments: list[str], words: str, exit_code: int) -> None:
    ran = cli("lint", *arguments)
    assert ran.exit_code == exit_code
    assert words in ran.err


def test_mistakes_in_the_settings_are_told_with_their_line(cli: Cli, root: Path) -> None:
    write(root, "promptctl.yaml", "lint:\n  - {prompts: '*', off: [P1O1]}\n")
    ran = cli("lint")
    assert ran.exit_code == 3
    assert "promptctl.yaml:2:" in ran.err
    write(root, "promptctl.yaml", "lint:\n  - {prompts: 'idel', off: [P101]}\n")
    ran = cli("validate")
    assert "the rule of `lint` for `idel` matches no prompt" in ran.err


def test_the_settings_alone_are_one_file(cli: Cli, root: Path) -> None:
    write(root, "promptctl.yaml", "model: echo/echo\n")
    ran = cli("lint", "promptctl.yaml")
    assert (ran.exit_code, ran.out) == (0, "1 file linted: 0 errors, 0 warnings\n")


class TestFix:
    def test_shows_a_diff_and_writes_what_is_asked_for(self, cli: Cli, root: Path) -> None:
        ran = cli("lint", "--fix")
        assert ran.exit_code == 0
        assert "-parameters: {temperature: 0, top_p: 0.9}  # as agreed" in ran.out
        assert (root / "prompts/idle.prompt.yaml").read_text() == IDLE
        ran = cli("lint", "--fix", "--yes")
        assert ran.out.endswith("1 prompt linted: 0 errors, 0 warnings\n")
        assert (root / "prompts/idle.prompt.yaml").read_text() == MENDED

    def test_only_of_the_rules_that_are_asked_for(self, cli: Cli, root: Path) -> None:
        cli("lint", "--fix", "--yes", "--select", "P201")
        assert "ignore=P103, P101" in (root / "prompts/idle.prompt.yaml").read_text()

    def test_as_json(self, cli: Cli, root: Path) -> None:
        ran = cli("lint", "--fix", "--json")
        assert (ran.json["written"], ran.json["warnings"]) == (False, 3)
        ran = cli("lint", "--fix", "--yes", "--json")
        assert (ran.json["written"], ran.json["warnings"]) == (True, 0)
        assert ran.json["changes"] == [{"path": "prompts/idle.prompt.yaml", "action": "changed", "moved_from": None}]

    def test_all_parameters_of_a_prompt(self, cli: Cli, root: Path) -> None:
        write(
            root,
            "prompts/idle.prompt.yaml",
            "model: openai/gpt-4o\nparameters: {top_k: 4}\n" + MENDED[MENDED.index("inputs") :],
        )
        assert cli("lint", "--fix", "--yes").exit_code == 0
        assert (root / "prompts/idle.prompt.yaml").read_text() == "model: openai/gpt-4o\n" + MENDED[
            MENDED.index("inputs") :
        ]

    def test_nothing_to_mend(self, cli: Cli, root: Path) -> None:
        write(root, "prompts/idle.prompt.yaml", MENDED)
        ran = cli("lint", "--fix", "--yes")
        assert (ran.exit_code, ran.out) == (0, "1 prompt linted: 0 errors, 0 warnings\n")

    def test_partials_and_line_ends_of_windows(self, cli: Cli, root: Path) -> None:
        partial = "{# promptctl: ignore=P401 #}\r\nBe kind.\r\n"
        (root / "prompts/a.j2").write_bytes(partial.encode())
        text = "messages: [{role: user, content: \"{% include 'a.j2' %}{% include 'a.j2' %}\"}]\r\n"
        (root / "prompts/idle.prompt.yaml").write_bytes(text.encode())
        assert cli("lint", "--fix", "--yes").exit_code == 0
        assert (root / "prompts/a.j2").read_bytes() == b"Be kind.\r\n"


class TestFormats:
    def test_sarif(self, cli: Cli, root: Path) -> None:
        write(root, "prompts/é [x].prompt.yaml", "messages: 1\n")
        ran = cli("lint", "--format", "sarif")
        assert (ran.exit_code, ran.err) == (1, "")
        assert (ran.json["version"], ran.json["$schema"]) == ("2.1.0", "https://json.schemastore.org/sarif-2.1.0.json")
        (run,) = ran.json["runs"]
        rules = run["tool"]["driver"]["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        results = {result["ruleId"]: result for result in run["results"]}
        assert all(rules[result["ruleIndex"]]["id"] == code for code, result in results.items())
        location = results["P201"]["locations"][0]["physicalLocation"]
        assert location["artifactLocation"]["uri"] == "prompts/idle.prompt.yaml"
        assert location["region"] == {"startLine": 3, "startColumn": 30}
        uris = [each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results.values()]
        assert "prompts/%C3%A9%20%5Bx%5D.prompt.yaml" in uris
        assert {result["level"] for result in run["results"]} == {"error", "warning"}

    def test_a_strangers_text_is_no_link_of_sarif(self, cli: Cli, root: Path) -> None:
        write(
            root,
            "prompts/idle.prompt.yaml",
            'model: "openai/[here](evil.example)"\nmessages: [{role: user, content: Hi}]\n',
        )
        ran = cli("lint", "--format", "sarif")
        texts = [result["message"]["text"] for result in ran.json["runs"][0]["results"]]
        assert any("\\[here\\](evil" in text for text in texts)

    @pytest.mark.parametrize("command", ["lint", "validate"])
    def test_annotations_of_github_that_no_prompt_can_end(
        self, cli: Cli, root: Path, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        monkeypatch.setenv("GITHUB_WORKSPACE", str(root.parent))
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        write(
            root,
            "prompts/idle.prompt.yaml",
            'model: "x\\n::set-output name=a::b"\nmessages: [{role: user, content: Hi}]\n',
        )
        ran = cli(command, "--format", "github")
        assert ran.exit_code == 1
        lines = [line for line in ran.out.splitlines() if line]
        assert lines[0].startswith(f"::error file={root.name}/prompts/idle.prompt.yaml,line=1::")
        assert [line for line in lines if line.startswith("::set-output")] == []
        assert len(lines) == 1

    def test_text_in_a_job_of_github_is_no_command(self, cli: Cli, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        write(
            root,
            "prompts/idle.prompt.yaml",
            'model: "x\\n::set-output name=a::b"\nmessages: [{role: user, content: Hi}]\n',
        )
        ran = cli("lint")
        assert not any(line.startswith("::") for line in (ran.out + ran.err).splitlines())
