"""The licence of a library: the nearest file of that name, and which it is if its text says so beyond doubt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.errors import WorkspaceError
from promptctl.files.strangers import LICENCE_NAMES, NOTICE_NAMES, unwelcome

if TYPE_CHECKING:
    from promptctl.vendoring.library import LibraryTree

_ID = re.compile(
    r"^[^\w\n]*SPDX-License-Identifier:[ \t]*((?>[A-Za-z0-9.+-]+(?: (?:OR|AND|WITH) [A-Za-z0-9.+-]+)*))(?>[^\w\n]*)$",
    re.M,
)
# Lines that differ from holder to holder: a title, and those that may name one.
# Atomic groups: a stranger's file of blanks is read once.
_TITLE = re.compile(r"(?im)^(?>[^\w\n(]*)(?:the )?mit license(?>[^\w\n(]*)(?:\(mit\))?(?>[^\w\n]*)$")
_OWN = re.compile(r"(?im)^(?>[^\w\n(]*)(?:copyright\b|SPDX-FileCopyrightText:|\(c\)|(?=all rights reserved))(.*)$")
_RESERVED = re.compile(r"(?i)all rights reserved\W*$")
# Words that such a line may have, beside names: any other could make it a condition.
_PLAIN = re.compile(
    r"|c|the|of|and|or|by|to|present|its|affiliates|individual|others?|contributors?|authors?|developers?|team|project"
    r"|see|file|listed|in|van|der|den|de|von|name|copyright|owner|holders?|fullname|year|yyyy"
    r"|[0-9]{4}[-–0-9x]*(?:present)?|\S*(?:@|://)\S*|[A-ZÀ-ÖØ-ÞĀ-ɏΆ-ΫЀ-Я][\w.'’-]*"
)
_CONDITION = re.compile(
    r"(?i)not?|non.*|nothing|only|never|must|may|without|except|unless|commercial.*|use[drs]?|licen.*|permission|written"
    r"|forbidden|prohibited|confidential|proprietary|notice|reserved|terms|agreement|contract"
    r"|purposes?|research|academic.*|educational|internal|evaluation|trial|personal|private|cop(?:y|ies|ying)|resale"
    r"|distribut.*|.*(?:[禁仅僅勿]|不[得可准]|非商|商用|学术|學術|研究|内部|評価|评估|教育|个人|個人|금지).*"
)
_LATIN = re.compile(r"[a-zß-ɏ.'’-]+")
_EASTERN = re.compile(r"[぀-ヿ㐀-鿿가-힣]+")  # letters without capitals, in which a name is short
_MOST_EASTERN = 4
_MOST_WORDS = 16
_MOST = 256 << 10
# SHA-256 of the words of each text, in small letters, without the lines that name a holder.
_TEXTS = {
    hashlib.sha256().hexdigest(): "",
    "0cf21bdfd1964a97a8615e128534845826afbc887edc95aa5c925cbf64386b5c": "MIT",
    "e87dea5078ce2faaea46d3475af18d30a5c0ac0f09425b60b3e0c6569f72f8d2": "Apache-2.0",
    "f45538b138cf9aea39fa205de037a0bede8305e68281650e7ab809a8b3ebb2f0": "Apache-2.0",  # without its appendix
    "53075742228962c7ea381b8242c64602fa32e7b8f52facb6d13ee4f9c596ddfa": "BSD-3-Clause",
    "9b83d3dee0616d07b82a272dd9bf5134a9f402b750f5ee6188458073b0a32ff2": "BSD-3-Clause",
    "a56fee4b2f66331ed54da4950ef9c9391453fd1490b4d8ea202bc29683bcbd30": "BSD-2-Clause",
    "23d7258e25bd67982ccec4b5bfc05631a20f8ee5bd5fe7eb70694c100aae88d2": "BSD-2-Clause",
    "40e6eb51c3b409d93549806b55b249c261dab149d19b56cc163624f39a08b1db": "ISC",
    "217da0747cec63a2e734185db11cbaa819bcd9e5b83cd12f812128fffe66e26a": "ISC",
    "f82071285728ca3ec7685ee9bc4acdae0b8267142a4d20b8f1805eabedb4a98a": "MPL-2.0",
    "96bdc7f63190fb4bd1ae584b890300ed7517d858b34c945642a3b9b2f1612a5f": "CC0-1.0",
}


@dataclass(frozen=True, slots=True)
class LibraryLicence:
    """Files of licences, by their paths in the repository; `spdx` names the licence if it is certain.

    `files` are their texts, if they can be read, with that of a `NOTICE` beside them.
    """

    paths: tuple[str, ...]
    spdx: str | None
    files: Mapping[str, bytes]


def find_licence(tree: LibraryTree) -> LibraryLicence | None:
    """Return the licence of a workspace: that of its own folder, or of the nearest one around it; None without any."""
    library = tree.library
    folder = tree.folder
    while True:
        names = [path.removeprefix(folder) for path in library.paths() if path.startswith(folder)]
        if found := licence_names(names):
            files = {}
            for name in (*found, *filter(NOTICE_NAMES.fullmatch, names)):
                with suppress(WorkspaceError):
                    data = library.outside.read(library.blob(folder + name) or "", _MOST)
                    if isinstance(data, bytes) and (name == found[0] or unwelcome(name) is None):
                        files[folder + name] = data
            paths = tuple(folder + name for name in found)
            return LibraryLicence(paths, spdx_of(files.get(paths[0], b"")) if len(paths) == 1 else None, files)
        if not folder:
            return None
        folder = folder.rstrip("/").rpartition("/")[0]
        folder += "/" if folder else ""


def licence_names(names: Iterable[str]) -> list[str]:
    """Return the names of licences among those of a folder: `LICENSE` first, kinds that are not taken last."""
    found = filter(LICENCE_NAMES.fullmatch, names)
    return sorted(found, key=lambda name: (unwelcome(name) is not None, len(name), name))


def spdx_of(data: bytes) -> str | None:
    """Return the SPDX name of a licence's text; None unless it is that text word by word, or only that name."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    said = [each[1] for each in _ID.finditer(text)]
    known = _TEXTS.get(words_digest(_ID.sub("", text)))
    if not said:
        return known or None
    return said[0] if len(said) == 1 and known in ("", said[0]) else None


def words_digest(text: str) -> str:
    """Return the digest of a licence's words, without the lines that name a holder."""
    words = re.findall(r"[^\W_]+|\ufffd", _OWN.sub(_without_holder, _TITLE.sub("", text)).lower())
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def _without_holder(line: re.Match[str]) -> str:
    """Return nothing for a line that only names a holder; any other as it is."""
    words = [each.strip('()[]{}<>,.;&©-\ufffd"') for each in _RESERVED.sub("", line[1]).split()]
    others = [each for each in words if not _PLAIN.fullmatch(each)]
    is_name = len(words) <= _MOST_WORDS and _is_name(others, words)
    return "" if is_name and not any(map(_CONDITION.fullmatch, words)) else line[0]


def _is_name(others: Sequence[str], words: Sequence[str]) -> bool:
    """Return True if the words that are not plain can be a name: one, or a short one behind a year and nothing else."""
    is_dated = any(each[:4].isdecimal() for each in words)
    if is_dated and others and all(map(_EASTERN.fullmatch, others)):
        return len("".join(others)) <= _MOST_EASTERN
    is_two = len(others) == 2 and is_dated and all(each in ("", "c") or each[0].isdecimal() for each in words[:-2])
    return len(others) < (3 if is_two else 2) and all(each.isascii() or _LATIN.fullmatch(each) for each in others)
