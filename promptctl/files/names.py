"""The names of things in a workspace: prompt ids, the paths that files name, and the nearest name to a typo."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from itertools import islice

from promptctl.errors import printable

PROMPTS = "prompts"
BUILT_IN = ("authoring/", "judges/")
"""The beginnings of the ids of prompts that ship."""
DATASETS = "datasets"
RECORDINGS = "datasets/recordings"
HUMAN_LABELS = "datasets/human-labels"
CALIBRATIONS = "datasets/calibrations"
SETTINGS = "promptctl.yaml"
LOCK = "promptctl.lock.yaml"
STATE_FOLDER = ".promptctl"
STATE_VARIABLE = "PROMPTCTL_STATE"
TELEMETRY_VARIABLE = "PROMPTCTL_TELEMETRY"
LOG_FILE = "log.db"
SENSITIVE_KEY = "sensitive.key"
DRAFTS = "drafts"
# Folders of what no one wrote in this project by hand.
MADE_ELSEWHERE = frozenset(
    (
        *(".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", ".env", "env", "node_modules", "site-packages"),
        *("__pycache__", ".eggs", "build", "dist", STATE_FOLDER),
    )
)
# What of a state folder is read again: the log, what could not be written to it, three caches, and the key of hashes.
STATE_NAMES = frozenset({LOG_FILE, "unsaved", "cache.db", "search.db", "index", SENSITIVE_KEY})
# What a commit may have there: nothing of it is read as state.
STATE_COMMITTED = (".gitignore", "schemas/")
STATE_IGNORE = "*\n!.gitignore\n!schemas/\n!schemas/*.schema.json\n"

PROMPT_SUFFIXES = (".prompt.yaml", ".prompt.yml")
SCHEMA_SUFFIXES = (".schema.yaml", ".schema.yml", ".schema.json")
PARTIAL_SUFFIX = ".j2"
DATASET_SUFFIXES = (".yaml", ".yml")
ROW_SUFFIXES = (".jsonl", ".csv", ".tsv")

# A label of a prompt is a Git ref of at most 200 bytes; this leaves room for `refs/tags/prompt/`, label and number.
MAX_ID_LENGTH = 140

ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*(?:/[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*)*"
# Files choose names and their number, so suggestions are bounded: in a name's length, in names, and in each file.
_MAX_TYPED, _MAX_NAMES, MAX_SUGGESTIONS = 120, 2000, 20

LABEL = re.compile(r"[a-z][a-z0-9-]*\Z")
# `{{name}}`, which stands for a variable in a template without logic, as GitHub's prompts are.
PLACEHOLDER = re.compile(r"\{\{([\w.-]+)\}\}")
_ID = re.compile(ID_PATTERN)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def id_problem(prompt_id: str) -> str | None:
    """Return the reason why this cannot be a prompt's id, as the end of a sentence; None if it can."""
    if not _ID.fullmatch(prompt_id):
        letters = "the letters A to Z and a to z, digits, `_`, `-` and `.` between them"
        return f"an id is made of {letters}, in segments parted by `/` that begin with a letter or digit"
    if any(segment.endswith(".lock") for segment in prompt_id.split("/")):
        return "no segment of an id may end in `.lock`, which Git keeps for itself"
    if len(prompt_id) > MAX_ID_LENGTH:
        return f"an id has at most {MAX_ID_LENGTH} characters, so that its labels fit Git's names"
    return None


