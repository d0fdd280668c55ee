"""Plans comparisons: with each plan the one of its base, an earlier version of the prompt, over the same cases."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from promptctl.context import Context
from promptctl.errors import InvalidFiles, PromptctlError, PromptNotFound, RevisionNotFound, UsageError
from promptctl.evaluations.asking import Asker
from promptctl.evaluations.plan import Pair, Plan
from promptctl.evaluations.planning import plan, target_of
from promptctl.evaluations.request import EvaluationRequest
from promptctl.evaluations.rules import reply_rules, server_digest
from promptctl.log.results import OF_JUDGES
from promptctl.versions.former_ids import live_labels
from promptctl.versions.prompt_at_version import PromptAtVersion


def plan_against(context: Context, request: EvaluationRequest, base: str | None) -> list[Pair]:
    """Plan the request, and each of its prompts at `base` over the same cases; see `pair`.

    Without a base it is the one of the settings, else the label production if each prompt has it, else the branch.
    """
    if request.limits.fails_fast:
        raise UsageError("--fail-fast would leave too little to compare", hint="leave it out, or --against")
    if base in ("", "@"):
        raise UsageError("--against names a version: @production, @v7, @origin/main, or another prompt's whole ref")
    heads = plan(context, request, is_compared=True)
    return pair(context, request, heads, _where_left(context, request, base or _usual_base(context, heads)))


def _usual_base(context: Context, heads: Sequence[Plan]) -> str:
    """Return what to compare with if nothing is named: `gate.base`, else production, else the default branch."""
    named, labels = context.settings.gate.base, live_labels(context.now(), context.warn)
    if named is not None:
        return f"@{named.removeprefix('@')}"
    if all(any(each.label == "production" for each in labels.get(head.target.prompt.id, ())) for head in heads):
        return "@production"
    return f"@{context.now().line.name}"


def _where_left(context: Context, request: EvaluationRequest, base: str) -> str:
    """Return the base, or the commit at which HEAD left it if the request's changes are those since then."""
    revision, commit = request.left or ("", "")
    if base != f"@{revision}" or context.now().commit_of(revision) == commit:
        return base
    is_label = any(
        each.label == revision for found in live_labels(context.now(), context.warn).values() for each in found
    )
    return base if is_label else f"@{commit}"


def pair(context: Context, request: EvaluationRequest, heads: Sequence[Plan], base: str) -> list[Pair]:
    """Return each of the request's plans with the plan of its base, over the same cases.

    `base` is `@label`, `@v7` or `@<revision>` of the same prompt, or another prompt's whole ref. It is asked only for
    cases that give it the inputs it needs, if there are any. Of prompts that nobody named, those that `base` does not
    have are paired with None; one that was named raises `PromptNotFound` or `RevisionNotFound`. So does a label, number
    or revision that no prompt has: it is misspelt.
    """
    pairs: list[Pair] = []
    unknown: RevisionNotFound | None = None
    for head in heads:
        found = Pair(head)
        try:
            found = _with_base(context, request, head, base)
        except (PromptNotFound, RevisionNotFound) as error:
            if not (request.is_of_own and base.startswith("@")):
                raise
            unknown = error if isinstance(error, RevisionNotFound) else unknown
        except InvalidFiles as error:
            if not (request.is_of_own and request.on_broken):
                raise
            request.on_broken(error)
        pairs.append(found)
    if unknown is not None and all(each.base is None for each in pairs):
        raise unknown
    return pairs


def _with_base(context: Context, request: EvaluationRequest, head: Plan, base: str) -> Pair:
    own = head.target.prompt
    ref = f"{own.id}{base}" if base.startswith("@") else base
    try:
        at_version = context.prompt(ref)
    except PromptNotFound as error:
        hint: str | None = f"to evaluate {own.id} by itself: promptctl eval {own.id}"
        if not base.startswith("@"):
            hint = error.hint
            with suppress(PromptctlError):
                context.prompt(f"{own.id}@{base}")
                hint = f"did you mean `@{base}`?"
        raise PromptNotFound(f"nothing to compare with: {error.message}", hint=hint) from error
    model = head.target.model if request.models else (at_version.model or head.target.model)
    target = target_of(context, request, at_version, model)
    of_judges = {name: rule for name, rule in head.spec.rules.items() if name in OF_JUDGES}
    spec = replace(
        head.spec,
        ref=ref,
        drops_unknown_inputs=True,
        parameters=target.parameters,
        server=server_digest(target.server),
        rules=reply_rules(context, target.model) | of_judges,
    )
    found = replace(head, target=target, spec=spec)
    if at_version.prompt.inputs != own.inputs:
        found = _taking(context, found)
    made = Pair.of(head, found)
    if at_version.version.digest == head.target.version.digest:
        return made
    return replace(made, shared=_shared_files(context.prompt(head.spec.ref), at_version))


def _taking(context: Context, base: Plan) -> Plan:
    """Return the plan of a base over the cases that it takes, if it does not take all, and takes any."""
    asker = Asker(context, base)
    taken = {case.id: asker.takes(case) for case in base.cases(context)}
    left_out = tuple(id_ for id_, is_taken in taken.items() if not is_taken)
    if len(left_out) in (0, len(taken)):
        return base
    return replace(base, spec=replace(base.spec, left_out=left_out)).among(frozenset(taken) - {*left_out})


def _shared_files(head: PromptAtVersion, base: PromptAtVersion) -> frozenset[str]:
    """Return the files besides the prompt's own that one version is made of and the other is not, or not as they are.

    Whoever checks files out decides on their line ends.
    """
    texts = [
        {path: side.tree.read(path).replace(b"\r\n", b"\n") for path in side.prompt.closure if path != side.prompt.path}
        for side in (head, base)
    ]
    return frozenset(path for path in texts[0] | texts[1] if texts[0].get(path) != texts[1].get(path))
