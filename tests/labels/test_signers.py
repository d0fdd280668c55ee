"""Whose signature on a move of a label counts."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptctl.errors import GitError, LabelRefused
from promptctl.formats.settings_file import LabelSettings
from promptctl.git.repository import Git
from promptctl.labels.chains import LabelTags, current
from promptctl.labels.signers import is_signing, unsigned
from promptctl.labels.tags import LabelName
from promptctl.labels.trust import LabelTrust
from promptctl.promotion.moves import Mover, MoveResult
from tests.desks import PROMPT, Desk, hand_tag, open_git
from tests.labels.test_labels import NAME
from tests.labels.test_trust import following
from tests.repositories import Repo


@dataclass
class SignedDesk:
    """A desk whose moves must be signed, by Ada's key or another that the signers name."""

    desk: Desk
    keys: Path
    signers: str

    @property
    def git(self) -> Git:
        return open_git(self.desk.repo.path)

    @property
    def trust(self) -> LabelTrust:
        return LabelTrust(None, self.signers, "main")

    def sign_as(self, key: str, address: str = "ada@example.org") -> None:
        for name, value in (("format", "ssh"), ("ssh.allowedSignersFile", str(self.keys / "everyone"))):
            self.desk.repo.git("config", f"gpg.{name}", value)
        self.desk.repo.git("config", "user.signingKey", str(self.keys / f"{key}.pub"))
        self.desk.repo.git("config", "user.email", address)

    def set(self, version: str) -> MoveResult:
        mover = Mover(self.git, LabelSettings(is_signed=True), self.trust)
        return mover.set(LabelName(PROMPT, "production"), self.desk.candidate(version))

    def live(self) -> str | None:
        state = current(self.git, self.trust, LabelName(PROMPT, "production"))
        return state.version if state else None


@pytest.fixture(scope="module", name="keys")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of Ada and of Eve, and a file that names both, as a branch could bring it."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    folder = tmp_path_factory.mktemp("keys")
    repo = Repo(folder)
    for name in ("ada", "eve"):
        repo.git("-c", f"alias.key=!ssh-keygen -q -t ed25519 -N '' -f {folder / name}", "key")
    both = [f"* {(folder / f'{name}.pub').read_text()}" for name in ("ada", "eve")]
    (folder / "everyone").write_text("".join(both))
    return folder


@pytest.fixture(name="signed")
def desk_with_signers(alone: Desk, keys: Path) -> SignedDesk:
    signers = f"# moves\nada@example.org,b*@example.org {(keys / 'ada.pub').read_text()}"
    made = SignedDesk(alone, keys, signers)
    made.sign_as("ada")
    return made


def test_a_move_is_signed_by_gits_own_settings(alone: Desk, keys: Path) -> None:
    desk = SignedDesk(alone, keys, "")
    assert not is_signing(alone.git)
    desk.sign_as("ada")
    alone.repo.git("config", "tag.gpgSign", "true")
    event = alone.set("v1", reason="#1 Grüße -----BEGIN 漢字").event
    assert (event.reason, event.tagger) == ("#1 Grüße -----BEGIN 漢字", event.actor)
    assert "-----BEGIN SSH SIGNATURE-----" in alone.repo.git("cat-file", "tag", event.oid)
    alone.repo.git("verify-tag", event.oid)
    assert alone.labels.verify().problems == []
    before = alone.everything()
    alone.repo.git("config", "user.signingKey", "/nowhere/key.pub")
    with pytest.raises(LabelRefused, match="could not be signed"):
        alone.set("v2")
    alone.repo.git("config", "user.signingKey", str(keys / "ada.pub"))
    assert alone.everything() == before
    assert not list((alone.repo.path / ".git").glob("promptctl-sign-*"))


def test_only_moves_signed_by_the_default_branchs_signers_count(signed: SignedDesk) -> None:
    assert signed.set("v1").is_moved
    assert signed.live() == "v1"
    before = signed.desk.everything()
    for key, address in (("eve", "ada@example.org"), ("eve", "eve@example.org"), ("ada", "eve@example.org")):
        signed.sign_as(key, address)
        with pytest.raises(LabelRefused, match=r"\.promptctl\.signers of main"):
            signed.set("v2")
    signed.sign_as("ada")
    assert signed.desk.everything() == before
    signed.desk.repo.git("config", "user.email", "ben@example.org")
    assert signed.set("v2").is_moved
    assert signed.live() == "v2"
    signed.desk.repo.git("config", "gpg.ssh.program", "/nowhere/ssh-keygen")
    with pytest.raises(GitError, match="its signature cannot be checked here: cannot run /nowhere/ssh-keygen"):
        signed.live()


def test_a_tag_made_by_hand_with_invented_evidence_is_refused(signed: SignedDesk) -> None:
    event = signed.set("v1").event
    forged = following(signed.desk, Digest=event.digest, Evaluation="01a1 passed 9 of 9 on datasets/triage.yaml")
    hand_tag(signed.desk.repo, f"{NAME}/2", event.commit, forged)
    with pytest.raises(GitError, match="it has no SSH signature"):
        signed.live()
    # A key of the user's own keyring is no signer, nor is one whose signature is of something else.
    signature = signed.desk.repo.git("cat-file", "tag", event.oid).partition("-----BEGIN")[2]
    hand_tag(signed.desk.repo, f"{NAME}/2", event.commit, f"{forged}-----BEGIN{signature}\n")
    with pytest.raises(GitError, match="does not hold"):
        signed.live()
    # The next move that is signed makes the label whole again.
    assert signed.set("v1").event.n == 3
    assert signed.live() == "v1"


