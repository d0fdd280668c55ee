"""Writes recordings/samples.jsonl of two workspaces from replies that people wrote: this one, and the one that ships.

Run it with `make samples` after a prompt, a dataset or a sample reply has changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptctl import open_workspace
from promptctl.calls.call import Target
from promptctl.calls.shipped import SHIPPED
from promptctl.datasets.dataset import Dataset
from promptctl.files.yaml_reader import read_yaml
from promptctl.models.gateway import Request
from promptctl.models.recorded_reply import asked_of, digest_for

HERE = Path(__file__).parent
MODEL = "replay/sample"


def line(request: Request, prompt: str, reply: Any) -> str:
    text = reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False)
    entry = {
        "request": digest_for(request),
        "model": "sample",
        "reply": text,
        "finish_reason": "stop",
        "usage": {},
        "recorded_at": "2026-11-01T00:00:00Z",
        "prompt": prompt,
        "note": "written by hand, not by a model",
        **{key: value for key, value in asked_of(request).items() if key != "model"},
    }
    return json.dumps(entry, ensure_ascii=False) + "\n"


def record(root: Path, source: Path) -> None:
    replies: dict[str, dict[str, Any]] = read_yaml(source.read_bytes(), source.name).data
    lines = []
    with open_workspace(root) as workspace:
        tree = workspace.context.repository.work_tree
        for path, by_case in replies.items():
            dataset = Dataset.open(tree, path)
            for prompt_id in dataset.header.prompts:
                at_version = workspace.prompt(prompt_id)
                for case in dataset.cases(at_version.prompt):
                    rendered = at_version.render(case.inputs).rendered
                    target = Target(
                        at_version.prompt, at_version.version, MODEL, "replay", at_version.prompt.parameters
                    )
                    lines.append(line(target.request(rendered), prompt_id, by_case[case.id]))
        file = workspace.context.recordings_folder / "samples.jsonl"
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(lines), encoding="utf-8")
    print(f"{len(lines)} replies in {file.relative_to(HERE.parent)}")


if __name__ == "__main__":
    record(HERE.parent, HERE / "sample_replies.yaml")
    record(SHIPPED, HERE / "sample_drafts.yaml")
