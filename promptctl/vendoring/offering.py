"""The prompts that a workspace offers to others, by its `share`, with what its files say of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptctl.context import Context
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import InvalidFiles, Problem
from promptctl.files.names import SETTINGS, did_you_mean_glob
from promptctl.files.plain import record_data
from promptctl.files.tree import read_file
from promptctl.files.wording import name_some
from promptctl.files.yaml_reader import read_yaml
from promptctl.git.repository import shared_git_folder
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import load_prompt_file, prompt_paths
from promptctl.vendoring.address import read_named
from promptctl.vendoring.choosing import choose, is_offered
from promptctl.vendoring.gathering import bring_closures, datasets_in
from promptctl.vendoring.library import Library, LibraryTree, asking, find_revision, share_of
from promptctl.vendoring.licences import find_licence, licence_names, spdx_of
from promptctl.vendoring.lock import Sources, read_sources

_MOST_LISTED = 20_000
_README = re.compile(r"(?i)readme(?:\.(?:md|markdown|rst|txt))?")
_HEADING = re.compile(r"#{1,6}\s+(.+)|(.+)\n[=-]{3,}")
_PICTURE = re.compile(r"!\[[^\[\]]{0,300}\]\([^()\n]{0,500}\)")
_MARKUP = re.compile(r"\[([^\[\]]{0,300})\]\([^()\n]{0,500}\)|[*_`]{1,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedPrompt:
    """A prompt that is offered: what its file says of it, the files that it pulls in, the datasets that test it."""

    id: str
    name: str
    description: str
    path: str
    inputs: tuple[str, ...]
    tags: tuple[str, ...]
    files: tuple[str, ...]
    datasets: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {"prompt": self.id, **record_data(self, without=("id",))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offering:
    """All that a workspace offers. `share` are the globs, None if it says nothing and so offers everything.

    `title` and `about` are of its README. `problems` keep others from taking something.
    """

    title: str = ""
    about: str = ""
    readme: str | None = None
    licences: tuple[str, ...] = ()
    spdx: str | None = None
    share: tuple[str, ...] | None
    prompts: tuple[OfferedPrompt, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def licence(self) -> str | None:
        """The first file of a licence; None if there is none."""
        return self.licences[0] if self.licences else None

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return record_data(self, without=("spdx", "licences"), licence=self.spdx, licence_file=self.licence)


def offering(parts: Context) -> Offering:
    """Return what this workspace offers to others, by its files as they are now; a bare repository, its branch's."""
    if parts.is_bare:
        return offering_of(parts, str(parts.root))
    tree = parts.work_tree_for("a list of what is offered")
    share = parts.settings.share
    licences = _licences_around(parts.root)
    found = _offered(tree, prompt_paths(tree), share)
    return replace(
        found,
        problems=(*found.problems, *_of_others(read_sources(tree), [each.id for each in found.prompts])),
        licences=tuple(each.name for each in licences),
        spdx=spdx_of(read_file(licences[0])) if len(licences) == 1 else None,
    )


def _of_others(sources: Sources, offered: Sequence[str]) -> Iterator[Problem]:
    """Yield a warning for each source of which prompts are offered to others: their owners' licence is for them."""
    for name, source in sources.items():
        if theirs := [id_ for id_ in offered if id_ in source.prompts]:
            licence = source.spdx or (f"that in {source.licence_words}" if source.licence else "unknown")
            message = f"{name_some(theirs)} of {source.url} would be offered, too: the licence of that is {licence}"
            hint = f"name your own prompts under `share` in promptctl.yaml, or let others add {name} where it is from"
            yield Problem(message, source.place, hint, "share-of-others", "warning")


def offering_of(parts: Context, address: str) -> Offering:
    """Return what another repository offers: `URL@REF`, or `URL//PATH@REF` for a part of it.

    Only its prompts, what they pull in and the datasets that may test them are fetched.
    """
    named = read_named(address, parts.root, parts.start)
    with asking(parts, named.address) as outside:
        library = Library(outside, named.address.url, find_revision(outside, named.ref))
        chosen = choose(library, named.path)
        tree = chosen.tree
        bring_closures(tree, chosen.prompts.values(), _MOST_LISTED)
        tree.bring([*datasets_in(tree), *(path for path in tree.blobs if _README.fullmatch(path))])
        licence = find_licence(tree)
        found = _offered(tree, chosen.prompts, share_of(tree))
        where = name_some(chosen.elsewhere)
        others = Problem(f"prompts in {where} are not listed", None, "name that folder", "library-folder", "warning")
        return replace(
            found,
            problems=(*found.problems, others) if where else found.problems,
            licences=licence.paths if licence else (),
            spdx=licence.spdx if licence else None,
        )


def _offered(tree: WorkTree | LibraryTree, ids: Mapping[str, str], share: tuple[str, ...] | None) -> Offering:
    offered = {id_: path for id_, path in ids.items() if is_offered(id_, share)}
    tested = DatasetIndex(tree).testing(offered, skips_broken=True)
    prompts: list[OfferedPrompt] = []
    problems: list[Problem] = []
    for id_, path in offered.items():
        try:
            prompt = load_prompt_file(tree, path)
        except InvalidFiles as error:
            problems += error.problems
            continue
        prompts.append(
            OfferedPrompt(
                id=id_,
                name=prompt.name,
                description=prompt.description,
                path=path,
                inputs=tuple(prompt.inputs),
                tags=prompt.tags,
                files=prompt.closure[1:],
                datasets=tuple(tested.get(id_, ())),
            )
        )
    for index, glob in enumerate(share or ()):
        if isinstance(tree, WorkTree) and not any(is_offered(id_, (glob,)) for id_ in ids):
            place = read_yaml(tree.read(SETTINGS), SETTINGS).place("share", index)
            hint = did_you_mean_glob(glob, ids) or "take it out, or name a prompt"
            problems.append(Problem(f"`{glob}` names no prompt", place, hint, "share-unused", "warning"))
    readme = next((name for name in tree.top_files() if _README.fullmatch(name)), None)
    title, about = ("", "") if readme is None else _words(tree.read(readme).decode("utf-8", "replace"))
    return Offering(
        prompts=tuple(prompts), share=share, title=title, about=about, readme=readme, problems=tuple(problems)
    )


def _words(readme: str) -> tuple[str, str]:
    """Return the first heading of a README, and its first paragraph, both without markup."""
    title = about = ""
    for block in re.split(r"\n[ \t]*\n", readme.removeprefix("\ufeff").replace("\r\n", "\n").strip()):
        text = _PICTURE.sub("", block).strip()
        heading = _HEADING.fullmatch(text.partition("\n")[0]) or _HEADING.fullmatch(text)
        if heading is not None:
            title = title or (heading[1] or heading[2]).rstrip().rstrip("#").rstrip()
            text = text.partition("\n")[2] if heading[1] else ""
        text = " ".join(_MARKUP.sub(r"\1", text).split())
        if re.search(r"\w", text) and not text.startswith(("<", "```", "|", "- ", "* ")):
            about = text
            break
    return _MARKUP.sub(r"\1", title), about


def _licences_around(root: Path) -> list[Path]:
    """Return a workspace's files of licences: in its own folder, or in one around it up to the repository's root."""
    found = shared_git_folder(root)
    depth = len([each for each in found[1].split("/") if each]) if found is not None else 0
    for folder in (root, *list(root.resolve().parents)[:depth]):
        names = licence_names(each.name for each in folder.iterdir())
        if files := [file for name in names if (file := folder / name).is_file() and not file.is_symlink()]:
            return files
    return []
