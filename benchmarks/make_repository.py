"""Makes a large workspace in a Git repository: commits, prompts, partials, merges, renames and labels, always the same.

    python benchmarks/make_repository.py DIR [--commits 20000] [--prompts 1000] [--labels 5000]

About a quarter of the commits lie on side branches that were merged. The remote's branch `origin/main` is there as a
clone would have it.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from promptctl.labels.tags import LabelEvent, tag_bytes
from promptctl.versions.repository import Repository

WHO = "Ada Example <ada@example.org>"
BEGUN_AT = 1_700_000_000
LABELS = ("production", "staging")
EVENTS = 5


@dataclass(frozen=True, slots=True)
class Size:
    commits: int = 20_000
    prompts: int = 1_000
    labels: int = 5_000


def prompt_path(number: int) -> str:
    return f"prompts/team{number % 20}/p{number}.prompt.yaml"


def prompt_file(number: int, edit: int) -> str:
    include = f'\n      {{% include "shared/tone{number % 50}.j2" %}}' if number % 3 == 0 else ""
    schema = "\noutput:\n  schema: {$ref: shared/answer.schema.yaml}" if number % 4 == 0 else ""
    return f"""\
name: Prompt {number}
description: One of many, edited {edit} times.
tags: [team{number % 20}]
model: openai/gpt-4o-mini
parameters: {{temperature: 0, max_tokens: {100 + edit}}}
inputs:
  ticket: {{type: string, description: The raw text of the ticket}}
  product: {{type: string, default: Acme}}
  tone: {{type: string, required: false}}
messages:
  - role: system
    content: |
      You answer tickets about {{{{ product }}}} for team {number % 20}.
      Be {{{{ tone | default("kind") }}}}. This is wording {edit}.{include}
  - role: user
    content: |
      {{{{ ticket }}}}{schema}
"""


def commits(size: Size) -> Iterator[str]:
    """The stream that `git fast-import` reads."""
    chance = random.Random(1)
    edits = [0] * size.prompts
    clock = BEGUN_AT
    mark = 0

    def commit(branch: str, files: Iterable[tuple[str, str]], parents: str = "") -> str:
        nonlocal clock, mark
        clock += 60
        mark += 1
        changes = "".join(f"M 644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files)
        message = f"Change {mark}"
        return (
            f"commit refs/heads/{branch}\nmark :{mark}\ncommitter {WHO} {clock} +0000\n"
            f"data {len(message)}\n{message}\n{parents}{changes}\n"
        )

    def change() -> list[tuple[str, str]]:
        kind = chance.random()
        if kind < 0.02:
            number = chance.randrange(50)
            return [(f"prompts/shared/tone{number}.j2", f"Tone {number} as of change {mark}.\n")]
        if kind < 0.25:
            return [(f"src/file{chance.randrange(300)}.py", f"# {mark}\n")]
        number = chance.randrange(size.prompts)
        edits[number] += 1
        return [(prompt_path(number), prompt_file(number, edits[number]))]

    first = [("promptctl.yaml", "model: openai/gpt-4o-mini\n"), (".gitignore", ".promptctl/\n")]
    first += [(f"prompts/shared/tone{number}.j2", f"Tone {number}.\n") for number in range(50)]
    first += [("prompts/shared/answer.schema.yaml", "type: object\nproperties: {answer: {type: string}}\n")]
    yield commit("main", first + [(prompt_path(number), prompt_file(number, 0)) for number in range(size.prompts)])
    while mark < size.commits:
        if chance.random() < 0.1:
            fork = mark
            for step in range(chance.randint(1, 4)):
                yield commit("side", change(), f"from :{fork}\n" if step == 0 else "")
            # A merge's content is given again, for fast-import takes it from the first parent alone.
            yield commit("main", change(), f"from :{fork}\nmerge :{mark}\n")
        else:
            yield commit("main", change(), f"from :{mark}\n")


def labels(root: Path, size: Size) -> list[tuple[str, bytes]]:
    """The tags of every label's chain, each built on the one before, as name and object."""
    repository = Repository(root, cache_dir=root / ".promptctl")
    chains = -(-size.labels // EVENTS)
    made: list[tuple[str, bytes]] = []
    for chain in range(chains):
        number, label = chain // len(LABELS) % size.prompts, LABELS[chain % len(LABELS)]
        prompt = prompt_path(number).removeprefix("prompts/").removesuffix(".prompt.yaml")
        versions = repository.versions_of(prompt)
        previous = None
        for n in range(1, EVENTS + 1):
            entry = versions[-min(len(versions), EVENTS + 1 - n)]
            assert entry.made is not None
            event = LabelEvent(
                prompt=prompt,
                label=label,
                n=n,
                action="set",
                version=f"v{entry.number}",
                digest=entry.digest,
                commit=entry.made.commit,
                path=entry.path,
                actor=WHO,
                date=None,  # type: ignore[arg-type]  # not used
                reason="",
                evaluation="",
                previous=previous,
                oid="",
            )
            data = tag_bytes(event, f"{WHO} {BEGUN_AT + chain} +0000")
            previous = hashlib.sha1(b"tag %d\0" % len(data) + data).hexdigest()
            made.append((event.name.ref, data))
    repository.close()
    return made[: size.labels]


def pack(objects: list[bytes]) -> bytes:
    """A Git pack of tag objects."""
    parts = [b"PACK" + struct.pack(">II", 2, len(objects))]
    for data in objects:
        left, byte = len(data) >> 4, 4 << 4 | len(data) & 15
        header = bytearray()
        while left:
            header.append(byte | 0x80)
            byte, left = left & 0x7F, left >> 7
        header.append(byte)
        parts += [bytes(header), zlib.compress(data, 1)]
    body = b"".join(parts)
    return body + hashlib.sha1(body).digest()


def make(root: Path, size: Size) -> None:
    """Make the repository in a folder that is not there yet."""
    root.mkdir(parents=True)

    def git(*args: str, data: bytes | None = None) -> None:
        subprocess.run(["git", "-C", str(root), *args], input=data, check=True, stdout=subprocess.DEVNULL)

    git("init", "--quiet", "--initial-branch=main")
    git("fast-import", "--quiet", data="".join(commits(size)).encode())
    git("branch", "--quiet", "-D", "side")
    git("config", "remote.origin.url", "https://example.org/prompts.git")
    git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    git("update-ref", "refs/remotes/origin/main", "refs/heads/main")
    git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    git("reset", "--quiet", "--hard")
    tags = labels(root, size)
    git("index-pack", "--stdin", data=pack([data for _, data in tags]))
    ids = [hashlib.sha1(b"tag %d\0" % len(data) + data).hexdigest() for _, data in tags]
    lines = "".join(f"create {name} {id_}\n" for (name, _), id_ in zip(tags, ids, strict=True))
    git("update-ref", "--stdin", data=lines.encode())
    git("pack-refs", "--all")
    shutil.rmtree(root / ".promptctl", ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    for name, default in (("commits", 20_000), ("prompts", 1_000), ("labels", 5_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    if given.folder.exists():
        sys.exit(f"{given.folder} is there already")
    begun = time.perf_counter()
    make(given.folder, Size(given.commits, given.prompts, given.labels))
    print(f"made {given.folder} in {time.perf_counter() - begun:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
