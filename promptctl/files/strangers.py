"""Names of strangers' files that are not written here: other systems or tools would take them for something else."""

from __future__ import annotations

import re

from promptctl.errors import printable
from promptctl.files.names import DATASETS, is_calibration, is_human_labels, is_recording

# `.git` as file systems also know it: with blanks and dots behind it, by its short name, with characters left out.
_GIT_LIKE = re.compile(r"(?i)\.?git(?:~[0-9]+|[ .]*|::.*)")
LICENCE_NAMES = re.compile(
    r"(?i)(?:un)?licen[cs]e(?![.-](?:header|check|checker|report|template)s?(?![a-z])"  # of what works with licences
    r"|.*\.(?:py|js|ts|sh|csv|tsv|json|ya?ml)\Z)(?:[.-][a-z0-9.-]+)?|copying(?:\.[a-z0-9]+)?"
)
NOTICE_NAMES = re.compile(r"(?i)notice(?:\.[a-z0-9]+)?")

# What prompts, schemas, partials, cases and licences are written as. Other tools run files by their names alone.
_TAKEN = (
    ".yaml", ".yml", ".json", ".jsonl", ".csv", ".tsv", ".j2", ".jinja", ".jinja2", ".txt", ".md", ".rst", ".html",
    ".xml", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".wav", ".mp3",
)  # fmt: skip
# pytest collects `test*.txt` without being asked. These patterns are for names in small letters.
_TESTS = re.compile(r"(?:test|conftest).*\.(?:txt|md|rst)|.*_test\.(?:txt|md|rst)|test_.*\.tavern\.ya?ml")
_SETTINGS = re.compile(
    r"promptctl(?:\.lock)?\.ya?ml|(?:docker-)?compose(?:\.override)?\.ya?ml|promptfooconfig\.(?:ya?ml|json)|opencode\.json"
    r"|(?:package(?:-lock)?|npm-shrinkwrap|project|nx|lerna|turbo|rush|deno|composer|bower|angular|biome)\.json"
    r"|(?:babel|jest)\.config\.json|[jt]sconfig(?:\..*)?\.json|(?:requirements|constraints)(?:[-_.].*)?\.txt"
    r"|cmakelists\.txt|(?:pom|build)\.xml|(?:pnpm-workspace|pnpm-lock|taskfile|taskfile\.dist|lefthook|lefthook-local|dvc"
    r"|mkdocs|pulumi|skaffold|serverless|molecule|kustomization|appveyor|buildspec|cloudbuild|[a-z]+-pipelines)\.ya?ml"
)
_ORDERS = re.compile(
    r"(?:agents?|claude|gemini|qwen|warp|crush|skill|copilot-instructions)(?:\..*)?\.md"
    r"|.*\.(?:instructions|prompt|agent|chatmode)\.md"
)


def is_notice(path: str) -> bool:
    """Return True for the path of a `NOTICE`, which licences ask to be passed on."""
    return NOTICE_NAMES.fullmatch(path.rpartition("/")[2]) is not None


def is_of_licence(name: str) -> bool:
    """Return True for the name of a licence or a notice."""
    return (LICENCE_NAMES.fullmatch(name) or NOTICE_NAMES.fullmatch(name)) is not None


def unwelcome(path: str) -> str | None:
    """Return why a file of a stranger is not taken by this path, as the end of a sentence; None if it may be.

    Whatever a library names as the input of a case, or an imported document as a partial, comes along: nothing that a
    runner of tests, a different tool or an agent that writes code knows by its name, in letters of any case, no
    settings of Git or of promptctl, and no recorded replies.
    """
    path = path.casefold()
    *folders, name = path.split("/")
    if any(each.startswith(".") for each in (*folders, name)):
        return "is hidden"
    if _SETTINGS.fullmatch(name) or "node_modules" in folders:
        return "would set up a tool"
    if _TESTS.fullmatch(name):
        return "would be run as a test"
    if _ORDERS.fullmatch(name):
        return "would be read as orders to coding agents"
    if not name.endswith(_TAKEN) and ("." in name or not is_of_licence(name)):
        return "is of a kind that is not taken"
    if path.startswith(f"{DATASETS}/") and (is_recording(path) or is_human_labels(path) or is_calibration(path)):
        return "would be read as recordings or labels"
    return None


def unsafe(path: str) -> str | None:
    """Return why a path of a stranger's tree is not to be written here, as the end of a sentence; None if it may be."""
    if printable(path) != path:
        return "has a name with characters that nobody sees"
    if "\\" in path or ":" in path:
        return "has a name that other systems take for a path"
    segments = path.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        return "has a name that leads out of its folder"
    if any(_GIT_LIKE.fullmatch(segment) and segment.casefold() != "git" for segment in segments):
        return "has a name that Git keeps for itself"
    if any(segment != segment.rstrip(". ") for segment in segments):
        return "has a name that other systems read differently"
    return None
