from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from promptctl.errors import GitError, HistoryIncomplete, LabelRefused, RevisionNotFound
from promptctl.git.objects import Objects
from promptctl.labels.chains import LabelTags, current, listing, recorded_otherwise
from promptctl.labels.tags import LabelEvent, LabelName, one_line, parse_name
from promptctl.labels.times import live_at
from tests.desks import PROMPT, Desk, hand_tag
from tests.repositories import PATH, Repo

NAME = "prompt/support/triage@production"
TAG = f"refs/tags/{NAME}"
Clone = Callable[..., Repo]


def message(**changes: str | None) -> str:
    """What promptctl writes into a tag, changed by a hand."""
    trailers = {
        "Prompt": PROMPT,
        "Label": "production",
        "Action": "set",
        "Version": "v1",
        "Digest": "1:" + "0" * 64,
        "Path": PATH,
        "Previous": "none",
        "Actor": "Eve <eve@example.org>",
        **changes,
    }
    return "Set\n\n" + "".join(f"{key}: {value}\n" for key, value in trailers.items() if value is not None)


def codes(desk: Desk) -> list[tuple[str, str]]:
    """The problems that verify finds, by code and severity."""
    return [(problem.code, problem.severity) for problem in desk.labels.verify().problems]


# --- what a label names ----------------------------------------------------------------------------------------------


def test_the_highest_number_is_live_whatever_the_order_of_names(alone: Desk) -> None:
    for number in range(12):
        alone.set(f"v{1 + number % 4}")
    state = current(alone.git, alone.trust, LabelName(PROMPT, "production"))
    assert state is not None
    assert (state.event.n, state.version, state.is_live, state.is_unpushed) == (12, "v4", True, True)
    assert state.commit == alone.repo.git("rev-parse", "v4")
    assert state.event.oid == alone.tags()[f"{TAG}/12"]
    assert state.event.path == PATH


@pytest.mark.parametrize("label", ["staging", "product", "Production", "--all", "production/1", "*", "v1", "a b"])
def test_a_label_without_events_is_none(alone: Desk, label: str) -> None:
    alone.set("v1")
    assert current(alone.git, alone.trust, LabelName(PROMPT, label)) is None
    assert current(alone.git, alone.trust, LabelName("support", "production")) is None
    assert current(alone.git, alone.trust, LabelName("../triage", "production")) is None


def test_tags_are_read_packed_or_loose(alone: Desk) -> None:
    alone.set("v1")
    alone.repo.git("pack-refs", "--all")
    alone.set("v2")
    assert alone.live() == "v2"
    alone.repo.git("pack-refs", "--all")
    assert alone.live() == "v2"


def test_a_prompt_of_more_former_ids_than_a_command_line_holds_has_its_label(alone: Desk) -> None:
    alone.set("v1")
    many = tuple(f"former/{'x' * 40}/{n}" for n in range(60_000))
    assert alone.live(formerly=many) == "v1"


def test_a_branch_of_the_tags_name_changes_nothing(alone: Desk) -> None:
    alone.set("v2")
    alone.repo.git("branch", f"{NAME}/1", "v1")
    alone.repo.git("branch", "production", "v1")
    assert alone.live() == "v2"


def test_a_prompt_recreated_under_an_old_name_has_its_own_labels(alone: Desk) -> None:
    alone.set("v1")
    alone.repo.git("mv", PATH, "prompts/route.prompt.yaml")
    alone.repo.commit("Rename", {PATH: "{}\n"})
    alone.repo.git("tag", "v5")
    alone.mover.set(LabelName("route", "production", (PROMPT,)), alone.candidate("v5", "route"))
    assert alone.live(prompt="route", formerly=(PROMPT,)) == "v5"
    assert alone.live() == "v1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Label": "staging"}, "it says that it is of support/triage@staging"),
        ({"Prompt": "support/other"}, "it says that it is of support/other@production"),
        ({"Action": "promote"}, "its action `promote` is none of set, rollback, remove"),
        ({"Digest": "sha256:1"}, "its digest `sha256:1` is not valid"),
        ({"Previous": "v1"}, "the event before is `v1`, which is no object"),
        ({"Version": None, "Actor": None}, "its message lacks Version, Actor"),
        ({"Reason": "one\nLabel: staging"}, "a line that is no trailer, or one twice: `Label: staging`"),
        ({"Reason": "one\nmore of it"}, "a line that is no trailer, or one twice: `more of it`"),
    ],
)
def test_a_tag_written_by_hand_is_refused_with_what_is_wrong(
    alone: Desk, changes: dict[str, str | None], words: str
) -> None:
    hand_tag(alone.repo, f"{NAME}/1", alone.repo.head, message(**changes))
    with pytest.raises(GitError, match=f"the tag {NAME}/1 is no event of a label") as caught:
        alone.live()
    assert words in caught.value.message
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(f"git tag -d {NAME}/1")


