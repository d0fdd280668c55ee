"""Documents of the dashboard made by hand, so that each number on the page is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

HOSTILE = '</script><script>document.title="forged"</script><img src=x onerror=document.title="forged">'
_END = datetime(2026, 11, 29, tzinfo=UTC)
_NUMBERS = (
    "calls", "attempts", "retries", "ok", "errors", "invalid_outputs", "blocked", "cancelled", "reused", "cache_hits",
    "input_tokens", "output_tokens", "cached_tokens", "cost_nano_usd", "priced", "unpriced",
)  # fmt: skip


def iso(days_before: float) -> str:
    """The moment so many days before the end."""
    return (_END - timedelta(days=days_before)).strftime("%Y-%m-%dT%H:%M:%SZ")


def empty() -> dict[str, Any]:
    """A document of a log without a call."""
    document = _document([], ["triage"], 0)
    document["next"] = {"sentence": "No call is in the log yet.", "commands": ["promptctl run triage -i ticket=x"]}
    return document


def filled(days: int = 30, prompts: Sequence[str] = ("support/triage", "support/reply", HOSTILE, "__proto__")) -> Any:
    """A document of some days: each day 100 calls of each prompt; the first one fails 4 of its calls, others none.

    Of the last prompt no price is known. The last five days are of label `production` and version v2.
    """
    rows = [
        {
            "time": day, "prompt": prompt, "version": int(day >= days - 5), "label": int(day >= days - 5),
            "model": prompt % 2, "source": day % 2, "user": prompt % 3, "calls": 100, "attempts": 103, "retries": 3,
            "ok": 96 if prompt == 0 else 100, "errors": 4 if prompt == 0 else 0, "cache_hits": 2, "reused": 2,
            "input_tokens": 50_000, "output_tokens": 10_000, "cached_tokens": 5_000,
            "cost_nano_usd": 0 if prompt == len(prompts) - 1 else 20_000_000 * (prompt + 1),
            "priced": 3 if prompt == len(prompts) - 1 else 103, "unpriced": 100 if prompt == len(prompts) - 1 else 0,
            "latency": 80 + 4 * prompt,
        }
        for day in range(days)
        for prompt in range(len(prompts))
    ]  # fmt: skip
    document = _document(rows, prompts, days)
    marks: list[dict[str, Any]] = [
        {"at": iso(5.5), "kind": "version", "prompt": prompts[0], "label": None, "version": 2, "version_display": "v2",
         "text": f"v2 by Ana: {HOSTILE}", "by": "Ana", "reason": HOSTILE},
        {"at": iso(4.5), "kind": "label", "prompt": prompts[0], "label": "production", "version": 2,
         "version_display": "v2", "text": f"{prompts[0]}-production → v2 by Ana", "by": "Ana", "reason": None},
        {"at": iso(2), "kind": "budget", "prompt": None, "label": None, "version": None, "version_display": None,
         "text": "the budget team blocked 14 calls", "by": None, "reason": None},
    ]  # fmt: skip
    alarm = {
        "level": "alarm", "kind": "failures", "prompt": prompts[0], "at": iso(5), "text": f"{prompts[0]} fails more",
        "before": 0.01, "after": 0.04, "command": "promptctl log list --failed",
    }  # fmt: skip
    wrong = {"state": "alarm", "sentence": f"{prompts[0]} fails more.", "items": [alarm] * 5}
    document["answers"]["wrong"] |= wrong
    return document | {
        "marks": marks,
        "merged": [{"what": "user", "count": 80, "text": "80 users are one here"}],
        "not_counted": {"evaluations": {"calls": 7, "cost_nano_usd": 1, "unpriced": 2}, "without_row": None},
        "unpriced_models": [{"model": HOSTILE, "replies": 3_000}],
        "evaluations": [_evaluation(prompts[0]), _evaluation(prompts[2], has_fallen=True), _failing(prompts[1])],
        "experiments": [_experiment(prompts[0])],
        "budgets": [_budget("team", None), _budget(HOSTILE, "user")],
        "feedback": {"rows": 2, "time": [0, 1], "prompt": [0, 0], "version": [0, 0], "name": [0, 0], "calls": [30, 4],
                     "total": [15, 4]},
        "examples": [{"execution": "0192", "at": iso(1), "prompt": prompts[0], "version": 2, "version_display": "v2",
                      "model": "m", "status": "error", "error": "timeout", "message": HOSTILE, "input": HOSTILE,
                      "reply": HOSTILE}],
    }  # fmt: skip


def _document(rows: Sequence[dict[str, Any]], prompts: Sequence[str], days: int) -> dict[str, Any]:
    names = {
        "prompt": list(prompts), "version": ["v1", "v2"], "label": [None, "production"], "user": [None, "ana", HOSTILE],
        "model": ["openai/gpt-4o-mini", HOSTILE], "source": ["run", "api"], "error": ["rate_limit", HOSTILE],
        "feedback": ["helpful"],
    }  # fmt: skip
    answer = {"state": "unknown", "sentence": "Nothing is known.", "items": [], "left_out": 0}
    unset = (
        "version", "digest", "label", "model", "user", "session", "search", "feedback", "experiment", "arm", "live_at",
        "source", "since", "until",
    )  # fmt: skip
    return {
        "scheme": 1, "made_at": iso(0), "workspace": HOSTILE, "with_content": False, "next": None,
        "filter": {"prompts": [], **dict.fromkeys(unset)},
        "answers": {"recent": {"since": iso(7), "until": iso(0)}, "earlier": {"since": iso(14), "until": iso(7)},
                    "changed": answer, "cost": answer, "wrong": dict(answer), "rules": ["A rule."]},
        "time": {"step": "day", "seconds": 86_400, "zone": "UTC", "starts": [iso(days - day) for day in range(days)],
                 "end": iso(0), "first_call_at": None, "last_call_at": None},
        "names": names, "calls": _facts(rows, ("version",)), "users": _facts(rows, ("user",)),
        "latency_scale": {"growth": 1.08, "relative_error": 0.04}, "merged": [], "rests": {}, "marks_left_out": 0,
        "not_counted": {"evaluations": None, "without_row": None},
        "unpriced_models": [], "marks": [], "evaluations": [], "experiments": [], "budgets": [], "examples": [],
        "feedback": {"rows": 0} | {column: [] for column in ("time", "prompt", "version", "name", "calls", "total")},
        "notes": [HOSTILE],
    }  # fmt: skip


def _facts(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> dict[str, Any]:
    columns = ("time", "prompt", "label", "model", "source", *keys, *_NUMBERS)
    failing = [index for index, row in enumerate(rows) if row["errors"]]
    return {column: [row.get(column, 0) for row in rows] for column in columns} | {
        "rows": len(rows), "time_step": 1,
        # One reply in ten takes twice as long and more.
        "latency": {"first": [row["latency"] for row in rows], "counts": ["(90)0000000008"] * len(rows)},
        "failures": {"row": [index - before for before, index in zip([0, *failing], failing, strict=False)],
                     "error": [index % 2 for index in failing], "count": [rows[index]["errors"] for index in failing]},
    }  # fmt: skip


def _evaluation(prompt: str, has_fallen: bool = False) -> dict[str, Any]:
    """Four versions, each better than the one before, the first on other cases; or all on the same, the last worse."""
    rows = [
        {
            "version": number, "version_display": f"v{number} (3f2a9c{number})", "digest": f"1:{number}",
            "evaluation": "e", "started_at": iso(30 - number), "cases": 50, "passed": 40 + number,
            "failed": 10 - number, "errors": 0, "pass_rate": (40 + number) / 50, "low": 0.6, "high": 0.95,
            "score": None, "cost_nano_usd": 9_000_000, "p50_latency_ms": 800, "change": None,
            "same_cases": has_fallen or number > 1,
        }
        for number in range(1, 5)
    ]  # fmt: skip
    if has_fallen:
        rows[-1] |= {"passed": 15, "failed": 35, "pass_rate": 0.3, "low": 0.19, "high": 0.44}
    return {"prompt": prompt, "dataset": "datasets/a.yaml", "model": "m", "rows": rows}


def _failing(prompt: str) -> dict[str, Any]:
    """One version, each of whose cases ended in an error."""
    found = _evaluation(prompt)
    row = found["rows"][0] | {"started_at": iso(30), "passed": 0, "failed": 0, "errors": 50, "pass_rate": 0, "low": 0}
    return found | {"rows": [row | {"same_cases": True}]}


def _experiment(prompt: str) -> dict[str, Any]:
    grown = [
        {"at": iso(8 - day), "arm": "kind", "values": 100 * day, "value": 0.03, "low": 0.03 - 0.1 / day, "high": None}
        for day in range(1, 8)
    ]
    measured: dict[str, Any] = {"value": 0.5, "low": 0.4, "high": 0.6}
    control: dict[str, Any] = {
        "arm": "control", "ref": prompt, "share": 0.5, "version": 1, "version_display": "v1",
        "digest": "1:1", "calls": 700, "keys": 700, "values": 700,
        "primary": measured, "difference": None, "verdict": None, "minimum_excluded": False,
        "more_keys": None, "guards": [],
    }  # fmt: skip
    kind = {"arm": "kind", "difference": measured, "verdict": "undecided", "more_keys": 900}
    primary = {"outcome": "resolved", "direction": "higher", "minimum": 0.03, "relative": False}
    return {
        "experiment": HOSTILE, "hypothesis": HOSTILE, "prompt": prompt, "key": "user", "primary": primary,
        "stopped": None, "first_at": iso(8), "last_at": iso(1), "calls": 1_400, "keys": 1_400, "verdict": "undecided",
        "decision": None, "notes": [], "confidence": 0.95, "promotion": None,
        "voided": [], "arms": [control, control | kind], "growth": grown,
    }  # fmt: skip


def _budget(name: str, each: str | None) -> dict[str, Any]:
    account = {"account": "ana", "spent": 5_000, "kept": 1, "reserved": 10, "left": 990, "disabled_at": None,
               "state": "blocked"}  # fmt: skip
    return account | {
        "rule_place": "promptctl.yaml:3:5", "timezone": "UTC", "then": "block", "unpriced": "refuse",
        "webhook_env": None, "window_start": iso(0), "account_count": 1, "prompts": [],
        "covers": {"prompts": [], "labels": [], "models": [], "users": [], "sources": []},
        "budget": name, "reason": HOSTILE, "unit": "calls", "limit": 6_000, "per": "day", "each": each, "warn_at": 0.8,
        "window_end": iso(-1), "accounts": [account],
    }  # fmt: skip
