"""The commit that made each line of some files, through merges and renames.

Git's blame finds it, over a history that is walked once for all the files: each of them on its own would walk it all.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher

from promptctl.errors import GitError, HistoryIncomplete, printable
from promptctl.files.wording import alike_until
from promptctl.files.writing import temporary_folder
from promptctl.git.commands import GitOutput, refusal
from promptctl.git.commits import LONGEST, CommitInfo, parse_commit, time_of
from promptctl.git.repository import Git
from promptctl.git.walk import list_commits, walk

# No setting of the repository changes what is found, and no program of its own, such as one that makes text of a file,
# is run.
_BLAME = (
    *("-c", "core.quotePath=true"),
    *("-c", "diff.renameLimit=1000"),
    *("blame", "--porcelain", "--root", "--no-textconv", "--encoding=UTF-8", "--ignore-revs-file="),
)
# Matching lines takes a time that grows with the product of both numbers.
_MOST_PAIRS = 4_000_000

Earlier = Callable[[str, str], str | None]
"""Returns the path that a file had before a commit added it, by that commit's first parent and the path."""


@dataclass(frozen=True, slots=True)
class LineChange:
    """The commit that made a line, with its author as the mailmap names them; and the file that the line was in then.

    `path` is from the repository's root. With `is_cut` a shallow clone ends there: an earlier commit may have made it.
    """

    commit: CommitInfo
    path: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class _OwnLine:
    """One line as Git's blame gives it; `number` is its own in that commit, which added the file if it `is_first`."""

    commit: CommitInfo
    path: str
    number: int
    is_first: bool


def line_changes(
    git: Git, commit: str, paths: Iterable[str], earlier: Earlier | None = None
) -> dict[str, list[LineChange]]:
    """Return who made each line of files that a commit has, by path; paths are from the repository's root.

    A rename that leaves most of a file as it was is followed; of any other one `earlier` knows. Raises
    `HistoryIncomplete` if a partial clone lacks a part of the history, and `GitError`.
    """
    wanted = list(dict.fromkeys(paths))
    if not wanted:
        return {}
    _refuse_ignored(git)
    found = dict(zip(wanted, _over_one_walk(git, commit, wanted), strict=True))
    begun = sorted({(line.commit.commit, line.path) for lines in found.values() for line in lines if line.is_first})
    # Only there Git has to look for a rename, and goes on in the file's earlier place.
    before = dict(zip(begun, _blame(git, begun), strict=True))
    result: dict[str, list[LineChange]] = {}
    for path, lines in found.items():
        whole = [before[line.commit.commit, line.path][line.number - 1] if line.is_first else line for line in lines]
        result[path] = [LineChange(line.commit, line.path) for line in whole]
        for added in {(line.commit.commit, line.path) for line in whole if line.is_first}:
            _follow(git, added, whole, result[path], earlier)
    return result if not git.is_shallow else _cut(git, result)


def carried(old: Sequence[str], new: Sequence[str]) -> list[int | None]:
    """Return, for each of the new lines, the index of the old line that it is; None for one that was added."""
    found: list[int | None] = [None] * len(new)
    start = alike_until(old, new)
    end = alike_until(old[start:][::-1], new[start:][::-1])
    found[:start] = range(start)
    for at in range(1, end + 1):
        found[-at] = len(old) - at
    left, right = old[start : len(old) - end], new[start : len(new) - end]
    if len(left) * len(right) <= _MOST_PAIRS:
        for block in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks():
            for at in range(block.size):
                found[start + block.b + at] = start + block.a + at
    return found


def file_lines(data: bytes) -> list[str]:
    """Return a file's lines as Git counts them, whatever ends them; those that are no UTF-8 as far as they are."""
    lines = data.decode("utf-8", "replace").split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def _refuse_ignored(git: Git) -> None:
    """Raise `GitError` for a list of commits to pass over that is no file: Git reads it whatever is asked of it."""
    listed = git.run(["-C", str(git.root), "config", "--path", "-z", "--get-all", "blame.ignoreRevsFile"], check=False)
    for name in listed.text.split("\0"):
        if name and not (git.root / name).is_file():
            raise GitError(
                f"Git's setting blame.ignoreRevsFile names {printable(name)}, and that is no file",
                hint="git config --unset-all blame.ignoreRevsFile",
            )


def _over_one_walk(git: Git, commit: str, paths: Sequence[str]) -> list[list[_OwnLine]]:
    """Return the lines of files, over a history of nothing but the commits that changed one of them."""
    args = ["-C", str(git.root), "rev-list", "--topo-order", "--parents", commit, "--", *paths]
    listed = git.run(args, check=False)
    if listed.status != 0:
        raise _incomplete(listed)
    if not listed.stdout:
        raise GitError(f"commit {commit[:7]} has no {paths[0]}")
    head = listed.text[: len(commit)]
    with temporary_folder("blame") as folder:
        history = folder / "history"
        history.write_bytes(listed.stdout)
        return _blame(git, [(head, path) for path in paths], "--no-follow", "-S", str(history))


