"""What the pages say, read without a server."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from promptctl.browse.site import NAVIGATION, ROUTES, SECTIONS, answer_of
from promptctl.browse.views import View
from promptctl.errors import LogError
from promptctl.workspace import open_workspace
from tests.browse.conftest import Pages, Read
from tests.browse.workspaces import CHAT, EVIL, hostile, lively
from tests.cli.conftest import commit, git, write


@pytest.fixture(name="pages", scope="module")
def lively_pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    return Pages(lively(tmp_path_factory.mktemp("pages"), tmp_path_factory.getbasetemp()))


@pytest.fixture
def copy(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lively(tmp_path, tmp_path_factory.getbasetemp())


def test_the_catalogue_shows_each_prompt_with_version_labels_model_and_status(pages: Pages) -> None:
    page = pages.read()
    assert "2 prompts." in page.words
    assert "Chat deprecated chat chat v1 openai/gpt-4o-mini" in page.words
    words = "Support triage support/triage Classify an inbound ticket. support tickets v3 production v1 staging v2"
    assert f"{words} echo/echo" in page.words
    assert "prompt?ref=support%2Ftriage" in page.links


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"search": "INBOUND"}, ["Support triage"]),
        ({"category": "support"}, ["Support triage"]),
        ({"category": "supp"}, []),
        ({"tag": "chat"}, ["Chat"]),
        ({"tag": ["support", "tickets"]}, ["Support triage"]),
        ({"status": "deprecated"}, ["Chat"]),
        ({"status": "active", "provider": "openai"}, []),
        ({"provider": "echo"}, ["Support triage"]),
        ({"label": "production"}, ["Support triage"]),
        ({"search": "", "tag": "", "status": ""}, ["Chat", "Support triage"]),
        ({"from": "100"}, ["Chat", "Support triage"]),
    ],
)
def test_prompts_are_filtered_by_what_the_address_asks(
    asked: dict[str, str | list[str]], found: list[str], pages: Pages
) -> None:
    page = pages.read(**asked)
    assert re.findall(r'class="name"[^>]*><bdi>([^<]*)', page.text) == found


def test_a_filter_that_finds_nothing_says_what_was_meant(pages: Pages) -> None:
    page = pages.read(tag="suport")
    assert "No prompt matches. Did you mean tag support?" in page.words
    assert "./?tag=support" in page.links


@pytest.mark.parametrize(
    ("address", "marked"),
    [
        ("", '<a href="./" aria-current="page">Prompts'),
        ("prompt?ref=support/triage", '<a href="./" aria-current="true">Prompts'),
        ("dataset?path=datasets/support/triage.yaml", '<a href="datasets" aria-current="true">Datasets'),
    ],
)
def test_the_navigation_marks_the_section(address: str, marked: str, pages: Pages) -> None:
    assert marked in pages.follow(address).text


def test_a_prompt_says_first_where_it_stands(pages: Pages) -> None:
    words = pages.read("prompt", ref="support/triage").words
    assert "production names v1, 2 versions behind. staging names v2, 1 version behind. 1 call, none failed." in words
    for each in (
        "You triage tickets for {{ product }}.",
        "temperature 0",
        "ticket string required Raw ticket text",
        "product string = Acme",
        "label billing | bug required The subject",
        "v3 2",
        "Ask for urgency from v2",
        "Add triage the first",
        "it works none",
        "datasets/triage.yaml not evaluated yet",
        "calls 1 failed 0 cost $0",
        "Every call is logged with all that was sent and answered, by the rule for * in promptctl.yaml:3:5",
        "Budget daily: at most $5 per day",
    ):
        assert each in words


def test_a_prompt_is_shown_as_it_was_at_a_version(pages: Pages) -> None:
    page = pages.read("prompt", ref="support/triage@production")
    assert "urgent" not in page.words.partition("Versions")[0].partition("Inputs name")[2]
    assert "promptctl run support/triage@v1 -i 'ticket=…'" in page.commands


def test_commands_are_of_the_version_that_is_shown_also_beside_the_default_branch(copy: Path) -> None:
    git(copy, "checkout", "-q", "-b", "side")
    write(copy, "prompts/support/tone.j2", "Be quick.\n")
    commit(copy, "Be quick")
    git(copy, "checkout", "-q", "main")
    page = Pages(copy).read("prompt", ref="support/triage@side")
    assert "promptctl eval support/triage@side" in page.commands
    assert "promptctl rename support/triage support/triage-2" in page.commands


def test_every_change_is_a_command_to_copy(pages: Pages) -> None:
    commands = pages.read("prompt", ref="support/triage").commands
    assert "promptctl label set support/triage@production v3 --reason '…'" in commands
    assert "promptctl label rollback support/triage@staging --reason '…'" in commands
    assert "promptctl copy support/triage@v3 support/triage-2" in commands
    assert "promptctl log rules set support/triage content=metadata" in commands
    assert "promptctl deprecate support/triage" in commands
    there = Pages(pages.folder, program="promptctl -C 'my work'").read("prompt", ref="chat").commands
    assert "promptctl -C 'my work' activate chat" in there


def test_any_two_versions_stand_side_by_side_with_who_breaks(pages: Pages) -> None:
    page = pages.read("diff", old="support/triage@v1", new="support/triage")
    assert "v1 → v3 The change breaks callers." in page.words
    assert "input urgent: was added without a default: it must be given now" in page.words
    assert '<td class="minus">Be kind<del></del>' not in page.text
    assert "<ins> and honest</ins>" in page.text
    assert "Answer with one label<ins>, and why</ins>." in page.text
    assert page.commands == ["promptctl diff support/triage@v1 support/triage"]
    assert "Nothing differs." in pages.read("diff", old="support/triage@v1", new="@v1").words
    assert "chat v1" in pages.read("diff", old="support/triage@v1", new="chat").words


def test_a_labels_history_says_who_when_why_and_on_what_evidence(pages: Pages) -> None:
    page = pages.read("label", name="support/triage@staging")
    assert re.search(r"It names v2 of support/triage since 20\S+ \S+ UTC, by Test Author\.", page.words)
    assert re.search(r"set to v2 20\S+ \S+ UTC Test Author honest replies none from v1 set to v1", page.words)
    (changes,) = (each for each in page.links if each.startswith("diff?"))
    assert "Be kind" in pages.follow(changes).words


def test_a_shared_file_says_who_uses_it(pages: Pages) -> None:
    page = pages.read("file", path="prompts/support/tone.j2")
    assert "A partial that 1 prompt pulls in." in page.words
    assert "prompt?ref=support%2Ftriage" in page.links


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("prompt?ref=suport/triage", 404, "did you mean `support/triage`?"),
        ("prompt?ref=support/triage@v9", 404, "its versions are v1 to v3"),
        ("prompt", 400, "the address lacks `ref`"),
        ("label?name=support/triage", 400, "names no label"),
        ("label?name=support/triage@nothing", 404, "nothing"),
        ("file?path=../secret.yaml", 404, "there is no partial"),
        ("nothing", 404, "there is no page `nothing`"),
        ("?first=-1", 400, "`first` is a whole number"),
        ("?" + "&".join(["first=1"] * 101), 400, "the address has too many values"),
    ],
)
def test_a_wrong_address_says_what_is_wrong(address: str, status: int, words: str, pages: Pages) -> None:
    page = pages.follow(address)
    assert page.status == status
    assert words in page.words


def test_what_changes_is_seen_on_the_next_page(copy: Path) -> None:
    pages = Pages(copy)
    assert "2 prompts." in pages.read().words
    write(copy, "prompts/new.prompt.yaml", CHAT.replace("Chat", "Brand new"))
    assert "Brand new" in pages.read().words
    write(copy, "prompts/support/tone.j2", "Be brief.\n")
    assert "Its files are not committed as they are." in pages.read("prompt", ref="support/triage").words
    assert "Be brief." in pages.read("diff", old="support/triage", new="").words
    write(copy, "promptctl.yaml", "model: echo/other\n")
    assert "echo/other" in pages.read().words
    write(copy, "promptctl.yaml", "model: [\n")
    broken = pages.read()
    assert (broken.status, "promptctl.yaml:" in broken.words) == (400, True)
    write(copy, "promptctl.yaml", "model: echo/echo\n")
    git(copy, "checkout", "--quiet", "--", "prompts")
    assert pages.read().status == 200


def test_a_broken_file_is_shown_with_its_place(copy: Path) -> None:
    write(copy, "prompts/broken.prompt.yaml", "name: Broken\nmesages: []\n")
    write(copy, "datasets/broken.yaml", "prompts: [support/triage]\ncases: 1\n")
    pages = Pages(copy)
    listed = pages.read()
    assert "3 prompts; 1 cannot be loaded." in listed.words
    assert "broken broken prompts/broken.prompt.yaml:2:1: unknown key `mesages`" in listed.words
    assert "?status=broken" in "".join(listed.links)
    page = pages.read("prompt", ref="broken")
    assert page.status == 400
    assert "prompts/broken.prompt.yaml:2:1 unknown key `mesages` did you mean `messages`?" in page.words
    assert pages.read("prompt", ref="support/triage").status == 200


def test_a_workspace_without_git_log_or_datasets_has_its_pages(tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "")
    empty = Pages(tmp_path)
    assert "There is no prompt yet." in empty.read().words
    assert "promptctl new support/triage" in empty.read().commands
    write(tmp_path, "prompts/chat.prompt.yaml", CHAT)
    page = empty.read("prompt", ref="chat")
    assert page.status == 200
    for words in ("the workspace is not in a Git repository", "No dataset tests it.", "It was never called."):
        assert words in page.words
    assert empty.read("label", name="chat@production").status == 400
    assert not (tmp_path / ".promptctl/log.db").exists()


def test_a_workspace_in_a_subfolder_and_a_bare_repository_have_their_pages(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = lively(tmp_path / "copy", tmp_path_factory.getbasetemp())
    git(tmp_path, "init", "--quiet", "repo")
    inner = tmp_path / "repo/apps/bot"
    write(inner, "promptctl.yaml", "model: echo/echo\n")
    write(inner, "prompts/chat.prompt.yaml", CHAT)
    commit(tmp_path / "repo", "Add chat")
    assert "Chat deprecated chat chat v1" in Pages(inner).read().words
    git(tmp_path, "clone", "--quiet", "--bare", str(copy), "bare.git")
    bare = Pages(tmp_path / "bare.git")
    assert "Chat deprecated chat chat v1" in bare.read().words
    assert "datasets/triage.yaml" in bare.read("prompt", ref="support/triage@v2").words


class _Tags(HTMLParser):
    """Collects what is mark-up in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action")]


