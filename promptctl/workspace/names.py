"""Checks names that choose rows of the log: a prompt, a label, a version, an experiment."""

from __future__ import annotations

import re
from dataclasses import replace

from promptctl.context import Context
from promptctl.errors import ExperimentNotFound, UsageError, printable
from promptctl.files.names import SETTINGS, did_you_mean
from promptctl.files.wording import check_text
from promptctl.log.filter import Filter, is_glob

_NUMBER = re.compile(r"v([1-9][0-9]{0,8})")
# Git takes no less than four characters of a commit's id.
_BARE_NUMBER = re.compile(r"[0-9]{1,3}")


def known(context: Context, wanted: Filter) -> Filter:
    """Return the filter with its version resolved, once its names are known to exist.

    Raises `PromptNotFound`, `RevisionNotFound`, `ExperimentNotFound`, or `UsageError` for a version that is not written
    as one.
    """
    for prompt in (wanted.prompt, *wanted.prompts):
        check_logged_prompt(context, prompt)
    _check_logged_label(context, wanted.label)
    _check_logged_experiment(context, wanted)
    return _version_meant(context, wanted)


def check_logged_prompt(context: Context, prompt: str | None) -> None:
    """Raise `PromptNotFound` for an id that is neither in the files nor in the log. A glob may match nothing."""
    wanted = Filter(prompt=prompt)
    if prompt is None or is_glob(prompt) or prompt in context.prompt_ids():
        return
    log = context.log
    if log.is_new or not (log.totals(wanted) or log.evaluations(prompt=prompt, limit=1)):
        from promptctl.prompts.loading import no_such_prompt

        logged = () if log.is_new else log.totals(by=("prompt",))
        raise no_such_prompt(prompt, {*context.prompt_ids(), *(row.prompt or "" for row in logged)})


def one_logged_prompt(context: Context, ref: str, command: str) -> tuple[str, str]:
    """Return the id and the version, which may be empty, of a ref to one prompt of the files or the log.

    Raises `PromptNotFound`, and `UsageError` for a glob: `command` is the one that takes it as `--prompt`.
    """
    check_text("a ref", ref)
    prompt, _, version = ref.partition("@")
    if is_glob(prompt):
        hint = f"promptctl {command} --prompt '{printable(prompt)}'"
        raise UsageError(f"`{printable(prompt)}` is a glob, where one prompt is meant", hint=hint)
    check_logged_prompt(context, prompt)
    return prompt, version


def _check_logged_label(context: Context, label: str | None) -> None:
    """Raise `RevisionNotFound` for a label that no call asked for, no prompt had, and no rule allows."""
    if label is None:
        return
    log = context.log
    if log.is_new or next(log.executions(Filter(label=label, limit=1)), None) is None:
        from promptctl.versions.former_ids import check_label

        check_label(context.now(), label, context.settings.labels.rules)


def _check_logged_experiment(context: Context, wanted: Filter) -> None:
    """Raise `ExperimentNotFound` for an experiment or an arm that neither the settings nor the log know."""
    name, arm, log = wanted.experiment, wanted.arm, context.log
    if (name is None and arm is None) or is_glob(name or ""):
        return
    known = {(each.name, of.name) for each in context.settings.experiments for of in each.arms}
    if any(name in (None, each) and arm in (None, of) for each, of in known):
        return
    if not log.is_new:
        if next(log.executions(Filter(experiment=name, arm=arm, limit=1)), None) is not None:
            return
        logged = log.totals(Filter(experiment="*"), ("experiment", "arm"), costs_only=True)
        known |= {(row.group["experiment"], row.group["arm"]) for row in logged}
    names = sorted({each for each, _ in known})
    if name is not None and name not in names:
        raise ExperimentNotFound(
            f"no experiment `{printable(name)}` in {SETTINGS} or the log", hint=_nearest_of(name, names)
        )
    arms = sorted({of for each, of in known if of and name in (None, each)})
    whose = "no experiment has an arm" if name is None else f"the experiment `{printable(name)}` has no arm"
    raise ExperimentNotFound(f"{whose} `{printable(arm or '')}`", hint=_nearest_of(arm or "", arms))


def _nearest_of(name: str, names: list[str]) -> str:
    known = f"known are {', '.join(names)}" if names else f"{SETTINGS} has no `experiments:`"
    return did_you_mean(name, names) or known


def _version_meant(context: Context, wanted: Filter) -> Filter:
    """Return the filter with the number or the digest of a version that is written as what follows `@` in a ref.

    Raises `UsageError` for a revision or a label without the one prompt that it is of, and what resolving it raises.
    """
    text = wanted.version
    if not isinstance(text, str):
        return wanted
    if number := _NUMBER.fullmatch(text):
        numbered = replace(wanted, version=int(number[1]))
        _check_number(context, numbered)
        return numbered
    if _BARE_NUMBER.fullmatch(text):
        raise UsageError(f"`{text}` is no version", hint=f"did you mean `v{text}`?")
    if wanted.prompt is None or is_glob(wanted.prompt):
        raise UsageError(
            f"`{text}` names a version of one prompt",
            hint="name that prompt too, or give a number, such as v7, for any prompt",
        )
    return replace(wanted, version=None, digest=context.prompt(f"{wanted.prompt}@{text}").version.digest)


def _check_number(context: Context, wanted: Filter) -> None:
    """Raise `RevisionNotFound` for a number that neither the log nor the history knows for a prompt of the files."""
    prompt = wanted.prompt
    if prompt is None or prompt not in context.prompt_ids() or context.repository.git is None:
        return
    if context.log.is_new or not context.log.totals(Filter(prompt=prompt, version=wanted.version)):
        context.prompt(f"{prompt}@v{wanted.version}")
