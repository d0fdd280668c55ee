"""Draw the pictures of the README and the docs: terminals and pages of the workspace that `showcase` makes.

    python -m scripts.pictures            write docs/pictures/
    python -m scripts.pictures --check    fail if a picture would say something else today

Beside each picture stand the words that it says: numbers, days and ids differ from run to run.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from scripts.showcase import CHAT, ROOT, environment, promptctl, showcase
from tests.browser import BROWSERS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = ROOT / "docs/pictures"
COLUMNS = 100
TERMINALS: Mapping[str, str] = {
    "standing": "promptctl",
    "blame": f"promptctl blame {CHAT}@production",
}
PAGES: Mapping[str, Sequence[str]] = {
    "dashboard": ("dashboard",),
    "matrix": ("eval", CHAT, "github/feedback-issue", "-m", "sample/careful", "-m", "sample/quick"),
    "comparison": ("eval", CHAT, "--against", "@production"),
}
PLACES: Mapping[str, str] = {"browse": f"/prompt?ref={CHAT}"}
# Drawn in the dark as well.
DARK = ("dashboard", "matrix")
_COLOURS = (
    "464e5a ff7b80 5ad19a f7b955 8fa8ff d098ff 5eced6 e1e4ea 8a93a1 ff9498 78deb0 ffcd78 aabeff deb2ff 82e0e6 ffffff"
)
_ANSI = [(int(each[:2], 16), int(each[2:4], 16), int(each[4:], 16)) for each in _COLOURS.split()]
_THEME = TerminalTheme((20, 23, 28), (225, 228, 234), _ANSI[:8], _ANSI[8:])
# Ids, numbers with their units, days.
_VARYING = re.compile(
    r"\b[0-9a-f]{7,}(?:-[0-9a-f]{4,})*\b|\S*[0-9]\S*"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b"
)


def words_of(text: str) -> str:
    """Return the words of a text, a line each and each once by the alphabet: ranks change with the numbers."""
    return "".join(f"{word}\n" for word in sorted(set(re.findall(r"[^\W_]{3,}", _VARYING.sub(" ", text)))))


def shown_on_terminal(folder: Path, command: str) -> str:
    """Return what a command of the workspace in `folder` writes on a terminal, with its colours."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    environ = {**environment(None), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    environ = {name: value for name, value in environ.items() if name not in ("NO_COLOR", "CI", "COLUMNS")}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    process = subprocess.Popen(
        ["sh", "-c", command], cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=side, stderr=side
    )
    os.close(side)
    written = b""
    while True:
        try:
            piece = os.read(main, 65_536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    process.wait()
    os.close(main)
    text = written.decode("utf-8").replace("\r\n", "\n")
    # A moving line is drawn over: what stands before the last time it was cleared was never left on the screen.
    return "\n".join(re.split(r"\r?\x1b\[2K|\r", line)[-1] for line in text.split("\n")).strip("\n")


def draw_terminal(command: str, shown: str) -> str:
    """Return an SVG of a terminal in which a command was typed."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text.assemble(("$ ", "bold blue"), (command, "bold")))
        console.print(Text.from_ansi(shown))
        drawn = console.export_svg(title="", theme=_THEME, unique_id="terminal")
    return re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", drawn, flags=re.DOTALL).replace(
        "Fira Code, monospace", "monospace"
    )


class Picture(NamedTuple):
    """A picture: the name of its file, its bytes, and the words that it shows."""

    name: str
    data: bytes
    words: str


def pictures() -> Iterator[Picture]:
    """Make the workspace, and draw all of it that is shown."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary, "lumen-notes")
        folder.mkdir()
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, BROWSERS))), args=["--no-sandbox"]
        )
        with showcase(folder):
            for name, command in TERMINALS.items():
                shown = shown_on_terminal(folder, command).replace(str(folder), "~/lumen-notes")
                yield Picture(
                    f"{name}.svg", draw_terminal(command, shown).encode(), words_of(Text.from_ansi(shown).plain)
                )
            for name, words in PAGES.items():
                file = Path(temporary, f"{name}.html")
                promptctl(folder, *words, "-o", str(file))
                yield from _drawn(browser, name, file.as_uri())
            with browsing(folder) as address:
                for name, place in PLACES.items():
                    yield from _drawn(browser, name, address, place)
        browser.close()


def _drawn(browser: Browser, name: str, address: str, place: str = "") -> Iterator[Picture]:
    schemes: Sequence[Literal["light", "dark"]] = ("light", "dark") if name in DARK else ("light",)
    for scheme in schemes:
        context = browser.new_context(
            viewport={"width": 1280, "height": 960}, color_scheme=scheme, device_scale_factor=1.5, locale="en-US"
        )
        page = context.new_page()
        page.goto(address)
        if place:
            page.wait_for_url(lambda url: "token=" not in url)
            page.goto(page.url.rstrip("/") + place)
        yield Picture(
            f"{name}{'-dark' if scheme == 'dark' else ''}.png", page.screenshot(), words_of(page.inner_text("body"))
        )
        context.close()


@contextmanager
def browsing(folder: Path) -> Iterator[str]:
    """Show the workspace on this machine, and give its address."""
    command = [sys.executable, "-m", "promptctl", "browse", "--no-open"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(None), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = iter(process.stdout.readline, "")
        yield next(found[0] for line in said if (found := re.search(r"http://\S+", line)))
        process.terminate()


def main(*, is_check: bool) -> int:
    """Write the pictures and their words, or compare the words; return 1 if some differ."""
    FOLDER.mkdir(exist_ok=True)
    stale = []
    for each in pictures():
        words = (FOLDER / each.name).with_suffix(".txt")
        if not is_check:
            (FOLDER / each.name).write_bytes(each.data)
            words.write_text(each.words, encoding="utf-8")
        elif not words.exists() or words.read_text(encoding="utf-8") != each.words:
            stale.append(each.name)
    if stale:
        print(f"these pictures say something else today: {', '.join(stale)}; draw them again with: make pictures")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main(is_check="--check" in sys.argv))