def test_a_tag_written_by_hand_as_promptctl_writes_it_is_an_event(alone: Desk) -> None:
    hand_tag(alone.repo, f"{NAME}/1", alone.repo.head, message(Reason="by hand", Ticket="42"))
    assert alone.live() == "v1"
    assert alone.labels.log(LabelName(PROMPT, "production")).events[0].reason == "by hand"


def test_what_a_stranger_wrote_cannot_reach_the_terminal_or_the_shell(alone: Desk) -> None:
    hand_tag(alone.repo, f"{NAME}/1", alone.repo.head, message(Reason="\x1b[2Jgone", Actor="E\x07ve <e@x>"))
    event = alone.labels.log(LabelName(PROMPT, "production")).events[0]
    assert (event.reason, event.actor) == ("[2Jgone", "E ve <e@x>")
    alone.repo.git("tag", "prompt/$(touch${IFS}evil);x")
    (problem,) = alone.listing().problems
    assert problem.hint is not None
    assert problem.hint.startswith("git tag -d 'prompt/$(touch${IFS}evil);x' ")


def test_lightweight_nested_and_copied_tags_are_refused(alone: Desk) -> None:
    event = alone.set("v1").event
    repo = alone.repo
    repo.git("tag", f"{NAME}/2", "v2")
    with pytest.raises(GitError, match="lightweight"):
        alone.live()
    repo.git("update-ref", f"{TAG}/2", event.oid)
    with pytest.raises(GitError, match=f"its object is that of the tag {NAME}/1"):
        alone.live()
    repo.git("tag", "-d", f"{NAME}/2")
    repo.git("tag", "-a", "-m", message(), f"{NAME}/2", event.oid)
    with pytest.raises(GitError, match="points to a tag, not to a commit"):
        alone.live()
    repo.git("update-ref", f"{TAG}/2", repo.git("rev-parse", "HEAD^{tree}"))
    with pytest.raises(GitError, match="lightweight"):
        alone.live()


def test_an_event_that_does_not_follow_the_one_before_is_refused(alone: Desk) -> None:
    alone.set("v1")
    hand_tag(alone.repo, f"{NAME}/2", alone.repo.head, message(Version="v4"))
    with pytest.raises(GitError, match="it says that it follows nothing, but event 1 is"):
        alone.live()


@pytest.mark.parametrize("number", ["0", "01", "x", "1000000000", "2/3", "-1"])
def test_tags_whose_number_is_none_count_for_nothing_and_are_reported(alone: Desk, number: str) -> None:
    alone.set("v1")
    alone.repo.git("update-ref", f"{TAG}/{number}", alone.repo.head)
    assert alone.live() == "v1"
    assert codes(alone) == [("label-name", "error")]
    assert [problem.code for problem in alone.listing().problems] == ["label-name"]
    assert [problem.code for problem in alone.labels.log(LabelName(PROMPT, "production")).problems] == ["label-name"]


def test_names_of_tags_are_read_back() -> None:
    name = parse_name("refs/tags/prompt/a.b/c-d_e@on-call/7")
    assert name is not None
    assert (name.prompt, name.label, name.n) == ("a.b/c-d_e", "on-call", 7)
    assert name.ref == "refs/tags/prompt/a.b/c-d_e@on-call/7"
    for ref in ("refs/tags/a@b/1", "refs/tags/prompt/a@B/1", "refs/tags/prompt/a@b", "refs/tags/prompt/a@b/1\n"):
        assert parse_name(ref) is None


def test_a_reason_is_one_line_whatever_was_typed() -> None:
    assert one_line(" a\r\nb\u2028c\x00d\t e\x1b[31m\udcff ") == "a b c d e [31m"
    assert len(one_line("x" * 5000)) == 1000


# --- all of them -----------------------------------------------------------------------------------------------------


