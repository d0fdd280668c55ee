"""Log rules as people look at them: each prompt with the rule that holds for it, and how to set one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from promptctl.context import Context
from promptctl.errors import UsageError, WorkspaceError, printable
from promptctl.files.names import SETTINGS, did_you_mean, did_you_mean_glob
from promptctl.files.writing import replace_file
from promptctl.formats.rule_editing import with_log_rules
from promptctl.formats.settings_file import LogRule, Settings, read_settings
from promptctl.log.call_totals import CallTotals
from promptctl.prompts.loading import declared_ids

_VALUES: Mapping[str, Mapping[str, str | bool]] = {
    "content": {"full": "full", "metadata": "metadata"},
    "active": {"true": True, "false": False},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledPrompt:
    """A prompt that is in the files or was ever called, the log rule that holds for it, and the totals of its calls."""

    prompt: str
    has_file: bool
    rule: LogRule
    totals: CallTotals

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        totals, place = self.totals, self.rule.place
        return {
            "prompt": self.prompt,
            "in_workspace": self.has_file,
            "kept": self.rule.kept,
            "rule": self.rule.prompts if place else None,
            "rule_place": str(place) if place else None,
            **{name: getattr(totals, name) for name in ("calls", "cost_nano_usd", "average_cost_nano_usd")},
            "unpriced": totals.unpriced,
            "untold": totals.untold,
            "last_call_at": totals.last_at or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """An edit of the log rules: the file before and after, and the prompts of which another amount is kept now.

    `overruled` are prompts that a glob means and a later rule keeps as it says; `unmatched` are globs that mean no
    prompt, each with a hint, which may be empty.
    """

    old: str
    new: str
    changed: Mapping[str, tuple[str, str]]
    overruled: Mapping[str, LogRule]
    unmatched: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {
            "edited": self.old != self.new,
            "changed": [
                {"prompt": prompt, "before": before, "after": after} for prompt, (before, after) in self.changed.items()
            ],
            "overruled": [
                {"prompt": prompt, "rule": rule.prompts, "rule_place": str(rule.place), "kept": rule.kept}
                for prompt, rule in self.overruled.items()
            ],
            "unmatched": list(self.unmatched),
        }


def ruled_prompts(
    parts: Context,
    totals: Sequence[CallTotals],
    *,
    kept: Literal["full", "metadata", "off"] | None = None,
    rule: str | None = None,
    search: str | None = None,
) -> list[RuledPrompt]:
    """Return the prompts of the files and of the totals, sorted by id; those that a text, a rule or its word means.

    Raises `WorkspaceError` for a glob that no rule has.
    """
    globs = [each.prompts for each in parts.settings_now.log]
    if rule is not None and rule not in globs:
        hint = did_you_mean(rule, globs) or f"its globs are {', '.join(dict.fromkeys(globs)) or 'none'}"
        raise WorkspaceError(f"{SETTINGS} has no log rule of `{printable(rule)}`", hint=hint)
    files = set(parts.prompt_ids())
    called = {row.group["prompt"]: row for row in totals}
    rows = [
        RuledPrompt(
            prompt=prompt,
            has_file=prompt in files,
            rule=parts.settings_now.log_rule(*_ids(parts, prompt)),
            totals=called.get(prompt) or CallTotals(),
        )
        for prompt in sorted(files | called.keys())
    ]
    rows = [row for row in rows if kept in (None, row.rule.kept) and rule in (None, row.rule.prompts)]
    if not search:
        return rows
    from promptctl.catalogue.listing import PromptFilter, list_prompts

    meant = {each.id for each in list_prompts(parts, PromptFilter(search=search))}
    return [row for row in rows if row.prompt in meant or search.casefold() in row.prompt.casefold()]


def set_rules(
    parts: Context, globs: Sequence[str], given: Mapping[str, str], prompts: Sequence[str], *, is_dry_run: bool = False
) -> RuleChange:
    """Set keys of the log rule of each glob in `promptctl.yaml`, given as text, and say what changed.

    `prompts` are all ids that may be meant. Raises `UsageError` for an unknown key or value, and what editing raises.
    """
    read = {key: _value(key, value) for key, value in given.items()}
    if not all(globs):
        raise UsageError("an empty glob means no prompt", hint='`"*"` means all')
    tree = parts.work_tree_for("a change of the settings")
    file, old = tree.root / SETTINGS, tree.read(SETTINGS)
    new = with_log_rules(old, globs, read)
    before, after = read_settings(old), read_settings(new)
    if not is_dry_run and new != old:
        replace_file(file, [new])
    ids = {prompt: _ids(parts, prompt) for prompt in prompts}
    kept = {prompt: (before.log_rule(*ids[prompt]).kept, after.log_rule(*ids[prompt]).kept) for prompt in prompts}
    return RuleChange(
        old=old.decode(),
        new=new.decode(),
        changed={prompt: sides for prompt, sides in kept.items() if sides[0] != sides[1]},
        overruled=_overruled(after, globs, ids),
        unmatched={
            glob: did_you_mean_glob(glob, prompts)
            for glob in globs
            if not any(fnmatchcase(each, glob) for all_ids in ids.values() for each in all_ids)
        },
    )


def _ids(parts: Context, prompt: str) -> tuple[str, ...]:
    """Return the ids that a prompt has and had: rules follow a rename."""
    return (prompt, *declared_ids(parts.repository.work_tree, prompt))


def _overruled(settings: Settings, globs: Sequence[str], ids: Mapping[str, tuple[str, ...]]) -> dict[str, LogRule]:
    found = {}
    for prompt, own in ids.items():
        rule = settings.log_rule(*own)
        if rule.prompts not in globs and any(fnmatchcase(each, glob) for glob in globs for each in own):
            found[prompt] = rule
    return found


def _value(key: str, value: str) -> str | bool:
    if key not in _VALUES:
        hint = did_you_mean(key, _VALUES) or "set content=full, content=metadata, active=true or active=false"
        raise UsageError(f"`{printable(key)}` is no key of a log rule", hint=hint)
    if value not in _VALUES[key]:
        hint = did_you_mean(value, _VALUES[key]) or f"{key} is {' or '.join(_VALUES[key])}"
        raise UsageError(f"`{key}` cannot be `{printable(value)}`", hint=hint)
    return _VALUES[key][value]
