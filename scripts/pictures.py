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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from scripts.showcase import ROOT, environment, showcase

FOLDER = ROOT / "docs/pictures"
COLUMNS = 100
TERMINALS: Mapping[str, str] = {
    "standing": "promptctl",
    "eval": "promptctl eval chat-assistant --against @production",
    "blame": "promptctl blame chat-assistant@production",
}
_THEME = TerminalTheme(
    (20, 23, 28),
    (225, 228, 234),
    [(70, 78, 90), (255, 123, 128), (90, 209, 154), (247, 185, 85), (143, 168, 255), (208, 152, 255), (94, 206, 214), (225, 228, 234)],
    [(138, 147, 161), (255, 148, 152), (120, 222, 176), (255, 205, 120), (170, 190, 255), (222, 178, 255), (130, 224, 230), (255, 255, 255)],
)  # fmt: skip
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
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text.assemble(("$ ", "bold blue"), (command, "bold")))
        console.print(Text.from_ansi(shown))
        drawn = console.export_svg(title="", theme=_THEME, unique_id="terminal")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")


if __name__ == "__main__":
    for name, command in TERMINALS.items():
        shown = shown_on_terminal(Path("/tmp/lead/show"), command)
        Path(f"/tmp/lead/{name}.svg").write_text(draw_terminal(command, shown))
