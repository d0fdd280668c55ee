"""Notes on a comparison: how both sides were asked, and what differs between them beside the prompt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from promptctl.comparisons.flips import MOST_ASKED
from promptctl.comparisons.sides import Sides
from promptctl.evaluations.plan import ask_the_same
from promptctl.files.wording import as_text, count
from promptctl.log.results import EvaluationRow


def notes_on(sides: Sides) -> list[str]:
    """Return what a reader must know of how both sides were asked."""
    notes = []
    if sides.comparison.is_decided:
        notes.append(_decided(sides))
    both = (("before", sides.base), ("after", sides.head))
    if stopped := [side for side, made in both if made.stopped not in (None, "decided")]:
        named = " and ".join(stopped)
        notes.append(f"{named} stopped early; the same command goes on, and asks for nothing that was answered")
    if left_out := sides.base.row.spec.left_out:
        notes.append(_not_taken(left_out))
    if code_left_out := sides.head.row.spec.code_left_out:
        notes.append(code_left_out)
    findings, earlier = sides.findings, sides.earlier
    if not findings.flips.count and ask_the_same(sides.base.row, sides.head.row):
        notes.append("both sides are the same version")
    if findings.asked and findings.flips.count > MOST_ASKED:
        notes.append(f"of {findings.flips.count} flipped cases a random sample of {findings.asked} was asked for again")
    if earlier.comparisons and findings.flips.count and sides.steps.rounds:
        times = len(earlier.comparisons) + 1
        notes.append(f"the same was compared {times} times, and all answers to flipped cases count")
    if earlier.comparisons and findings.flips.sequence and findings.flips.sequence.direction:
        notes.append("what the first comparison of the same decided case by case stays decided")
    if earlier.set_aside:
        notes.append(f"begun afresh: {count(earlier.set_aside, 'earlier comparison')} of the same set aside")
    return notes


def _not_taken(left_out: Collection[str]) -> str:
    return f"the version before cannot take the inputs of {len(left_out)} of the cases, which are not compared"


def _decided(sides: Sides) -> str:
    """Say when a comparison was decided, what that saved, and what its numbers are of."""
    comparison, base, head = sides.comparison, sides.base, sides.head
    made = [each.summary for each in (base, head) if each.row.group == head.row.group]
    saved, planned = sum(each.requests_saved for each in made), sum(each.expected_cases * each.repeats for each in made)
    cases = f"{comparison.comparable - comparison.left_out} of {count(comparison.comparable, 'case')}"
    note = f"decided after {cases}: {saved} of {count(planned, 'request')} saved"
    if head.row.spec.until == "decided":
        note += "; cases that failed before were asked first, so that shares are of these cases alone"
    return note


def differences(base: EvaluationRow, head: EvaluationRow) -> list[str]:
    """Return the differences between two evaluations beside the prompt, in a sentence; nothing without any.

    Cases that only base leaves out are another sentence, as its prompt cannot take them, and so are models.
    """
    old, new = base.spec, head.spec
    unlike = old.unlike(new)
    told = []
    if old.left_out and not new.left_out:
        unlike.discard("left_out")
        told.append(_not_taken(old.left_out))
    # Where the model that judges was not recorded, the one that the command named is said.
    unlike.discard("judge" if old.judge_model and new.judge_model else "judge_model")
    if old.at_least == new.at_least:
        unlike.discard("passes_needed")
    if new.sample is None:
        unlike.discard("seed")
    if base.model != head.model or "recordings" in unlike:
        unlike.discard("server")
    if base.model != head.model and base.digest == head.digest:
        unlike.add("model")
    elif base.model != head.model:  # it may be the prompts' own
        told.append(f"different models answered: {base.model} and {head.model}")
    words = {
        "dataset_digest": f"dataset ({old.dataset} and {new.dataset})",
        "dataset_beside": "recorded replies, `must_pass` or strict `xfail` of cases",
        **dict.fromkeys(("ids", "tags", "sample", "seed", "first", "split", "shard"), "the selection of cases"),
        "left_out": "the cases left out",
        "code_left_out": "the assertions left out",
        "model": f"model ({base.model} and {head.model})",
        "server": "the server that answers",
        "recordings": f"replies ({old.replies} and {new.replies})",
        "repeats": f"repeats ({old.repeats} and {new.repeats})",
        "passes_needed": f"passes asked of the repeats ({old.at_least or 'all'} and {new.at_least or 'all'})",
        "judge_model": f"judge ({old.judge_model} and {new.judge_model})",
        "judge": f"judge ({old.judge or 'the default'} and {new.judge or 'the default'})",
        "judge_parameters": f"judge parameters ({_given(old.judge_parameters)} and {_given(new.judge_parameters)})",
        "judges": "the judges' rules",
        "uncalibrated": "the judges that may decide",
        "parameters": f"parameters ({_given(old.parameters)} and {_given(new.parameters)})",
        "rules": f"models' rules ({_given(old.work['rules'])} and {_given(new.work['rules'])})",
    }
    if old.dataset == new.dataset:
        words["dataset_digest"] = "the dataset's cases"
    differing = dict.fromkeys(words[name] for name in words if name in unlike)
    if differing:
        told.append(f"they differ in more than the prompt: {', '.join(differing)}")
    return told


def _given(named: Mapping[str, Any]) -> str:
    return as_text(dict(named)) if named else "none"
