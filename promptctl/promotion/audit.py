"""Moves of labels, checked against what the default branch asked when they were made, and against their evidence."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import zip_longest

from promptctl.errors import InvalidFiles, LogFailure, Problem, PromptctlError
from promptctl.files.names import SETTINGS
from promptctl.git.commits import read_commits
from promptctl.labels.chains import bad_move
from promptctl.labels.signers import SIGNERS, unsigned
from promptctl.labels.tags import LabelEvent
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Store
from promptctl.promotion import rules
from promptctl.versions.committed_settings import Committed, settings_at
from promptctl.versions.moment import Moment

_EVALUATION = re.compile(r"(?:\A|; )([0-9a-f-]{36}) passed ")
# Clocks of two people may differ by as much, in seconds.
_DRIFT = 600


@dataclass(frozen=True, slots=True)
class _Move:
    """One event and when it was made, in seconds since 1970: not before its commit, nor before the event before it.

    `known` counts the commits with settings that it and the moves before it are built on: who made it knew these.
    """

    event: LabelEvent
    at: float
    known: int
    is_last: bool = False


def check_moves(moment: Moment, events: Sequence[LabelEvent], log: Store) -> list[Problem]:
    """Return the moves that broke the rules of their time, and those whose evidence is none.

    What the default branch asked is looked up on its line, at the time of each event. An evaluation that this
    workspace's log does not have cannot be judged. The last move of a label must also be signed as is asked today.
    Raises `GitError` if there are moves and it is not known whose rules hold.
    """
    if not events:
        return []
    line = _RulesInTime(moment)
    moves = _timed(moment, events, line)
    named = _named(moves)
    problems: list[Problem] = []
    signed: list[tuple[Committed, list[_Move]]] = []
    if line.now is not None:
        signed.append((line.now, [move for move in moves if move.is_last]))
    for move in moves:
        asked, known = line.at(move), line.known_to(move)
        if asked is not None:
            if words := _broken(asked, move, named):
                is_sure = known is not None and not set(words).isdisjoint(_broken(known, move, named))
                said = f"it broke the rules of {asked.trust.line} at {asked.commit[:7]}: {'; '.join(words)}"
                problems.append(_finding(move, "label-rules", said, is_sure=is_sure))
            if not signed or signed[-1][0] is not asked:
                signed.append((asked, []))
            is_asked_now = move.is_last and line.now is not None and line.now.trust.signers is not None
            if not is_asked_now or (known is not None and known.trust.signers is not None):
                signed[-1][1].append(move)
        problems += _evidence([each for each in (asked, known) if each is not None], move, log)
    for committed, signers_of in signed:
        problems += _unsigned(moment, committed, signers_of, line)
    return list(dict.fromkeys(problems))


def unasked(moment: Moment, events: Sequence[LabelEvent]) -> set[str]:
    """Return the tag objects of those moves that were made when the default branch asked for no signature."""
    line = _RulesInTime(moment)
    asked = {move.event.oid: line.at(move) for move in _timed(moment, events, line)}
    return {oid for oid, held in asked.items() if held is None or held.trust.signers is None}


def _finding(move: _Move, code: str, words: str, *, is_sure: bool = True) -> Problem:
    """Return what is wrong with a move; a warning if the rule may have been pushed after it, whatever clocks say."""
    found = bad_move(move.event, code, words)
    if not is_sure:
        words = f"the move {move.event.name}: {words} (or that commit was pushed after the move)"
        found = replace(found, message=words, severity="warning")
    return found if move.is_last else replace(found, hint=None)


class _RulesInTime:
    """The settings of the workspace along the default branch, by the time since which they were there."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._line = moment.trusted_line
        git = moment.git
        paths = [git.path_here(name) for name in (SETTINGS, SIGNERS)]
        commits = git.run(["rev-list", "--first-parent", "--reverse", self._line.tip, "--", *paths]).lines()
        made = read_commits(git.objects, commits)
        self._commits = commits
        self._since: list[float] = []
        for commit in commits:
            self._since.append(max([made[commit].committed_at, *self._since[-1:]]))
        walked = git.run(["rev-list", "--first-parent", "--reverse", self._line.tip]).lines() if commits else []
        self._positions = {commit: position for position, commit in enumerate(walked)}
        self._changed_at = [self._positions[commit] for commit in commits]
        self._holding: dict[str, int] = {}
        self._read: dict[str, Committed | None] = {}
        self.now = self._settings(self._line.tip)

    def at(self, move: _Move) -> Committed | None:
        """Return what held when a move was made; None if the branch had no settings yet, or none that can be read.

        What was known to who made it held in any case, whatever a clock says. Within one second the earlier settings
        count.
        """
        index = max(bisect_left(self._since, move.at), move.known)
        return self._settings(self._commits[index - 1]) if index else None

    def known_to(self, move: _Move) -> Committed | None:
        """Return what was surely known to who made a move: when a commit was made does not say when it was pushed."""
        return self._settings(self._commits[move.known - 1]) if move.known else None

    def held(self, commit: str) -> int:
        """Return how many of the commits with settings a commit holds."""
        if commit not in self._holding:
            position = self._positions.get(commit)
            if position is None:  # merged, or on a branch of its own
                asked = "\n".join([*self._commits, f"^{commit}", ""]).encode()
                found = self._moment.git.run(["rev-list", "--stdin"], input=asked, check=False)
                lacking = set(self._commits) if found.status else set(found.lines())
                self._holding[commit] = sum(each not in lacking for each in self._commits)
            else:
                self._holding[commit] = bisect_right(self._changed_at, position)
        return self._holding[commit]

    def _settings(self, commit: str) -> Committed | None:
        if commit not in self._read:
            self._read[commit] = None
            with suppress(InvalidFiles):
                self._read[commit] = settings_at(self._moment.git, replace(self._line, tip=commit))
        return self._read[commit]