@dataclass(frozen=True, slots=True)
class PromptPlaces:
    """The places of a tree's prompts: folders, none inside another, and the suffixes of those at the top.

    A tree's own `promptctl.yaml` says which they are; see `promptctl.files.prompt_places`. An id is the path below its
    folder without the suffix.
    """

    folders: tuple[str, ...] = (PROMPTS,)
    top: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """The folder that references of prompts at the top are relative to."""
        return self.folders[0] if self.folders else PROMPTS

    def new_path(self, prompt_id: str, folder: str | None = None, suffix: str = PROMPT_SUFFIXES[0]) -> str:
        """Return the path at which a new prompt is written: in the folder, by default the first, else at the top.

        >>> PromptPlaces((), (".prompt.yml",)).new_path("triage")
        'triage.prompt.yml'
        """
        if not self.folders:
            return prompt_id + (suffix if suffix in self.top else self.top[0])
        return f"{folder if folder in self.folders else self.folders[0]}/{prompt_id}{suffix}"

    def folder_of(self, path: str) -> str | None:
        """Return the folder that a file lies in, empty for a prompt at the top; None for a file elsewhere."""
        for folder in self.folders:
            if path.startswith(folder) and path[len(folder) : len(folder) + 1] == "/":
                return folder
        return "" if "/" not in path and path.endswith(self.top) else None

    def base(self, path: str) -> str:
        """Return the folder that references in a file are relative to, and never leave."""
        return self.folder_of(path) or self.first

    def stem(self, path: str) -> str | None:
        """Return the path below its folder without its suffix, for a file named as a prompt; None for any other file.

        >>> PromptPlaces().stem("prompts/support/My triage.prompt.yml")
        'support/My triage'
        """
        folder = self.folder_of(path) if path.endswith(PROMPT_SUFFIXES) else None
        return path[len(folder) + 1 if folder else 0 : path.rindex(".prompt.")] if folder is not None else None

    def id(self, path: str) -> str | None:
        """Return the id of the prompt at this path; None if it is no prompt, or its name can be no id.

        >>> PromptPlaces(("prompts", ".github/prompts")).id(".github/prompts/triage.prompt.yml")
        'triage'
        """
        stem = self.stem(path)
        return stem if stem is not None and id_problem(stem) is None else None

    def paths_of(self, prompt_id: str) -> list[str]:
        """Return the paths at which the prompt of this id can be."""
        found = [f"{folder}/{prompt_id}{suffix}" for folder in self.folders for suffix in PROMPT_SUFFIXES]
        return found + [f"{prompt_id}{suffix}" for suffix in self.top] if "/" not in prompt_id else found

    @property
    def pathspecs(self) -> list[str]:
        """The places as Git takes them."""
        return [*self.folders, *(f":(glob)*{suffix}" for suffix in self.top)]

    @property
    def words(self) -> str:
        """The places as people read them: `prompts/`."""
        return ", ".join([*(f"{folder}/" for folder in self.folders), *(f"*{suffix}" for suffix in self.top)])

    def __or__(self, other: PromptPlaces) -> PromptPlaces:
        """Return the places of both, to list the files of, not to name prompts by."""
        together = (dict.fromkeys((*mine, *theirs)) for mine, theirs in zip(astuple(self), astuple(other), strict=True))
        return PromptPlaces(*map(tuple, together))


DEFAULT_PLACES = PromptPlaces()


def is_prompt_file(path: str) -> bool:
    """Return True for the path of a prompt, among those of prompts, schemas, partials, datasets and settings."""
    return path.endswith(PROMPT_SUFFIXES) and not path.startswith(DATASETS + "/")


def is_dataset(path: str) -> bool:
    """Return True for the path of a dataset; recordings below `datasets/recordings/` are none."""
    return path.startswith(DATASETS + "/") and path.endswith(DATASET_SUFFIXES) and not is_recording(path)


def is_human_labels(path: str) -> bool:
    """Return True for the path of a file with one person's labels of replies."""
    return path.startswith(HUMAN_LABELS + "/") and path.endswith(".jsonl")


def is_calibration(path: str) -> bool:
    """Return True for the path of a file with how well a judge agrees with people."""
    return path.startswith(CALIBRATIONS + "/") and path.endswith(".json")


def recording_path(prompt_id: str) -> str:
    """Return the path of the file that a prompt's replies are recorded in."""
    return f"{RECORDINGS}/{prompt_id.replace('/', '--')}.jsonl"


def is_recording(path: str) -> bool:
    """Return True for the path of a file of recorded replies."""
    return path.startswith(RECORDINGS + "/")


def did_you_mean(name: str, names: Iterable[str], form: str = "{}", *, mistakes: int | None = None) -> str:
    """Return the question that names the `nearest` names, each written as `form`; empty if none is near.

    >>> did_you_mean("prompst", ["prompts", "cases"], "--{}")
    'did you mean `--prompts`?'
    """
    near = [f"`{form.format(each)}`{_unseen(name, each)}" for each in nearest(name, names, mistakes=mistakes)]
    return f"did you mean {' or '.join(near)}?" if near else ""


