"""One event of a label as an annotated Git tag, `prompt/<id>@<label>/<n>`: its name, its bytes, and the way back.

Tags are written with `git mktag` and read from their raw bytes: what `git tag` and `git interpret-trailers` make of a
message depends on the user's configuration. A reason can hold anything but a line end, so it can forge no trailer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

from promptctl.files.names import id_problem
from promptctl.git.objects import is_object_id

if TYPE_CHECKING:
    from promptctl.git.objects import GitObject

Action = Literal["set", "rollback", "remove"]

TAGS = "refs/tags/"
PREFIX = "refs/tags/prompt/"
# Git's own limit is the file system's: 255 bytes for one part. This leaves room for what tools put around a name.
MAX_REF_BYTES = 200

_NAME = re.compile(r"(?P<prompt>[^@]+)@(?P<label>[a-z][a-z0-9-]*)/(?P<n>[1-9][0-9]{0,8})\Z")
_LABEL = re.compile(r"[a-z][a-z0-9-]*\Z")
_TAGGER = re.compile(r"(?P<actor>.* <[^<>]*>) (?P<time>\d{1,12}) (?P<zone>[+-]\d{4})\Z", re.DOTALL)
_DIGEST = re.compile(r"[0-9]+:[0-9a-f]{64}\Z")
_REQUIRED = ("Prompt", "Label", "Action", "Version", "Digest", "Path", "Previous", "Actor")
_ACTIONS: tuple[Action, ...] = ("set", "rollback", "remove")
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
        """What the references of the label's events begin with, without the last slash: under today's id first."""
        if not _LABEL.match(self.label):
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
        """What the references of all events of the label begin with, without the last slash."""
        return f"{PREFIX}{self.prompt}@{self.label}"

    @property
    def ref(self) -> str:
        """The tag's full reference."""
        return f"{self.chain}/{self.n}"

    def __str__(self) -> str:
        return f"{self.prompt}@{self.label}/{self.n}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that a label is about to name. `path` is the prompt's file, relative to the repository's root."""

    commit: str
    version: str
    digest: str
    path: str


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """One move of a label, as its tag records it.

    `n` counts the events of the label and alone orders them; `date` is what the actor's clock said. `path` is the
    prompt's file relative to the repository's root. `version` is what the commit was called at that time. A `remove`
    names the version that was live until then. `previous` is the tag object of the event before, `oid` of this one.
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

    @property
    def name(self) -> EventName:
        """Which event it is."""
        return EventName(self.prompt, self.label, self.n)

    @property
    def is_live(self) -> bool:
        """Whether the label names a version after this event."""
        return self.action != "remove"

    def as_dict(self) -> dict[str, Any]:
        """Return the move, JSON-able, with stable keys."""
        return {
            "prompt": self.prompt,
            "label": self.label,
            "event": self.n,
            "action": self.action,
            "version": self.version,
            "commit": self.commit,
            "digest": self.digest,
            "path": self.path,
            "actor": self.actor,
            "date": self.date.isoformat(),
            "reason": self.reason or None,
            "evaluation": self.evaluation or None,
        }


class MalformedTag(Exception):
    """A tag below `prompt/` that is no event of a label; `code` is the problem's stable name."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def parse_name(ref: str) -> EventName | None:
    """The event that a reference is named for; None where its name is none of ours."""
    match = _NAME.match(ref.removeprefix(PREFIX)) if ref.startswith(PREFIX) else None
    return EventName(match["prompt"], match["label"], int(match["n"])) if match else None


