from __future__ import annotations

import base64

import pytest

from promptctl.files.media import MAX_MEDIA_BYTES, NotReadable, as_input, without_data_url


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a\1\0", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "audio/wav"),
        (b"ID3\3\0", "audio/mpeg"),
        (b"%PDF-1.7 only ASCII\nstartxref\n9\n%%EOF", "application/pdf"),
        (b"%PDF-1.7 cut \xff", "application/pdf"),
    ],
)
def test_a_file_of_media_is_a_data_url_of_the_type_it_holds(data: bytes, kind: str) -> None:
    head, _, content = as_input(data).partition(",")
    assert head == f"data:{kind};base64"
    assert base64.b64decode(content) == data
    assert without_data_url(as_input(data)) == content


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hi",
        "GIF89a is a format",
        "ID3 tags",
        "RIFF",
        "\ufeffcaf\u00e9",
        "ID3 " + "caf\u00e9 \U0001f600\t\r\n" * 9,
        "RIFF1234WAVE",
        "%PDF-1.7 begins each PDF",
    ],
)
def test_a_text_is_its_text(text: str) -> None:
    assert as_input(text.encode()) == text.removeprefix("\ufeff")


@pytest.mark.parametrize("data", [b"\xff\xfe\0", b"PK\3\4\xff", b"RIFF\x80\0\0\0AVI LIST"])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(NotReadable, match="neither UTF-8 text"):
        as_input(data)


def test_the_size_is_bounded() -> None:
    with pytest.raises(NotReadable, match="at most"):
        as_input(b"\x89PNG\r\n\x1a\n" + bytes(MAX_MEDIA_BYTES))
