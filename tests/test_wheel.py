"""The built wheel works by itself, with the source tree out of the way."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from this source tree."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_and_its_data_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"promptctl/py.typed", "promptctl/__init__.pyi"} <= set(names)
    assert "promptctl/formats/schemas/prompt.schema.json" in names
    assert "promptctl/shipped/prompts/judges/llm-rubric.prompt.yaml" in names
    assert "promptctl/reports/page/page.html" in names
    assert "promptctl/code_export/render/index.js" in names
    assert not [name for name in names if name.startswith(("tests/", "prompts/", "datasets/", "benchmarks/"))]


def test_the_wheel_runs_with_the_source_out_of_the_way(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, symlinks=True)
    python = home / "bin/python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # The dependencies are borrowed from this environment; the package itself is not, since it is editable there.
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (Path(site) / "borrowed.pth").write_text("".join(f"{path}\n" for path in borrowed))
    environment = {**os.environ, "PYTHONPATH": "", "PYTHONNOUSERSITE": "1"}

    def run(*arguments: str) -> str:
        command = [str(python), "-m", "promptctl", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [python, "-c", "import promptctl; print(promptctl.__file__)"], capture_output=True, text=True, cwd=tmp_path,
        env=environment, check=True,
    ).stdout.strip()  # fmt: skip
    assert where.startswith(str(home))
    run("init", "shop")
    assert run("-C", "shop", "run", "welcome", "-i", "name=Ada") == "Welcome Ada to our team.\n"
    assert "welcome" in run("-C", "shop", "eval", "welcome")
