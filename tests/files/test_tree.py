"""Files of this machine: kind and size are known before a byte is read."""

import os
import socket
from pathlib import Path

import pytest

from promptctl.files.tree import NotRegular, open_file, read_file

GIANT = 1 << 40


def test_what_is_no_regular_file_is_refused_and_never_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("folder").mkdir()
    Path("link").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        for name in ("pipe", "/dev/zero", "folder", "socket", "link"):
            for follows_links in (False, True):
                with pytest.raises(OSError, match=r"regular|folder|No such device|symbolic links"):
                    read_file(Path(name), follows_links=follows_links)
    with pytest.raises(NotRegular):
        open_file(Path("link"), follows_links=True)


def test_a_giant_is_refused_by_its_size_and_a_link_only_if_it_may_not_be_followed(tmp_path: Path) -> None:
    giant, link = tmp_path / "giant", tmp_path / "link"
    with giant.open("wb") as opened:
        opened.truncate(GIANT)
    with pytest.raises(OSError, match="it has 1,099,511,627,776 bytes; at most 1,048,576 are read"):
        read_file(giant)
    link.symlink_to(tmp_path / "small")
    (tmp_path / "small").write_bytes(b"small")
    assert read_file(link, follows_links=True) == b"small"
    with pytest.raises(OSError, match="symbolic links"):
        read_file(link)
    with pytest.raises(OSError, match="it has 5 bytes; at most 4 are read"):
        read_file(tmp_path / "small", 4)