def test_every_label_is_listed_with_its_state(alone: Desk) -> None:
    alone.set("v1")
    alone.set("v2")
    alone.set("v3", "staging")
    alone.mover.remove(LabelName(PROMPT, "staging"))
    alone.set("v1", "preview")
    alone.repo.git("tag", "prompt/support/triage@preview/2", "v2")
    listed = alone.listing()
    assert {key: (state.version, state.is_live) for key, state in listed.states.items()} == {
        (PROMPT, "production"): ("v2", True),
        (PROMPT, "staging"): ("v3", False),
    }
    assert [problem.code for problem in listed.problems] == ["label-lightweight"]
    renamed = listing(alone.git, LabelTags.read(alone.git, alone.trust), {"support/route": (PROMPT,)}).states
    assert list(renamed) == [("support/route", "production"), ("support/route", "staging")]


def test_a_number_recorded_for_another_digest_is_found(alone: Desk) -> None:
    event = alone.set("v2", "staging").event
    assert recorded_otherwise(alone.git, alone.trust, PROMPT, 2, event.digest) is None
    assert recorded_otherwise(alone.git, alone.trust, PROMPT, 3, "1:" + "0" * 64) is None
    assert recorded_otherwise(alone.git, alone.trust, PROMPT, 2, "1:" + "0" * 64) == event


def test_an_unknown_label_is_told_with_the_nearest(ada: Desk) -> None:
    ada.set("v1")
    with pytest.raises(RevisionNotFound, match="its labels are production") as caught:
        ada.labels.log(LabelName(PROMPT, "prodcution"))
    assert caught.value.hint == "did you mean `support/triage@production`?"
    unknown = ada.labels.unknown(LabelName("support/other", "production"))
    assert unknown.message == "`support/other` has no label `production`; it has none"
    assert unknown.hint == "promptctl label set support/other@production VERSION"


def test_a_clone_that_never_fetched_labels_cannot_know(ada: Desk, ben: Desk, remote: Repo, clone: Clone) -> None:
    ada.set("v1")
    fresh = Desk(clone(remote, "fresh", "--no-tags"))
    with pytest.raises(HistoryIncomplete, match="has never fetched labels from origin") as caught:
        fresh.labels.log(LabelName(PROMPT, "production"))
    assert caught.value.hint == "promptctl label fetch"
    fresh.remote = None
    assert isinstance(fresh.labels.unknown(LabelName(PROMPT, "production")), HistoryIncomplete)
    assert fresh.labels.unknown(LabelName(PROMPT, "production")).hint == "promptctl label fetch"
    fresh.labels.fetch("origin")
    assert fresh.live() == "v1"
    assert isinstance(fresh.labels.unknown(LabelName(PROMPT, "staging")), RevisionNotFound)


# --- asking the remote first -----------------------------------------------------------------------------------------


def test_refresh_brings_what_others_did_and_says_when_it_could_not(ada: Desk, ben: Desk, remote: Repo) -> None:
    ada.set("v1")
    remote.path.rename(remote.path.with_name("gone.git"))
    with pytest.raises(HistoryIncomplete, match="labels were never fetched here"):
        ben.labels.refresh()
    remote.path.with_name("gone.git").rename(remote.path)
    assert ben.labels.refresh() is None
    assert ben.live() == "v1"
    remote.path.rename(remote.path.with_name("gone.git"))
    note = ben.labels.refresh()
    assert note is not None
    assert "labels are as of" in note
    assert ben.live() == "v1"


def test_without_a_remote_nothing_is_asked_or_fetched(alone: Desk) -> None:
    assert alone.labels.refresh() is None
    with pytest.raises(GitError, match="has no remote for labels"):
        alone.labels.fetch()


def test_fetching_reports_a_tag_that_differs_and_leaves_it(ada: Desk, ben: Desk, remote: Repo) -> None:
    first = ada.set("v1").event
    ben.labels.fetch()
    ada.set("v2", "staging")
    other = hand_tag(ada.repo, f"{NAME}/1", first.commit, message(Reason="forged"))
    ada.repo.git("push", "--quiet", "--force", "origin", f"{TAG}/1")
    fetched = ben.labels.fetch()
    assert fetched.added == ("refs/tags/prompt/support/triage@staging/1",)
    (conflict,) = fetched.conflicts
    assert (conflict.ref, conflict.here, conflict.there) == (f"{TAG}/1", first.oid, other)
    assert ben.tags()[f"{TAG}/1"] == first.oid
    assert ben.live() == "v1"
    assert "1 tags differ" in (ben.labels.refresh() or "")
    assert codes(ben) == [("label-differs", "error")]


