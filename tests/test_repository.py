"""The repository's own files: what CI runs, what a commit is checked by, and what no file may name."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
_MACHINE = re.compile(
    r"(?<![\w.~$}])/(?:root|work|home|Users|opt|mnt)/\w"
    r"|pypi\.org|pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com|crates\.io|rubygems\.org|proxy\.golang\.org"
)


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return found


def pythons() -> list[str]:
    """The versions of Python that the package says it runs on."""
    prefix = "Programming Language :: Python :: 3."
    return ["3." + each.removeprefix(prefix) for each in project()["project"]["classifiers"] if each.startswith(prefix)]


@pytest.mark.parametrize("workflow", ["ci", "release"])
def test_every_python_that_the_package_names_is_tested(workflow: str) -> None:
    jobs = read(f".github/workflows/{workflow}.yml")["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == pythons()
    assert project()["project"]["requires-python"] == f">={pythons()[0]}"


def test_the_workflows_have_no_more_rights_than_they_need() -> None:
    for file in (ROOT / ".github/workflows").glob("*.yml"):
        workflow = read(f".github/workflows/{file.name}")
        assert workflow["permissions"] == {"contents": "read"}
    jobs = read(".github/workflows/release.yml")["jobs"]
    assert {name: job["permissions"] for name, job in jobs.items() if "permissions" in job} == {
        "publish": {"id-token": "write"},
        "announce": {"contents": "write"},
    }


def test_what_the_workflows_and_hooks_make_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    (checks,) = re.findall(r"^check: ([a-z -]+?) *##", makefile, flags=re.MULTILINE)
    hooks = [hook["entry"] for hook in read(".pre-commit-config.yaml")["repos"][0]["hooks"]]
    made = {entry.removeprefix("make ") for entry in hooks if entry.startswith("make ")}
    assert made == set(checks.split())
    assert made <= targets
    steps = [job["steps"] for job in read(".github/workflows/ci.yml")["jobs"].values()]
    commands = [step["run"] for each in steps for step in each if "run" in step]
    assert {command.removeprefix("make ") for command in commands if command.startswith("make ")} <= targets


def test_this_repository_uses_the_hooks_that_it_offers() -> None:
    offered = {hook["id"]: hook for hook in read(".pre-commit-hooks.yaml")}
    used = {hook["id"]: hook for hook in read(".pre-commit-config.yaml")["repos"][0]["hooks"]}
    assert set(offered) <= set(used)
    for name, hook in offered.items():
        for key in ("name", "files", "exclude", "pass_filenames", "always_run"):
            assert used[name].get(key) == hook.get(key), (name, key)
        assert used[name]["entry"] == f".venv/bin/{hook['entry']}"


def test_every_tool_of_the_developers_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    pinned = {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in lines}
    extras = project()["project"]["optional-dependencies"]
    own = "promptctl-git[adopt,examples,improve,telemetry]"
    assert own in extras["dev"]
    named = ("dev", "adopt", "examples", "improve", "telemetry")
    needed = {*project()["project"]["dependencies"], *(each for name in named for each in extras[name])} - {own}
    assert {re.sub(r"[-_.]+", "-", re.split(r"[<>=![]", each)[0]).lower() for each in needed} <= pinned


def test_what_the_action_installs_is_pinned_by_hash() -> None:
    text = (ROOT / "constraints-hashes.txt").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", text.strip())
    heads = [
        re.match(r"([\w.-]+)==([\w.]+)(?: ; [^\\]+)? \\(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+\Z", each)
        for each in blocks
    ]
    assert all(heads)
    pinned = {head[1]: head[2] for head in heads if head}
    constraints = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    lowered = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in constraints.items()}
    assert {name: version for name, version in pinned.items() if lowered.get(name, version) != version} == {}
    needed = [*project()["project"]["dependencies"], *project()["build-system"]["requires"]]
    assert {re.split(r"[<>=!]", each)[0].lower() for each in needed} <= pinned.keys()
    script = (ROOT / "scripts/install.sh").read_text(encoding="utf-8")
    assert "--require-hashes --only-binary :all:" in script
    assert "scripts/install.sh" in (ROOT / "action.yml").read_text(encoding="utf-8")


def test_every_action_of_others_is_pinned_by_its_commit() -> None:
    files = [*(ROOT / ".github/workflows").glob("*.yml"), ROOT / "action.yml", *(ROOT / "docs").glob("*.md")]
    used = [line for file in files for line in re.findall(r"^ *-? *uses: (.*)", file.read_text("utf-8"), re.MULTILINE)]
    wrong = [each for each in used if not re.match(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v|OWNER/promptctl@<", each)]
    assert (wrong, len(used) > 10) == ([], True)


def tracked() -> dict[str, bytes]:
    """What Git tracks here, by path, as it is in the work tree."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no Git work tree")
    return {name: (ROOT / name).read_bytes() for name in listed.stdout.decode().split("\0") if (ROOT / name).is_file()}


def test_no_file_names_a_machine_or_a_registry() -> None:
    texts = {name: data.decode("utf-8", "replace") for name, data in tracked().items() if ROOT / name != Path(__file__)}
    lines = [f"{name}: {line.strip()}" for name, text in texts.items() for line in text.splitlines()]
    assert [line for line in lines if _MACHINE.search(line)] == []


def test_nothing_that_was_built_or_downloaded_is_tracked() -> None:
    binary = [name for name, data in tracked().items() if b"\0" in data]
    assert [name for name in binary if not name.startswith(("docs/pictures/", "tests/fixtures/"))] == []
