"""The saved traceback of a bug."""

from __future__ import annotations

from pathlib import Path

from promptctl.reports.bug import save_traceback


def test_a_variable_that_settings_name_as_a_key_is_hidden_even_if_its_value_is_a_word(tmp_path: Path) -> None:
    (tmp_path / "promptctl.yaml").write_text('models: {"local/*": {api_key_env: "ODD_NAME"}}\n')
    (tmp_path / "below").mkdir()
    environ = {"ODD_NAME": "strawberry", "JOB": "validation"}
    error = RuntimeError("strawberry in validation")
    for folders, said in (([], "strawberry in"), (["run", "-x", str(tmp_path / "below")], "[redacted] in validation")):
        saved = Path(save_traceback(error, environ, folders))
        assert said in saved.read_text()
        saved.unlink()
