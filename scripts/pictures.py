"""Draw the pictures of the README and the docs: terminals and pages of the workspace that `showcase` makes.

    python -m scripts.pictures [NAME …]

Writes `docs/pictures/`. Beside each picture stands the text that it shows, without what differs from run to run:
`tests/test_pictures.py` makes them again and holds that they still say the same.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from scripts.showcase import CHAT, ROOT, environment, promptctl, showcase

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = ROOT / "docs/pictures"
COLUMNS = 100
TERMINALS: Mapping[str, str] = {
    "standing": "promptctl",
    "eval": f"promptctl eval {CHAT} --against @production",
    "blame": f"promptctl blame {CHAT}@production",
}
# The command that writes a page, and how much of it is drawn: the height in pixels of a window 1280 wide.
PAGES: Mapping[str, tuple[tuple[str, ...], int]] = {
    "dashboard": (("dashboard",), 1000),
    "matrix": (("eval", CHAT, "github/feedback-issue", "-m", "sample/careful", "-m", "sample/quick"), 1000),
    "comparison": (("eval", CHAT, "--against", "@production"), 900),
}
_COLOURS = "464e5a ff7b80 5ad19a f7b955 8fa8ff d098ff 5eced6 e1e4ea 8a93a1 ff9498 78deb0 ffcd78 aabeff deb2ff 82e0e6 ffffff"
_ANSI = [(int(each[:2], 16), int(each[2:4], 16), int(each[4:], 16)) for each in _COLOURS.split()]
_THEME = TerminalTheme((20, 23, 28), (225, 228, 234), _ANSI[:8], _ANSI[8:])
_VARYING = (
    (re.compile(r"\b[0-9a-f]{7,}(?:-[0-9a-f]{4,})*\b"), "ID"),
    (re.compile(r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*\b"), "DAY"),
    (re.compile(r"[0-9][0-9.,:]*"), "0"),
    (re.compile(r"\s+"), " "),
)


def words_of(text: str) -> str:
    """Return the words of a text a line each, without numbers, days and ids."""
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return "\n".join(text.split(" ")) + "\n"


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
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")


def shown_on_page(page: Page) -> str:
    """Return what a page shows above the end of the window."""
    found: str = page.evaluate(_WORDS)
    return found


def draw(wanted: Mapping[str, str] | None, keep: Callable[[str, bytes, str], None]) -> None:
    """Make the workspace and draw pictures; `keep` is given each one's file name, its bytes and what it says."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "lumen-notes")
        folder.mkdir()
        with showcase(folder):
            for name, command in TERMINALS.items():
                shown = shown_on_terminal(folder, command).replace(str(folder), "~/lumen-notes")
                keep(f"{name}.svg", draw_terminal(command, shown).encode(), words_of(shown))
            pages = {}
            for name, (words, height) in PAGES.items():
                pages[name] = (Path(temporary, f"{name}.html"), height)
                promptctl(folder, *words, "-o", str(pages[name][0]))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
            for name, (file, height) in pages.items():
                for scheme in ("light", "dark"):
                    context = browser.new_context(
                        viewport={"width": 1280, "height": height}, color_scheme=scheme, device_scale_factor=1.5
                    )
                    page = context.new_page()
                    page.goto(file.as_uri())
                    keep(f"{name}-{scheme}.png", page.screenshot(), words_of(page.inner_text("body")))
                    context.close()
            browser.close()
