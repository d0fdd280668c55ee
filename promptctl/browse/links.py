"""Addresses of pages, relative to each other, and commands to copy. A page can be linked before it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from promptctl.errors import printable, quote


def link(page: str, **values: str | Sequence[str] | None) -> str:
    """Return the address of a page with what it is asked: `link("prompt", ref="support/triage@v3")`.

    >>> link("prompt", ref="a/b c", other=None)
    'prompt?ref=a%2Fb+c'
    """
    given = urlencode({name: value for name, value in values.items() if value is not None}, doseq=True)
    return f"{page or './'}?{given}" if given else page or "./"


def prompt(ref: str) -> str:
    """Return the address of a prompt's page, at the version that the ref names."""
    return link("prompt", ref=ref)


def diff(old: str, new: str | None = None) -> str:
    """Return the address of two refs side by side; without `new`, the work tree's."""
    return link("diff", old=old, new=new)


def label(name: str) -> str:
    """Return the address of a label's history: `support/triage@production`."""
    return link("label", name=name)


def shared_file(path: str) -> str:
    """Return the address of a partial's or a schema's page."""
    return link("file", path=path)


def executions(**wanted: str | None) -> str:
    """Return the address of the list of executions, filtered."""
    return link("executions", **wanted)


def execution(execution_id: str) -> str:
    """Return the address of one execution's page."""
    return link("execution", id=execution_id)


def dataset(path: str) -> str:
    """Return the address of a dataset's page."""
    return link("dataset", path=path)


def evaluations(**wanted: str | None) -> str:
    """Return the address of the list of evaluations, filtered."""
    return link("evaluations", **wanted)


def evaluation(evaluation_id: str) -> str:
    """Return the address of one evaluation's page."""
    return link("evaluation", id=evaluation_id)


def experiment(name: str) -> str:
    """Return the address of an experiment's page."""
    return link("experiment", name=name)


def command(*words: str, program: str = "promptctl") -> str | None:
    """Return a command line to copy, quoted for a shell; None if a word could do harm when it is pasted.

    >>> command("label", "set", "support/triage@production", "v3", "--reason", "it's better")
    'promptctl label set support/triage@production v3 --reason \\'it\\'"\\'"\\'s better\\''
    """
    if any(printable(word) != word for word in words):
        return None
    return f"{program} {' '.join(map(quote, words))}"


LINKS: Mapping[str, object] = {
    "link": link,
    "prompt": prompt,
    "diff": diff,
    "label": label,
    "shared_file": shared_file,
    "executions": executions,
    "execution": execution,
    "dataset": dataset,
    "evaluations": evaluations,
    "evaluation": evaluation,
    "experiment": experiment,
}
