"""Exports prompts to formats of other tools: refuses with everything that would be lost, unless that is accepted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptctl.datasets.index import DatasetIndex
from promptctl.datasets.row_files import open_rows
from promptctl.datasets.rows import Row
from promptctl.errors import CHECK_FAILED, OK, InvalidFiles, UsageError, printable
from promptctl.exchange.formats import named
from promptctl.exchange.notes import ExportLoss
from promptctl.exchange.written import DatasetToWrite, PromptToWrite
from promptctl.files.tree import read_file
from promptctl.files.writing import replace_output
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.github_dialect import GitHubPrompt
from promptctl.formats.prompt_file import PromptFile, read_prompt_file
from promptctl.prompts.loading import prompt_paths

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.versions.prompt_at_version import PromptAtVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """Prompts by their refs (without any, all of the work tree), a format, and whether losses are accepted."""

    refs: Sequence[str] = ()
    format: str
    allows_losses: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """Files of a foreign format, path to bytes; none if parts would be lost and that was not accepted."""

    format: str
    prompts: Mapping[str, str]
    files: Mapping[str, bytes]
    losses: tuple[ExportLoss, ...]

    @property
    def exit_code(self) -> int:
        """1 if nothing is exported, as parts would be lost."""
        return OK if self.files else CHECK_FAILED

    def differing(self, folder: Path) -> list[str]:
        """Return the files that are missing in a folder, or say something else there."""
        return [path for path, data in self.files.items() if _bytes_of(folder / path, len(data)) != data]

    def write(self, folder: Path, *, replaces: bool = False) -> None:
        """Write the files below a folder. Raises `UsageError`, before any is written, if a different one is there."""
        differing = self.differing(folder)
        taken = [folder / path for path in differing if (folder / path).exists()]
        if taken and not replaces:
            names = ", ".join(printable(str(path)) for path in taken)
            raise UsageError(f"nothing was written: there is something else in {names}", hint="--replace overwrites it")
        top = Path(os.path.realpath(folder))
        for path in differing:
            if (linked := Path(os.path.realpath((top / path).parent))) != (top / path).parent:
                message = f"nothing was written: {printable(str(folder / path))} is reached through a link to {linked}"
                raise UsageError(message, hint="remove the link, or name a different folder: -o FOLDER")
        for path in differing:
            replace_output(folder / path, [self.files[path]])

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys; bytes that are no text are left out."""
        return {
            "format": self.format,
            "prompts": dict(self.prompts),
            "files": {path: data.decode("utf-8", "replace") for path, data in self.files.items()},
            "losses": [loss.as_dict() for loss in self.losses],
        }


def _bytes_of(file: Path, size: int) -> bytes | None:
    """Return the bytes of a file of at most this size; None for any other."""
    try:
        return read_file(file, size)
    except OSError:
        return None


def export(context: Context, request: ExportRequest) -> Export:
    """Return prompts in a foreign format. Raises `UsageError` for a format that is not written, and as a ref does."""
    format_ = named(request.format, is_written=True)
    refs = list(dict.fromkeys(request.refs)) or list(prompt_paths(context.tree))
    if not refs:
        raise UsageError("there is no prompt to export", hint="promptctl new writes one")
    if not format_.has_versions:
        _refuse_versions(refs)
    prompts = {ref: _to_write(context, ref, format_.takes_datasets) for ref in refs}
    written = format_.write([*prompts.values()])
    versions = {ref: each.at.version.display for ref, each in prompts.items()}
    is_refused = written.losses and not request.allows_losses
    return Export(format_.name, versions, {} if is_refused else written.files, written.losses)


def _refuse_versions(refs: Sequence[str]) -> None:
    """Raise `UsageError` for two refs of one prompt, whose files would be the same ones."""
    first: dict[str, str] = {}
    for ref in refs:
        other = first.setdefault(ref.partition("@")[0], ref)
        if other != ref:
            hint = "export them one by one, each to a folder of its own"
            raise UsageError(f"`{other}` and `{ref}` would be written to the same files", hint=hint)


def _to_write(context: Context, ref: str, with_datasets: bool) -> PromptToWrite:
    at = context.prompt(ref)
    file = read_prompt_file(at.prompt.text.encode() or at.tree.read(at.prompt.path), at.prompt.path)
    datasets = tuple(_datasets(at, file)) if with_datasets else ()
    return PromptToWrite(at, file.data, file.document, datasets)


def _datasets(at: PromptAtVersion, file: PromptFile) -> Iterator[DatasetToWrite]:
    """Yield the datasets that test a prompt in its own tree. Raises `InvalidFiles` for one with a row that is wrong."""
    index = DatasetIndex(at.tree)
    for path in index.testing([at.prompt.id]).get(at.prompt.id, []):
        if path == at.prompt.path:
            continue  # a file of GitHub's, whose own tests come last
        document = read_yaml(at.tree.read(path), path)
        rows = open_rows(at.tree, path).read()
        yield DatasetToWrite(path, {**document.data, "cases": list(_cases(rows))}, document)
    if file.inline_dataset is not None:
        yield from _own_tests(at, file)


def _own_tests(at: PromptAtVersion, file: PromptFile) -> Iterator[DatasetToWrite]:
    """Yield the tests in a prompt file of GitHub's dialect as the dataset that an import would make of them."""
    from promptctl.exchange.github.reading import dataset_of

    found = GitHubPrompt(file.data, file.inline_dataset, file.problems)
    data = dataset_of(at.prompt.id, file.document, found)
    if data is not None:
        yield DatasetToWrite(file.path, data, file.document)


def _cases(rows: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        if not isinstance(row, Row):
            raise InvalidFiles([row])
        yield row.data