def test_hostile_text_stays_text_on_every_page(tmp_path: Path) -> None:
    pages = Pages(hostile(tmp_path))
    shown: list[Read] = [
        pages.read(),
        pages.read(search=EVIL, tag=EVIL, category=EVIL, status="active"),
        *(pages.read("prompt", ref=ref) for ref in ("evil", "evil@v1", "uses", "wrong", EVIL)),
        pages.read("diff", old="uses@v1", new="uses"),
        pages.read("diff", old="evil", new="uses"),
        pages.read("label", name="evil@production"),
        pages.read("label", name=EVIL),
        pages.read("file", path="prompts/part.j2"),
        pages.read(EVIL),
    ]
    for page in shown:
        tags = _Tags()
        tags.feed(page.text)
        assert page.text.count("<script") == 1
        assert not tags.names & {"img", "iframe", "object", "embed", "style", "base"}
        assert not {name for name in tags.attributes if name.startswith("on")} | (tags.attributes & {"style"})
        assert not [each for each in tags.addresses if ":" in each.partition("?")[0]]
        assert "\u202e" not in page.text
        for command in page.commands:
            assert shlex.split(command)[0] == "promptctl"
    assert all("alert(1)" in page.words for page in shown[:4])
    assert "⟨U+202E⟩" in shown[0].words