def one_line(text: str) -> str:
    """The text as one line: each run of blanks, line ends and control characters as one blank, and not too long."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_LINE else line[: _MAX_LINE - 1] + "…"


def tag_bytes(event: LabelEvent, tagger: str) -> bytes:
    """The tag object of an event (its `oid` and `date` are not used), as `git mktag` takes it.

    `tagger` is Git's identity line: `Name <address> seconds zone`.
    """
    verb = {"set": "Set", "rollback": "Roll back", "remove": "Remove"}[event.action]
    subject = f"{verb} {event.prompt}@{event.label}" + (f" to {event.version}" if event.is_live else "")
    trailers = {
        "Prompt": event.prompt,
        "Label": event.label,
        "Action": event.action,
        "Version": event.version,
        "Digest": event.digest,
        "Path": event.path,
        "Previous": event.previous or "none",
        "Actor": event.actor,
        "Reason": event.reason,
        "Evaluation": event.evaluation,
    }
    lines = [f"{key}: {one_line(value)}" for key, value in trailers.items() if value or key in _REQUIRED]
    head = [f"object {event.commit}", "type commit", f"tag {event.name.ref.removeprefix(TAGS)}", f"tagger {tagger}"]
    return "\n".join([*head, "", one_line(subject), "", *lines, ""]).encode("utf-8", "replace")


def parse_event(ref: str, found: GitObject | None) -> LabelEvent:
    """The event that the object under a reference records.

    Raises `MalformedTag` where the tag is lightweight, nested, a copy of another, or not as promptctl writes it.
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
    if not trailers["Path"].isprintable():
        raise MalformedTag("label-trailers", f"its path {trailers['Path']!r} can be no file of a prompt")
    previous = trailers["Previous"]
    return LabelEvent(
        prompt=name.prompt,
        label=name.label,
        n=name.n,
        action=_action(trailers["Action"]),
        version=trailers["Version"],
        digest=trailers["Digest"],
        commit=headers["object"],
        path=trailers["Path"],
        actor=trailers["Actor"],
        date=tagger_date(headers.get("tagger", "")),
        reason=trailers.get("Reason", ""),
        evaluation=trailers.get("Evaluation", ""),
        previous=None if previous == "none" else previous,
        oid=found.id,
    )


def tagger_date(tagger: str) -> datetime:
    """When a tag was made, in the zone of whoever made it; raises `MalformedTag` where the line says no date."""
    match = _TAGGER.match(tagger)
    if match is None:
        raise MalformedTag("label-trailers", "it does not say who made it and when")
    sign = -1 if match["zone"][0] == "-" else 1
    offset = timedelta(hours=int(match["zone"][1:3]), minutes=int(match["zone"][3:5])) * sign
    try:
        return datetime.fromtimestamp(int(match["time"]), UTC).astimezone(timezone(offset))
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedTag("label-trailers", "its date is none") from error


def tagger_actor(tagger: str) -> str:
    """Who an identity line names: `Name <address>`."""
    match = _TAGGER.match(tagger)
    return match["actor"] if match else ""


def _action(text: str) -> Action:
    for action in _ACTIONS:
        if text == action:
            return action
    raise MalformedTag("label-trailers", f"its action {text!r} is none of {', '.join(_ACTIONS)}")


def _trailers(message: str) -> dict[str, str]:
    """The trailers of a message: after the subject, one `Key: value` for each line. Keys of later versions are kept."""
    body = message.partition("-----BEGIN ")[0]  # a signature stands at the end of a signed tag
    trailers: dict[str, str] = {}
    for line in body.split("\n")[1:]:
        key, colon, value = line.partition(": ")
        if not line:
            continue
        if not colon or not key.isalpha() or key in trailers:
            raise MalformedTag("label-trailers", f"its message has a line that is no trailer, or one twice: {line!r}")
        # Whoever wrote it, it will be shown on terminals.
        trailers[key] = value if key == "Path" else one_line(value)
    missing = [key for key in _REQUIRED if not trailers.get(key)]
    if missing:
        raise MalformedTag("label-trailers", f"its message lacks {', '.join(missing)}")
    if not _DIGEST.match(trailers["Digest"]):
        raise MalformedTag("label-trailers", f"its digest {trailers['Digest']!r} is none")
    if trailers["Previous"] != "none" and not is_object_id(trailers["Previous"]):
        raise MalformedTag("label-trailers", f"the event before is {trailers['Previous']!r}, which is no object")
    return trailers