def test_a_tag_with_a_signature_beside_that_of_a_signer_is_refused(signed: SignedDesk) -> None:
    event = signed.set("v1").event
    tag = signed.desk.repo.git("cat-file", "tag", event.oid) + "\n"
    head, begin, signature = tag.partition("-----BEGIN")
    for kind in ("SSH SIGNATURE", "PGP SIGNATURE", "PGP MESSAGE", "SIGNED MESSAGE"):
        other = f"-----BEGIN {kind}-----\n\niQ==\n-----END {kind}-----\n"
        for data in (f"{head}{other}{begin}{signature}", f"{tag}{other}"):
            oid = signed.desk.repo.git("hash-object", "-t", "tag", "-w", "--stdin", stdin=data)
            found = unsigned(signed.git, signed.trust, [(oid, event.address)])
            assert found == {oid: "it has more than one signature"}, data
    assert unsigned(signed.git, signed.trust, [(event.oid, event.address)]) == {}


def test_no_program_for_other_signatures_is_started(signed: SignedDesk, tmp_path: Path) -> None:
    program = tmp_path / "gpg"
    program.write_text("#!/bin/sh\necho '\n[GNUPG:] GOODSIG 1 Eve\n[GNUPG:] TRUST_FULLY' ; touch $0.asked\n")
    program.chmod(0o700)
    for name in ("gpg.program", "gpg.openpgp.program", "gpg.x509.program"):
        signed.desk.repo.git("config", name, str(program))
    event = signed.set("v1").event
    forged = following(signed.desk, Digest=event.digest)
    for kind in ("PGP SIGNATURE", "PGP MESSAGE", "SIGNED MESSAGE"):
        end = "\n-----BEGIN SSH SIGNATURE-----\n" + f"-----BEGIN {kind}-----\n\niQ==\n-----END {kind}-----\n"
        hand_tag(signed.desk.repo, f"{NAME}/2", event.commit, forged.rstrip("\n") + end)
        with pytest.raises(GitError, match="more than one signature"):
            signed.live()
    assert not program.with_name("gpg.asked").exists()


def test_a_certificate_counts_for_the_address_that_it_was_made_for(signed: SignedDesk, tmp_path: Path) -> None:
    for name in ("eve", "eve.pub"):
        shutil.copy(signed.keys / name, tmp_path / name)
    sign = f"!ssh-keygen -q -s {signed.keys / 'ada'} -I eve -n eve@example.org {tmp_path / 'eve.pub'}"
    signed.desk.repo.git("-c", f"alias.sign={sign}", "sign")
    signed.signers = f"*@example.org cert-authority {(signed.keys / 'ada.pub').read_text()}"
    signed.sign_as("eve")
    signed.desk.repo.git("config", "user.signingKey", str(tmp_path / "eve-cert.pub"))
    for address, counts in (("ada@example.org", False), ("*@example.org", False), ("eve@example.org", True)):
        signed.desk.repo.git("config", "user.email", address)
        if counts:
            assert signed.set("v1").is_moved
        else:
            with pytest.raises(LabelRefused, match=r"\.promptctl\.signers of main"):
                signed.set("v1")


def test_an_unsigned_label_is_signed_by_setting_it_again(signed: SignedDesk) -> None:
    signed.desk.set("v1")
    with pytest.raises(GitError, match="the move support/triage@production/1 does not hold: it has no SSH signature"):
        signed.live()
    assert signed.set("v1").event.n == 2
    assert not signed.set("v1").is_moved
    assert signed.live() == "v1"


def test_a_label_is_signed_before_the_rule_by_setting_it_again(signed: SignedDesk) -> None:
    signed.desk.set("v1")
    assert not signed.desk.set("v1").is_moved
    signed.desk.repo.git("config", "tag.gpgSign", "true")
    assert signed.desk.set("v1").is_moved
    assert not signed.desk.set("v1").is_moved
    assert signed.live() == "v1"


def test_patterns_of_signers_are_those_of_ssh(signed: SignedDesk) -> None:
    event = signed.set("v1").event
    key = (signed.keys / "ada.pub").read_text()
    for principals, counts in (
        ("# nobody\n*@example.org", True),
        ("*@example.org", True),
        ("ADA@example.org", True),
        ("*@example.org,!ada@*", False),
        ("ada", False),
        ("#ada@example.org", False),
        ("# a note\N{LINE SEPARATOR}ada@example.org", False),
        ('"ada@example.org"', True),
    ):
        trust = LabelTrust(None, f"{principals} {key}".replace("\n", "\r\n"), "main")
        assert (unsigned(signed.git, trust, [(event.oid, event.address)]) == {}) is counts, principals
    assert LabelTags.read(signed.git, signed.trust).strays == []
