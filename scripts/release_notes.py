"""Prints the section of CHANGELOG.md for a tag, as the notes of its release.

Run as `python scripts/release_notes.py v0.2.0`. It ends with exit code 1, and says what to do, if the tag is not the
version of the package, or if the changelog has no text for that version.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
_HEADING = re.compile(r"^## \[?(?P<name>[^\]\s]+)\]?(?: - (?P<date>\d{4}-\d{2}-\d{2}))?$")


class NoNotes(Exception):
    """The tag cannot be released; the message says why and what to do."""


def package_version(source: str) -> str:
    """Return the version that the text of `__init__.py` assigns."""
    found = re.search(r'^__version__ = "([^"]+)"$', source, flags=re.MULTILINE)
    if found is None:
        raise NoNotes('promptctl/__init__.py: no line `__version__ = "…"`; write it')
    return found[1]


def section(changelog: str, version: str) -> str:
    """Return the text below `## VERSION - DATE`, up to the next heading of that level."""
    lines = changelog.splitlines()
    headings = [(number, match) for number, line in enumerate(lines) if (match := _HEADING.match(line))]
    for position, (number, heading) in enumerate(headings):
        if heading["name"] != version:
            continue
        if heading["date"] is None:
            raise NoNotes(f"CHANGELOG.md:{number + 1}: {version} has no date; write `## {version} - YYYY-MM-DD`")
        end = headings[position + 1][0] if position + 1 < len(headings) else len(lines)
        text = "\n".join(lines[number + 1 : end]).strip()
        if not text:
            raise NoNotes(f"CHANGELOG.md:{number + 1}: {version} has no text; write what users see")
        return text + "\n"
    raise NoNotes(f"CHANGELOG.md: no section for {version}; rename `## Unreleased` to `## {version} - YYYY-MM-DD`")


def release_notes(tag: str, root: Path = ROOT) -> str:
    """Return the release notes for `tag`, such as `v0.2.0`, from the files below `root`."""
    version = package_version((root / "promptctl/__init__.py").read_text(encoding="utf-8"))
    if tag != f"v{version}":
        raise NoNotes(f"promptctl/__init__.py: the version is {version}, the tag is {tag}; make them agree")
    return section((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)


def main() -> int:
    try:
        (tag,) = sys.argv[1:]
    except ValueError:
        print("usage: python scripts/release_notes.py TAG", file=sys.stderr)
        return 2
    try:
        print(release_notes(tag), end="")
    except NoNotes as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