def _timed(moment: Moment, events: Iterable[LabelEvent], line: _RulesInTime) -> list[_Move]:
    made = read_commits(moment.git.objects, list({event.commit for event in events}))
    last: dict[str, _Move] = {}
    moves = []
    for event in sorted(events, key=lambda event: (event.name.chain, event.n)):
        commit, chain = made.get(event.commit), event.name.chain
        said = event.date.timestamp()
        before = last.get(chain)
        at = max(said, commit.committed_at if commit else said, before.at if before else said)
        last[chain] = _Move(event, at, max(line.held(event.commit), before.known if before else 0))
        moves.append(last[chain])
    return [replace(move, is_last=last[move.event.name.chain] is move) for move in moves]


_Named = Mapping[tuple[str, str], "Sequence[tuple[_Move, float]]"]
"""The moves of a label that name a content, by label and digest, each with when the next move of its chain was made."""


def _named(moves: Sequence[_Move]) -> _Named:
    found: dict[tuple[str, str], list[tuple[_Move, float]]] = {}
    for move, following in zip_longest(moves, moves[1:]):
        ends = math.inf if move.is_last or following is None else following.at
        found.setdefault((move.event.label, move.event.digest), []).append((move, ends))
    return found


def _broken(asked: Committed, move: _Move, named: _Named) -> list[str]:
    """Return the rules that a move broke."""
    event, labels = move.event, asked.settings.labels
    rule = rules.rule_of(labels, event.label)
    words = []
    if rule.reason == "required" and not event.reason:
        words.append("it has no reason")
    if event.action == "set":
        if labels.rules and event.label not in labels.rules:
            words.append(f"{event.label} is not among the labels that it allows")
        if rule.evaluation == "passed" and not _EVALUATION.search(event.evaluation):
            words.append("it names no evaluation")
        if rule.after is not None and not _was_live(rule.after, move, named):
            words.append(f"{event.prompt}@{rule.after} did not name that content")
    if event.action == "rollback" and not any(
        other.event.prompt != event.prompt or other.event.n < event.n for other, _ in named[event.label, event.digest]
    ):
        words.append("it rolls back to what the label never named")
    return words


def _was_live(label: str, move: _Move, named: _Named) -> bool:
    """Return True if another label named the content of a move when it was made, as far as clocks can tell."""
    return any(
        other.event.is_live and other.at - _DRIFT <= move.at <= ends + _DRIFT
        for other, ends in named.get((label, move.event.digest), ())
    )


def _evidence(asked: Sequence[Committed], move: _Move, log: Store) -> list[Problem]:
    """Return evaluations that a move names, and that this log knows to prove nothing of the kind."""
    problems = []
    for id_ in _EVALUATION.findall(move.event.evaluation):
        try:
            row = log.evaluation(id_)
        except LogFailure:
            raise
        except PromptctlError:  # made in a different workspace
            continue
        if words := _flaw(asked, move.event, row):
            problems.append(_finding(move, "label-evidence", f"its evidence {id_[-8:]} {words}"))
    return problems


def _flaw(asked: Sequence[Committed], event: LabelEvent, row: EvaluationRow) -> str | None:
    spec, defaults = row.spec, [each.settings.judging_model or "" for each in asked]
    if row.digest != event.digest:
        return "is of a different version"
    if row.totals.verdict != "passed" or not spec.is_whole:
        return "did not pass on the whole dataset"
    if spec.judge is not None or spec.judge_parameters:
        return f"was judged by {spec.judge or 'parameters'} of its own command, not as the settings say"
    if asked and spec.judge_model is not None and spec.judge_model not in defaults:
        named = defaults[0] or "none"
        return f"was judged by {spec.judge_model or 'no model of the settings'}, and the settings named {named}"
    return None


def _unsigned(moment: Moment, asked: Committed, moves: Sequence[_Move], line: _RulesInTime) -> list[Problem]:
    bad = unsigned(moment.git, asked.trust, [(move.event.oid, move.event.address) for move in moves])
    problems = []
    for move in moves:
        if move.event.oid in bad:
            known = line.known_to(move)
            is_sure = asked is line.now or (known is not None and known.trust.signers is not None)
            problems.append(_finding(move, "label-unsigned", bad[move.event.oid], is_sure=is_sure))
    return problems