def _blame(git: Git, files: Sequence[tuple[str, str]], *options: str) -> list[list[_OwnLine]]:
    """Return the lines of files, each given by a commit and its path; all are asked for at once."""
    outputs = _run_all(git, files, options)
    promisors = ["config", "--get-regexp", r"^remote\..*\.promisor$"]
    if any(output.status for output in outputs) and git.run(promisors, check=False).stdout:
        _bring(git, files)
        outputs = _run_all(git, files, options)
    for output in outputs:
        if output.status != 0:
            raise _incomplete(output)
    return [list(_lines(output.stdout)) for output in outputs]


def _run_all(git: Git, files: Sequence[tuple[str, str]], options: Sequence[str]) -> list[GitOutput]:
    root = ("-C", str(git.root))
    running = [git.start([*root, *_BLAME, *options, commit, "--", path]) for commit, path in files]
    done = []
    for process in running:
        stdout, stderr = process.communicate()
        done.append(GitOutput(stdout, stderr.decode("utf-8", "replace"), process.returncode))
    return done


def _bring(git: Git, files: Sequence[tuple[str, str]]) -> None:
    """Fetch every content that the files ever had in one request, which a partial clone may lack."""
    for commit, path in files:
        commits = list_commits(git, commit)
        blobs = {change.after for step in walk(git, commits, path) for change in step.changes}
        git.objects.read_all([blob for blob in blobs if blob], max_bytes=0)


def _lines(porcelain: bytes) -> Iterator[_OwnLine]:
    commits: dict[str, CommitInfo] = {}
    places: dict[str, str] = {}
    follows: set[str] = set()
    fields: dict[str, str] = {}
    id_, number = "", 0
    for raw in porcelain.split(b"\n"):
        if raw.startswith(b"\t"):
            if "author" in fields:
                commits[id_] = _commit(id_, fields)
            if "filename" in fields:
                places[id_] = _unquoted(fields["filename"])
            if "previous" in fields:
                follows.add(id_)
            yield _OwnLine(commits[id_], places[id_], number, id_ not in follows)
            id_, fields = "", {}
        elif not id_:
            id_, _, rest = raw.decode("ascii", "replace").partition(" ")
            number = int(rest.split(" ", 1)[0]) if rest else 0
        else:
            key, _, value = raw.decode("utf-8", "replace").partition(" ")
            fields[key] = value[:LONGEST]


def _commit(id_: str, fields: dict[str, str]) -> CommitInfo:
    made = time_of(f"{fields.get('author-time', '')} {fields.get('author-tz', '')}")
    committed = fields.get("committer-time", "")
    return CommitInfo(
        id_,
        f"{fields.get('author', '')} {fields.get('author-mail', '')}".strip(),
        made.isoformat() if made else "",
        fields.get("summary", "").strip(),
        committed_at=int(committed) if committed.isdigit() else 0,
    )


def _unquoted(name: str) -> str:
    """Return a path that Git may have written in quotes, with the escapes of C."""
    if name.startswith('"'):
        with suppress(ValueError, SyntaxError):
            data: bytes = ast.literal_eval(f"b{name}")
            return data.decode("utf-8", "surrogateescape")
    return name


def _follow(
    git: Git,
    added: tuple[str, str],
    lines: Sequence[_OwnLine],
    changes: list[LineChange],
    earlier: Earlier | None,
) -> None:
    """Give the lines that a commit seems to have added with a file to those who made them in the file it was before."""
    commit, path = added
    found = git.objects.read(commit)
    parents = parse_commit(commit, found.data).parents if found is not None and found.data is not None else ()
    if earlier is None or not parents or git.objects.read(parents[0], max_bytes=0) is None:
        return  # a shallow clone does not have the parents that a commit names
    if (old := earlier(parents[0], path)) is None:
        return
    before, now = git.objects.read_all([f"{parents[0]}:{old}", f"{commit}:{path}"])
    if before is None or before.data is None or now is None or now.data is None:
        return
    made = line_changes(git, parents[0], [old], earlier)[old]
    kept = carried(file_lines(before.data), file_lines(now.data))
    for at, line in enumerate(lines):
        index = kept[line.number - 1] if line.is_first and (line.commit.commit, line.path) == added else None
        if index is not None:
            changes[at] = made[index]


def _cut(git: Git, found: dict[str, list[LineChange]]) -> dict[str, list[LineChange]]:
    """Mark the lines of commits whose parents a shallow clone does not have."""
    ids = list({change.commit.commit for changes in found.values() for change in changes})
    read = git.objects.read_all(ids)
    parents = {each.id: parse_commit(each.id, each.data).parents for each in read if each is not None and each.data}
    known = [parent for each in parents.values() for parent in each]
    here = {parent for parent, each in zip(known, git.objects.read_all(known, max_bytes=0), strict=True) if each}
    cut = {commit for commit, each in parents.items() if not here.issuperset(each)}
    return {
        path: [LineChange(each.commit, each.path, each.commit.commit in cut) for each in changes]
        for path, changes in found.items()
    }


def _incomplete(output: GitOutput) -> GitError:
    error = refusal(output)
    if "promisor" in output.stderr or "missing" in output.stderr or "could not fetch" in output.stderr:
        return HistoryIncomplete(error.message, hint="git fetch --refetch --filter=blob:none brings the history")
    return error