def test_a_tag_that_git_does_not_store_keeps_no_other_out(ada: Desk, ben: Desk) -> None:
    first = ada.set("v1").event
    ada.set("v2", "staging")
    made = f"object {first.commit}\ntype commit\ntag {NAME}/2\ntagger Eve <eve@example.org 1 +0000\n\nSet\n".encode()
    oid = ada.git.run(["hash-object", "-t", "tag", "-w", "--literally", "--stdin"], input=made).text
    ada.repo.git("push", "--quiet", "origin", f"{oid}:{TAG}/2")
    ben.repo.git("config", "fetch.fsckObjects", "true")
    for added in (2, 0):
        with pytest.raises(
            GitError, match=rf"labels of origin could not be stored here, {NAME}/2: .*badEmail.*; {added} new"
        ):
            ben.labels.fetch()
    assert (ben.live(), ben.live("staging")) == ("v1", "v2")
    assert f"1 tag of origin cannot be stored here, {NAME}/2:" in (ben.labels.refresh() or "")
    assert ben.set("v1", "staging").event.n == 2
    with pytest.raises(LabelRefused, match="could not be stored here"):
        ben.set("v2")


def test_fetching_keeps_unpushed_labels_whatever_the_configuration_prunes(ada: Desk, ben: Desk) -> None:
    ada.set("v1")
    ben.remote = None
    ben.set("v2", "mine")
    for key in ("fetch.prune", "fetch.pruneTags", "remote.origin.prune"):
        ben.repo.git("config", key, "true")
    ben.repo.git("config", "--add", "remote.origin.fetch", "+refs/tags/*:refs/tags/*")
    configuration = ben.repo.git("config", "--list", "--local")
    ben.labels.fetch("origin")
    assert (ben.live(), ben.live("mine")) == ("v1", "v2")
    assert ben.repo.git("config", "--list", "--local") == configuration


def test_a_label_that_cannot_be_stored_here_is_an_error(ada: Desk, ben: Desk) -> None:
    ada.set("v1")
    ben.repo.git("tag", "prompt/support")
    ben.labels.fetch()
    assert ben.live() == "v1"
    ada.set("v1", "staging")
    ben.repo.git("update-ref", "refs/promptctl/known/origin/support/triage@staging", "HEAD")
    with pytest.raises(GitError, match="labels of origin could not be stored here"):
        ben.labels.fetch()


# --- when ------------------------------------------------------------------------------------------------------------


def event(n: int, minute: int, action: str = "set") -> LabelEvent:
    date = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=minute)
    return LabelEvent(PROMPT, "production", n, action, f"v{n}", "", "", "", "", date, "", "", None, "")  # type: ignore[arg-type]


def number_at(events: list[LabelEvent], minute: int) -> tuple[int | None, list[int]]:
    found = live_at(events, datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=minute))
    return (found.event.n if found.event else None), [doubtful.n for doubtful in found.doubtful]


def test_what_was_live_at_a_time() -> None:
    events = [event(1, 10), event(2, 20), event(3, 20), event(4, 30, "remove")]
    assert [number_at(events, minute) for minute in (9, 10, 19, 20, 29)] == [
        (None, []),
        (1, []),
        (1, []),
        (3, []),
        (3, []),
    ]
    assert not live_at(events, datetime(2027, 1, 1, tzinfo=UTC)).is_live


def test_one_wrong_clock_does_not_move_the_other_events() -> None:
    year = 365 * 24 * 60
    slow = [event(1, 10), event(2, 20), event(3, 30 - year), event(4, 40)]
    assert [number_at(slow, minute) for minute in (-10, 15, 25, 45)] == [(None, []), (1, []), (2, [3]), (4, [])]
    fast = [event(1, 10), event(2, 20), event(3, 30 + year), event(4, 40)]
    assert [number_at(fast, minute) for minute in (15, 25, 45, 2 * year)] == [(1, []), (2, [3]), (4, []), (4, [])]


