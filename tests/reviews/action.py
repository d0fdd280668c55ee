"""Runs the steps of action.yml as a runner does: expressions filled in, one bash for each, outputs handed on."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml

ACTION = Path(__file__).parents[2] / "action.yml"
_EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")
_CONDITION = re.compile(r"([\w.-]+) (==|!=) '(.*)'")


@dataclass
class Runner:
    """One job. `event` is what came with `event_name`, `environ` what its steps see, `folder` where it may write."""

    keeps_files: ClassVar[bool] = True
    folder: Path
    checkout: Path
    event: Mapping[str, Any]
    event_name: str
    environ: Mapping[str, str]
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    ran: dict[str, int] = field(default_factory=dict)
    words: str = ""
    uploaded: dict[str, list[str]] = field(default_factory=dict)

    def run(self, event_file: Path, **inputs: str) -> int:
        """Run all steps; the exit code of the first that fails, else 0."""
        action = yaml.safe_load(ACTION.read_text())
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert given.keys() <= action["inputs"].keys()
        self.inputs = {name: self._filled(str(each["default"])) for name, each in action["inputs"].items()} | given
        (self.folder / "temp").mkdir(parents=True, exist_ok=True)
        for step in action["runs"]["steps"]:
            if not self._holds(step.get("if")):
                continue
            code = self._used(step) if "uses" in step else self._bash(step, event_file)
            self.ran[step["name"]] = code
            if code and not step.get("continue-on-error"):
                return code
        return 0

    @property
    def summary(self) -> str:
        return (self.folder / "summary.md").read_text()

    def _bash(self, step: Mapping[str, Any], event_file: Path) -> int:
        assert step["shell"] == "bash"
        output = self.folder / "output.txt"
        output.write_text("")
        environ = {
            **self.environ,
            **{name: self._filled(value) for name, value in step.get("env", {}).items()},
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_EVENT_PATH": str(event_file),
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.checkout),
        }
        where = self.checkout / self._filled(step.get("working-directory", "."))
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
        assert "${{" not in step["run"], "an expression in a script can be code of a stranger's"
        done = subprocess.run(command, cwd=where, env=environ, capture_output=True, text=True, timeout=120)
        self.words += f"[{step['name']}]\n{done.stdout}{done.stderr}"
        if "id" in step:
            self.outputs[step["id"]] = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done.returncode

    def _used(self, step: Mapping[str, Any]) -> int:
        given = {name: self._filled(str(value)) for name, value in step["with"].items()}
        if step["uses"].startswith("actions/cache@"):
            assert given["key"], "an empty key would fail"
            return 0
        assert step["uses"].startswith("actions/upload-artifact@")
        if not self.keeps_files:
            return 1
        self.uploaded[given["name"]] = sorted(file.name for file in Path(given["path"]).iterdir())
        return 0

    def _holds(self, condition: str | None) -> bool:
        if condition is None:
            return True
        match = _CONDITION.fullmatch(condition)
        assert match is not None, condition
        return (self._value(match[1]) == match[3]) is (match[2] == "==")

    def _filled(self, text: str) -> str:
        return _EXPRESSION.sub(lambda match: self._value(match[1]), text)

    def _value(self, name: str) -> str:
        kind, _, rest = name.partition(".")
        if kind == "inputs":
            return self.inputs[rest]
        if kind == "steps":
            step, _, output = rest.partition(".outputs.")
            return self.outputs.get(step, {}).get(output, "")
        known = {"github.token": self.environ.get("JOB_TOKEN", ""), "runner.temp": str(self.folder / "temp")}
        known["github.event_name"] = self.event_name
        known["github.action_path"] = str(ACTION.parent)
        if name in known:
            return known[name]
        assert name.startswith("github.event."), name
        value: Any = self.event
        for key in name.removeprefix("github.event.").split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return "" if value is None else str(value)