def did_you_mean_glob(glob: str, names: Iterable[str]) -> str:
    """Return the question that names the nearest of the names and of the globs of their folders; empty if none is near.

    >>> did_you_mean_glob("extrct/*", ["extract/invoice"])
    'did you mean `extract/*`?'
    """
    known = dict.fromkeys(names)
    if "/" in glob:
        known |= dict.fromkeys(f"{name.rpartition('/')[0]}/*" for name in known if "/" in name)
    return did_you_mean(glob, known)


def _unseen(name: str, meant: str) -> str:
    """Return what differs between two names that look alike, in brackets; empty for any others."""
    if name.isascii() and meant.isascii():
        return ""
    from promptctl.files.look_alikes import unseen_difference

    unseen = unseen_difference(name, meant)
    return f" ({unseen})" if unseen else ""


def nearest(name: str, names: Iterable[str], *, mistakes: int | None = None) -> list[str]:
    """Return the names that a typo of `name` most probably means, at most three; empty if none is near.

    Near is a name with at most `mistakes` typing mistakes: a letter wrong, missing, extra or swapped with the next.
    By default one for each three letters and at least one, and then also a name that holds the other. No long name is
    near, and of many names only the first are compared.

    >>> nearest("lable", ["labels", "label", "cases"])
    ['label']
    """
    if len(name) > _MAX_TYPED:
        return []
    from rapidfuzz.distance import OSA

    typed = _folded(name)
    found: dict[str, int] = {}
    ordered = sorted(names) if isinstance(names, set | frozenset) else names  # a set has an order of its own each time
    for candidate in dict.fromkeys(islice(ordered, _MAX_NAMES)):
        if len(candidate) > _MAX_TYPED:
            continue
        folded = _folded(candidate)
        apart, longest = abs(len(typed) - len(folded)), max(len(typed), len(folded))
        most = mistakes if mistakes is not None else max(longest // 3, min(longest - 1, 1))
        if apart <= most and (count := OSA.distance(typed, folded, score_cutoff=most)) <= most:
            found[candidate] = count
        elif mistakes is None and min(len(typed), len(folded)) >= 3 and (typed in folded or folded in typed):
            found[candidate] = apart
    fewest = min(found.values(), default=0)
    return [candidate for candidate, count in found.items() if count == fewest][:3]


def _folded(name: str) -> str:
    if name.isascii():
        return name.casefold()
    from promptctl.files.look_alikes import normal

    return normal(name).casefold()


class PathRefused(ValueError):
    """A path in a file that leads, or could lead, out of its folder; `hint` says what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def resolve_path(reference: str, relative_to: str, base: str) -> str:
    """Return the path, relative to the workspace, that `reference` names in the file `relative_to`.

    A reference is relative to `base` (`prompts` or `datasets`), or with a leading `./` to the folder of the file that
    holds it. It never leaves `base`. Raises `PathRefused`. Links are the tree's matter.

    >>> resolve_path("support/tone.j2", "prompts/support/triage.prompt.yaml", "prompts")
    'prompts/support/tone.j2'
    >>> resolve_path("./tone.j2", "prompts/support/triage.prompt.yaml", "prompts")
    'prompts/support/tone.j2'
    """
    hint = f"name the file relative to {base}/, or with a leading ./ relative to the file that names it"
    if not reference.strip():
        raise PathRefused("the path is empty", hint)
    if _URL.match(reference):
        raise PathRefused(
            f"`{printable(reference)}` is an address; nothing is ever fetched",
            f"save the file below {base}/ and name it there",
        )
    if reference.startswith(("/", "~", "\\")):
        raise PathRefused(f"`{printable(reference)}` is an absolute path", hint)
    if "\\" in reference:
        raise PathRefused(f"`{printable(reference)}` holds a backslash", "write paths with /")
    if not reference.isprintable():
        raise PathRefused(f"`{printable(reference)}` holds characters that no path of ours has", hint)
    below = reference[2:] if reference.startswith("./") else reference
    segments = below.split("/")
    if ".." in segments:
        raise PathRefused(f"`{printable(reference)}` climbs with `..`", hint)
    if any(segment in ("", ".") for segment in segments):
        raise PathRefused(f"`{printable(reference)}` is not a plain path to a file", hint)
    folder = relative_to.rpartition("/")[0] if reference.startswith("./") else base
    path = f"{folder}/{below}" if folder else below
    if not path.startswith(base + "/"):
        raise PathRefused(f"`{printable(reference)}` leads out of {base}/", hint)
    return path
