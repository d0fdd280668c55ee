"""The licence of a library: the nearest file of that name, and which it is if its text says so beyond doubt."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.errors import WorkspaceError
from promptctl.files.strangers import LICENCE_NAMES

if TYPE_CHECKING:
    from promptctl.vendoring.library import LibraryTree

_ID = re.compile(
    rb"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+-]+(?: (?:OR|AND|WITH) [A-Za-z0-9.+-]+)*)[ \t]*\r?$", re.M
)
# Lines that differ from holder to holder.
# Atomic groups: a stranger's file of blanks is read once.
_OWN = re.compile(
    r"(?im)^(?>[^\w\n(]*)(?:copyright\b|all rights reserved|(?:the )?mit license(?>[^\w\n(]*)(?:\(mit\))?(?>[^\w\n]*)$"
    r"|\(c\)).*$"
)
_MOST = 256 << 10
# SHA-256 of the words of each text, in small letters, without the lines that name a holder.
_TEXTS = {
    "0cf21bdfd1964a97a8615e128534845826afbc887edc95aa5c925cbf64386b5c": "MIT",
    "ff7be961361eda3cd2a76927dd0d9482cf45defafde2045befedf77400d98100": "Apache-2.0",
    "e9dbf930ca0f1e090ec68da9a37b657d11bc9e43b30643455d6a96dbf73116ca": "Apache-2.0",  # without its appendix
    "53075742228962c7ea381b8242c64602fa32e7b8f52facb6d13ee4f9c596ddfa": "BSD-3-Clause",
    "9b83d3dee0616d07b82a272dd9bf5134a9f402b750f5ee6188458073b0a32ff2": "BSD-3-Clause",
    "a56fee4b2f66331ed54da4950ef9c9391453fd1490b4d8ea202bc29683bcbd30": "BSD-2-Clause",
    "23d7258e25bd67982ccec4b5bfc05631a20f8ee5bd5fe7eb70694c100aae88d2": "BSD-2-Clause",
    "e00f31f158e77a60e7375307e014eeb17754967f6d6757d019567221315db4e1": "ISC",
    "6e9dc1cd727a12354f4cef293d9d285ed81ed312d597842774d1120ac62a6dc6": "ISC",
    "95f6a0d094cf3da6a140310541c7b576789031b600469b70877b34f97918e4c9": "MPL-2.0",
    "96bdc7f63190fb4bd1ae584b890300ed7517d858b34c945642a3b9b2f1612a5f": "CC0-1.0",
}


@dataclass(frozen=True, slots=True)
class LibraryLicence:
    """The file of a licence, by its path in the repository; `spdx` names it if it is certain. `data` is its text."""

    path: str
    spdx: str | None
    data: bytes


def find_licence(tree: LibraryTree) -> LibraryLicence | None:
    """Return the licence of a workspace: that of its own folder, or of the nearest one around it; None without any."""
    library = tree.library
    folder = tree.folder
    while True:
        names = (path.removeprefix(folder) for path in library.paths() if path.startswith(folder))
        found = sorted((name for name in names if "/" not in name and LICENCE_NAMES.fullmatch(name)), key=_rank)
        if found:
            path = folder + found[0]
            with suppress(WorkspaceError):
                data = library.outside.read(library.blob(path) or "", _MOST)
                if isinstance(data, bytes):
                    return LibraryLicence(path, spdx_of(data), data)
            return LibraryLicence(path, None, b"")
        if not folder:
            return None
        folder = folder.rstrip("/").rpartition("/")[0]
        folder += "/" if folder else ""


def _rank(name: str) -> tuple[int, str]:
    """Order files so that the one named `LICENSE` comes first."""
    return len(name), name


def spdx_of(data: bytes) -> str | None:
    """Return the SPDX name of a licence's text; None unless it is that text word by word, or names itself."""
    if (said := _ID.search(data)) is not None:
        return said[1].decode()
    return _TEXTS.get(words_digest(data.decode("utf-8", "replace")))


def words_digest(text: str) -> str:
    """Return the digest of a licence's words, without the lines that name a holder."""
    words = re.findall(r"[a-z0-9]+", _OWN.sub("", text).lower())
    return hashlib.sha256(" ".join(words).encode()).hexdigest()
