"""One event of a label as an annotated Git tag, `prompt/<id>@<label>/<n>`: its name, its bytes, and the way back.

Tags are written with `git mktag` and read from their raw bytes: what `git tag` and `git interpret-trailers` make of a
message depends on the user's configuration. A reason can hold anything but a line end, so it can forge no trailer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from promptctl.errors import printable
from promptctl.files.names import LABEL, PROMPT_SUFFIXES, PROMPTS, id_problem
from promptctl.files.plain import record_data, utc
from promptctl.files.wording import clip, version_keys
from promptctl.git.commits import time_of
from promptctl.git.objects import GitObject, is_object_id

Action = Literal["set", "rollback", "remove"]

TAGS = "refs/tags/"
PREFIX = "refs/tags/prompt/"
# Git's own limit is the file system's: 255 bytes for one part. This leaves room for what tools put around a name.
MAX_REF_BYTES = 200

_NAME = re.compile(r"(?P<prompt>[^@]+)@(?P<label>[a-z][a-z0-9-]*)/(?P<n>[1-9][0-9]{0,8})\Z")
_TAGGER = re.compile(r"(?P<actor>.* <[^<>]*>) (?P<time>\d{1,12} [+-]\d{4})\Z", re.DOTALL)
_ODD = re.compile("[?\ufffd\\s]")
# What a signature of any format begins with, on a line of its own.
SIGNATURE = "-----BEGIN "
_DIGEST = re.compile(r"[0-9]+:[0-9a-f]{64}\Z")
# Each is a field of the event, in lower case.
_REQUIRED = ("Prompt", "Label", "Action", "Version", "Digest", "Path", "Previous", "Actor")
_TRAILERS = (*_REQUIRED, "Reason", "Evaluation")
_VERBS: dict[Action, str] = {"set": "Set", "rollback": "Roll back", "remove": "Remove"}
_WITHIN = "Workspace"
_MAX_LINE = 1000


@dataclass(frozen=True, slots=True)
class LabelName:
    """A label of one prompt; `str` of it is what people write: `support/triage@production`.

    `formerly` are earlier ids of the prompt: what happened to the label under those is its past.
    """

    prompt: str
    label: str
    formerly: tuple[str, ...] = ()

    @property
    def chains(self) -> list[str]:
        """The beginnings of the references of the label's events, without the last slash; under today's id first."""
        if not LABEL.match(self.label):
            return []
        ids = [id_ for id_ in dict.fromkeys((self.prompt, *self.formerly)) if id_problem(id_) is None]
        return [f"{PREFIX}{id_}@{self.label}" for id_ in ids]

    def __str__(self) -> str:
        return f"{self.prompt}@{self.label}"


@dataclass(frozen=True, slots=True)
class EventName:
    """The name of one event: the n-th of one label of one prompt."""

    prompt: str
    label: str
    n: int

    @property
    def chain(self) -> str:
        """The beginning of the references of all events of the label, without the last slash."""
        return f"{PREFIX}{self.prompt}@{self.label}"

    @property
    def ref(self) -> str:
        """The tag's full reference."""
        return f"{self.chain}/{self.n}"

    def __str__(self) -> str:
        return f"{self.prompt}@{self.label}/{self.n}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that a label is about to name. `path` is the prompt's file, relative to the repository's root.

    `within` is as in `LabelEvent`.
    """

    commit: str
    version: str
    digest: str
    path: str
    within: str = ""


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """One move of a label, as its tag records it.

    `n` counts the events of the label and alone orders them; `date` is what the actor's clock said. `path` is the
    prompt's file relative to the repository's root. `version` is what the commit was called at that time. A `remove`
    names the version that was live until then. `previous` is the tag object of the event before, `oid` of this one.
    `tagger` is the person in the tag's own header, who is to be the `actor`. `within` is the workspace's folder (`.`
    for the repository's root) where the prompt is not below its `prompts/`; empty where it is.
    """

    prompt: str
    label: str
    n: int
    action: Action
    version: str
    digest: str
    commit: str
    path: str
    actor: str
    date: datetime
    reason: str
    evaluation: str
    previous: str | None
    oid: str
    tagger: str = ""
    within: str = ""

    @property
    def name(self) -> EventName:
        """The event's name: its label and number."""
        return EventName(self.prompt, self.label, self.n)

    @property
    def utc_date(self) -> str:
        """The date in UTC, whatever the zone of who made it."""
        return utc(self.date)

    @property
    def address(self) -> str:
        """The mail address of who made it."""
        return self.tagger.rpartition("<")[2].removesuffix(">")

    @property
    def is_by_actor(self) -> bool:
        """True if the tag's header names the actor; letters that an encoding lost do not count."""
        return _ODD.sub("", self.tagger) == _ODD.sub("", self.actor)

    @property
    def workspace(self) -> str | None:
        """The folder of the prompt's workspace, from the repository's root and with its slash; None if odd."""
        if self.within:
            return "" if self.within == "." else f"{self.within}/"
        below = self.path.rfind(f"{PROMPTS}/{self.prompt}.prompt.")
        return self.path[:below] if below >= 0 else None

    @property
    def is_live(self) -> bool:
        """True if the label names a version after this event."""
        return self.action != "remove"

    def as_dict(self) -> dict[str, Any]:
        """Return the move, JSON-able, with stable keys."""
        names = {"prompt": self.prompt, "label": self.label, "event": self.n, "action": self.action}
        texts = {"date": self.utc_date, "reason": self.reason or None, "evaluation": self.evaluation or None}
        without = (*names, "n", "version", "previous", "oid", "tagger", "within")
        return {**names, **version_keys(self.version), **record_data(self, without=without, **texts)}


class MalformedTag(Exception):
    """A tag below `prompt/` that is no event of a label; `code` is the problem's stable name."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def parse_name(ref: str) -> EventName | None:
    """Return the event that a reference is named for; None if its name is none of ours."""
    is_ours = ref.startswith(PREFIX) and len(ref) <= MAX_REF_BYTES
    match = _NAME.match(ref.removeprefix(PREFIX)) if is_ours else None
    if match is None or id_problem(match["prompt"]) is not None:
        return None
    return EventName(match["prompt"], match["label"], int(match["n"]))


def one_line(text: str) -> str:
    """Return the text as one line, not too long: runs of blanks, line ends and control characters become one blank."""
    shown = text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)
    return clip(" ".join(shown.split()), _MAX_LINE)


def tag_bytes(event: LabelEvent, tagger: str) -> bytes:
    """Return the tag object of an event (its `oid` and `date` are not used), as `git mktag` takes it.

    `tagger` is Git's identity line: `Name <address> seconds zone`.
    """
    subject = f"{_VERBS[event.action]} {event.prompt}@{event.label}" + (f" to {event.version}" if event.is_live else "")
    trailers = {key: getattr(event, key.lower()) or ("none" if key == "Previous" else "") for key in _TRAILERS}
    lines = [f"{key}: {one_line(value)}" for key, value in trailers.items() if value or key in _REQUIRED]
    lines += [f"{_WITHIN}: {event.within}"] if event.within else []
    head = [f"object {event.commit}", "type commit", f"tag {event.name.ref.removeprefix(TAGS)}", f"tagger {tagger}"]
    return "\n".join([*head, "", one_line(subject), "", *lines, ""]).encode("utf-8", "replace")


def parse_event(ref: str, found: GitObject | None) -> LabelEvent:
    """Return the event that the object under a reference records.

    Raises `MalformedTag` if the tag is lightweight, nested, a copy of another, or not as promptctl writes it.
    """
    name = parse_name(ref)
    if name is None:
        raise MalformedTag("label-name", "its name is not <prompt>@<label>/<number>")
    if found is None or found.data is None:
        raise MalformedTag("label-unreadable", "its object is missing or far too large")
    if found.kind != "tag":
        raise MalformedTag("label-lightweight", "it is a lightweight tag, which records nothing")
    head, _, message = found.data.decode("utf-8", "replace").partition("\n\n")
    headers = dict(line.partition(" ")[::2] for line in reversed(head.split("\n")))
    if headers.get("type") != "commit" or not is_object_id(headers.get("object", "")):
        kind = one_line(headers.get("type", "nothing"))
        raise MalformedTag("label-nested", f"it points to a {kind}, not to a commit")
    if headers.get("tag") != ref.removeprefix(TAGS):
        raise MalformedTag("label-copied", f"its object is that of the tag {one_line(headers.get('tag', '(no name)'))}")
    trailers = _trailers(message)
    if (trailers["Prompt"], trailers["Label"]) != (name.prompt, name.label):
        raise MalformedTag("label-trailers", f"it says that it is of {trailers['Prompt']}@{trailers['Label']}")
    within = trailers.get(_WITHIN, "")
    if not _is_prompts(trailers["Path"], within):
        path = printable(trailers["Path"][:_MAX_LINE])
        raise MalformedTag("label-path", f"its path `{path}` can be no file of a prompt")
    made = _TAGGER.match(headers.get("tagger", ""))
    if made is None:
        raise MalformedTag("label-trailers", "it does not say who made it and when")
    date = time_of(made["time"])
    if date is None:
        raise MalformedTag("label-trailers", "its date is not valid")
    said: dict[str, Any] = {key.lower(): trailers.get(key, "") for key in _TRAILERS}
    said["previous"] = None if trailers["Previous"] == "none" else trailers["Previous"]
    tagger = one_line(made["actor"])
    return LabelEvent(**said, n=name.n, commit=headers["object"], date=date, oid=found.id, tagger=tagger, within=within)


def _is_prompts(path: str, within: str) -> bool:
    """Return True if a path from the repository's root can be that of a prompt: whoever wrote it, it will be read."""
    *folders, name = path.split("/")
    is_below = all(part not in ("", ".", "..") for part in folders)
    is_below &= within == "." or path.startswith(f"{within}/") if within else PROMPTS in folders
    is_plain = len(path) <= _MAX_LINE and path.isprintable() and "\N{REPLACEMENT CHARACTER}" not in path
    return is_below and is_plain and name.endswith(PROMPT_SUFFIXES)


def tagger_actor(tagger: str) -> str:
    """Return the person that an identity line names: `Name <address>`."""
    match = _TAGGER.match(tagger)
    return match["actor"] if match else ""


def _trailers(message: str) -> dict[str, str]:
    """Return the trailers of a message: one `Key: value` on each line after the subject. Unknown keys are kept."""
    body = f"\n{message}".partition(f"\n{SIGNATURE}")[0][1:]  # a signed tag ends with its signature
    trailers: dict[str, str] = {}
    for line in body.split("\n")[1:]:
        key, colon, value = line.partition(": ")
        if not line:
            continue
        if not colon or not key.isalpha() or key in trailers:
            raise MalformedTag(
                "label-trailers", f"its message has a line that is no trailer, or one twice: `{printable(line)}`"
            )
        # Whoever wrote it, it will be shown on terminals.
        trailers[key] = value if key == "Path" else one_line(value)
    missing = [key for key in _REQUIRED if not trailers.get(key)]
    if missing:
        raise MalformedTag("label-trailers", f"its message lacks {', '.join(missing)}")
    if trailers["Action"] not in _VERBS:
        raise MalformedTag("label-trailers", f"its action `{trailers['Action']}` is none of {', '.join(_VERBS)}")
    if not _DIGEST.match(trailers["Digest"]):
        raise MalformedTag("label-trailers", f"its digest `{trailers['Digest']}` is not valid")
    if trailers["Previous"] != "none" and not is_object_id(trailers["Previous"]):
        raise MalformedTag("label-trailers", f"the event before is `{trailers['Previous']}`, which is no object")
    return trailers
