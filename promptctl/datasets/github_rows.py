"""The tests within a prompt file of GitHub's dialect: `testData` as rows, `evaluators` as assertions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptctl.assertions import github
from promptctl.assertions.assertion import Assertion
from promptctl.assertions.judges import load_judge
from promptctl.datasets.rows import Row
from promptctl.errors import Place, WorkspaceError
from promptctl.files.plain import content_digest
from promptctl.files.tree import Tree
from promptctl.formats.github_dialect import STRING_TESTS, model_id
from promptctl.prompts.prompt import Prompt

_ID_LENGTH = 12


def github_rows(prompt: Prompt, test_data: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Yield a case for each row: the fields that the prompt takes are its inputs; all of them are there for evaluators.

    Rows have no ids: see `github_ids`.
    """
    for fields, id_ in zip(test_data, github_ids(test_data), strict=True):
        data = {
            "id": id_,
            "inputs": {name: value for name, value in fields.items() if name in prompt.inputs},
            "variables": dict(fields),
            **({"expected": fields["expected"]} if "expected" in fields else {}),
        }
        yield Row(data, Place(prompt.path))


def github_ids(test_data: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield each row's id, made of its content; equal rows, which GitHub's tools run again, are numbered."""
    seen: dict[str, int] = {}
    for fields in test_data:
        id_ = content_digest(fields)[:_ID_LENGTH]
        seen[id_] = seen.get(id_, 0) + 1
        yield id_ if seen[id_] == 1 else f"{id_}-{seen[id_]}"


def github_assertions(
    evaluators: Sequence[Mapping[str, Any]], tree: Tree, trusted: Tree | None = None
) -> tuple[Assertion, ...]:
    """Return the assertions that evaluators stand for; the evaluator's name is the assertion's metric."""
    return tuple(_with_judge(_assertion(evaluator), tree, trusted) for evaluator in evaluators)


def _with_judge(assertion: Assertion, tree: Tree, trusted: Tree | None) -> Assertion:
    """Return the assertion with a digest that also names the prompt of its judge: different ones judge differently."""
    if assertion.judge_prompt is None:
        return assertion
    try:
        judge = load_judge(tree, assertion.judge_prompt, trusted).digest
    except WorkspaceError:  # told before anything is asked, when the judge itself is looked up
        return assertion
    return replace(assertion, digest=content_digest([assertion.digest, judge]))


def _assertion(evaluator: Mapping[str, Any]) -> Assertion:
    """Return an evaluator's assertion; of `string`, `llm` and `uses` the first counts, as it did."""
    metric = evaluator["name"]
    # Not `content_digest`: logs hold hashes of cases that were made of this text, with blanks after `,` and `:`.
    digest = hashlib.blake2b(json.dumps(evaluator, sort_keys=True).encode(), digest_size=16).hexdigest()
    if evaluator.get("string"):
        tests = evaluator["string"]
        test = next((name for name in STRING_TESTS if tests.get(name)), STRING_TESTS[0])
        ready = (test, tests.get(test, ""))
        return Assertion("github-string", github.STRING, ready=ready, metric=metric, digest=digest)
    if evaluator.get("llm"):
        llm = evaluator["llm"]
        system = llm.get("systemPrompt") or ""
        choices = {each["choice"]: float(each["score"]) for each in llm["choices"]}
        return Assertion(
            "github-llm-system" if system else "github-llm",
            github.LLM,
            ready={"prompt": llm["prompt"], "system": system, "choices": choices},
            metric=metric,
            options={"model": model_id(llm["modelId"])},
            digest=digest,
            rubric=content_digest([llm["prompt"], system, choices]),
        )
    name = evaluator["uses"].removeprefix("github/")
    return Assertion(
        f"github-{name}", github.BUILT_IN_KIND, ready=None, metric=metric, digest=digest, rubric=content_digest([name])
    )