def test_nothing_is_written_by_looking(copy: Path) -> None:
    with open_workspace(copy, {}) as workspace:
        workspace.prompts()  # what is kept of the history is made on first use, as by any command
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    pages = Pages(copy)
    for address in (
        "",
        "prompt?ref=support/triage",
        "diff?old=support/triage@v1&new=@v2",
        "label?name=support/triage@staging",
    ):
        assert pages.follow(address).status == 200
    pages.site.close()
    after = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert {path.name for path in before.keys() ^ after.keys()} <= {"log.db-shm", "log.db-wal"}
    assert {path.name for path in before.keys() & after.keys() if before[path] != after[path]} <= {"index"}


def test_a_page_that_cannot_be_ended_says_so(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(copy))
    view = View("failure.html", "Rows", {"words": "", "hint": None, "problems": ()})
    pages = Pages(copy)

    def ended(error: Exception) -> str:
        def rows() -> Iterator[bytes]:
            yield from pages.site._rendering.write(view)
            raise error

        return b"".join(pages.site._to_the_end(b"first", rows())).decode()

    assert '<p class="note">This page ends here: it is gone &lt;b&gt;</p>' in ended(LogError("it is gone <b>"))
    assert '<p class="note">This page ends here: ValueError: this is a bug' in ended(ValueError("x"))


def test_every_page_is_in_the_navigation_or_below_a_page_of_it() -> None:
    assert set(ROUTES) == {*NAVIGATION, *SECTIONS}
    assert all(answer_of(page) for page in ROUTES)
    assert set(SECTIONS.values()) <= set(NAVIGATION)
