"""Comparisons of one command as data, with what they show together."""

from __future__ import annotations

from typing import Any

from promptctl.comparisons.compared import Against
from promptctl.comparisons.together import JointVerdict
from promptctl.reports.comparison import alone_as_dict, comparison_as_dict


def against_as_list(found: Against) -> list[dict[str, Any]]:
    """Return comparisons, each with what it shows together with others, and evaluations without a base, as JSON."""
    alone = [alone_as_dict(each, found.rule) | {"together": []} for each in found.alone]
    joint = [(joint_as_dict(each), each.evaluations) for each in found.together]
    return [
        comparison_as_dict(each) | {"together": [data for data, ids in joint if each.head.row.id in ids]}
        for each in found.compared
    ] + alone


def joint_as_dict(found: JointVerdict) -> dict[str, Any]:
    """Return the verdict on several comparisons together as JSON, with stable keys."""
    findings = found.findings
    return {
        "causes": list(found.causes),
        "prompts": list(found.prompts),
        "comparisons": len(found.evaluations),
        "verdict": found.kind,
        "reason": found.reason,
        "cases": findings.flips.n,
        "lost": len(findings.flips.lost),
        "gained": len(findings.flips.gained),
        "p": None if found.p is None else round(found.p, 6),
        "fresh_pairs": {
            "cases": findings.asked,
            "base_alone": findings.base_alone,
            "head_alone": findings.head_alone,
        }
        if findings.asked
        else None,
    }