def test_a_label_at_a_time_in_a_repository(alone: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, seconds in (("v1", 1_700_000_000), ("v2", 1_700_003_600)):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{seconds} +0530")
        alone.set(version)
    moment = datetime(2023, 11, 14, 23, 0, tzinfo=UTC)
    found = alone.labels.at(LabelName(PROMPT, "production"), moment)
    assert found.event is not None
    assert (found.event.version, found.event.date.utcoffset()) == ("v1", timedelta(hours=5, minutes=30))
    assert alone.labels.at(LabelName(PROMPT, "production"), moment.replace(year=2020)).event is None


# --- verify ----------------------------------------------------------------------------------------------------------


def test_nothing_is_wrong_with_labels_that_promptctl_made(ada: Desk, ben: Desk) -> None:
    ada.set("v1")
    ben.set("v2", "staging")
    ada.mover.remove(LabelName(PROMPT, "production"))
    ada.labels.refresh()
    assert codes(ada) == []


def test_every_bad_tag_is_found_at_once(alone: Desk) -> None:
    repo = alone.repo
    alone.set("v1")
    alone.set("v2")
    alone.set("v3")
    repo.git("tag", "-d", f"{NAME}/2")
    hand_tag(
        repo, "prompt/support/triage@staging/1", repo.head, message(Label="staging", Path="prompts/no.prompt.yaml")
    )
    hand_tag(repo, "prompt/support/triage@staging/2", repo.head, message(Label="staging"))
    hand_tag(repo, "prompt/support/triage@copy/1", repo.head, message(Label="copy"), header="prompt/x@copy/1")
    repo.git("tag", "prompt/support/triage@light/1")
    repo.git("tag", "prompt/notes")
    repo.git("tag", "prompt/bad/-name@x/1")
    assert sorted(code for code, _ in codes(alone)) == [
        "label-chain",
        "label-copied",
        "label-digest",
        "label-gap",
        "label-lightweight",
        "label-name",
        "label-name",
        "label-path",
    ]
    assert all(problem.hint for problem in alone.labels.verify().problems)


def test_a_digest_that_is_not_the_commits_is_found(alone: Desk) -> None:
    alone.set("v1")
    assert codes(alone) == []
    other = replace(alone.candidate("v2"), digest="1:" + "0" * 64)
    alone.mover.set(LabelName(PROMPT, "production"), other)
    assert codes(alone) == [("label-digest", "error")]


def test_many_labels_are_checked_with_few_requests_to_git(alone: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(24):
        alone.set(f"v{number % 3 + 1}", f"stage-{number}x")
    asked: list[Sequence[str]] = []
    ask = Objects._ask

    def counted(objects: Objects, names: Sequence[str]) -> None:
        asked.append(names)
        ask(objects, names)

    monkeypatch.setattr(Objects, "_ask", counted)
    assert codes(alone) == []
    assert len(asked) < 24


def test_history_rewritten_under_a_label_is_a_warning_and_the_label_holds(alone: Desk) -> None:
    alone.set("v4")
    old = alone.repo.head
    alone.repo.git("reset", "--quiet", "--hard", "v1")
    alone.repo.git("tag", "-d", "v2", "v3", "v4")
    alone.repo.git("gc", "--quiet", "--prune=now")
    state = current(alone.git, alone.trust, LabelName(PROMPT, "production"))
    assert state is not None
    assert state.commit == old
    assert codes(alone) == [("label-off-branch", "warning")]


def test_what_the_remote_lost_replaced_or_has_besides_is_found(ada: Desk, ben: Desk, remote: Repo) -> None:
    ada.set("v1")
    ada.set("v2")
    ada.set("v1", "staging")
    ben.labels.fetch()
    remote.git("update-ref", "-d", "refs/tags/prompt/support/triage@staging/1")
    remote.git("update-ref", f"{TAG}/1", remote.git("rev-parse", "refs/heads/main"))
    found = {problem.code: problem for problem in ben.labels.verify().problems}
    assert set(found) == {"label-lost", "label-differs"}
    known = "refs/promptctl/known/origin/support/triage"
    staging = f"{known}@staging/1:refs/tags/prompt/support/triage@staging/1"
    assert found["label-lost"].hint == f"to restore it: git push origin {staging}"
    assert found["label-differs"].hint == f"to restore it: git push --force origin {known}@production/1:{TAG}/1"
    ben.repo.git("update-ref", "-d", f"{known}@production/2")
    assert "label-not-here" in [code for code, _ in codes(ben)]


def test_moves_not_pushed_yet_are_a_warning(ada: Desk) -> None:
    ada.remote = None
    ada.set("v1")
    ada.remote = "origin"
    assert codes(ada) == [("label-unpushed", "warning")]
