"""A `.prompt.yml` of GitHub Models as a native prompt, and its tests as a dataset that grades as GitHub's tools did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptctl.errors import InvalidFiles
from promptctl.exchange.drafts import DatasetDraft, ForeignContents, ImportNote, PromptDraft, Source, by_line
from promptctl.exchange.github.evaluators import GitHubTests, graded
from promptctl.files.document import Document
from promptctl.files.names import PROMPT_SUFFIXES
from promptctl.files.wording import count
from promptctl.formats.github_dialect import GitHubPrompt, read_github_prompt
from promptctl.formats.prompt_file import dialect_of
from promptctl.templates.reading import has_markup

_TESTS = ("testData", "evaluators")


def is_one(source: Source) -> bool:
    """Return True for a file with messages whose keys or templates are GitHub's."""
    if not source.path.endswith((".yml", ".yaml")):
        return False
    try:
        document = source.document
        is_prompt = isinstance(document.data, dict) and isinstance(document.data.get("messages"), list)
        return is_prompt and (dialect_of(document) == "github" or _is_either(document.data))
    except InvalidFiles:
        return False


def _is_either(data: Mapping[str, Any]) -> bool:
    """Return True for a file that is the same in both formats: keys of both, and texts without any markup."""
    texts = [each.get("content") for each in data["messages"] if isinstance(each, dict)]
    is_plain = all(isinstance(text, str) and not has_markup(text) for text in texts)
    return is_plain and data.keys() <= {"name", "description", "model", "messages"}


def read(source: Source) -> ForeignContents:
    """Return the prompt and its tests; the texts stay as they are: `template: simple` fills in as GitHub did."""
    document = source.document
    if not isinstance(document.data, dict):
        raise source.refuse("a prompt of GitHub Models is a mapping with `messages`", 1, "write `messages:`")
    found = read_github_prompt(document)
    wish = _wish(source)
    data = {key: value for key, value in found.data.items() if value not in ({}, None)}
    if not _is_filled_in(found):
        del data["template"]
    notes = list(_prompt_notes(document, found))
    prompts = [PromptDraft(wish, data, source.place(1))]
    datasets: tuple[DatasetDraft, ...] = ()
    if found.inline_dataset is not None:
        tests = graded(document, found)
        notes += tests.notes
        prompts += tests.judges if tests.cases else []
        if tests.cases:
            datasets = (DatasetDraft(wish, _dataset(wish, tests), document.key_place("testData")),)
    return ForeignContents(tuple(prompts), datasets, notes=by_line(notes))


def _is_filled_in(found: GitHubPrompt) -> bool:
    """Return True if any text would be different without `template: simple`."""
    return any(has_markup(each["content"]) or "\r" in each["content"] for each in found.data["messages"])


def _wish(source: Source) -> str:
    name = source.path.rpartition("/")[2]
    suffix = next((each for each in PROMPT_SUFFIXES if name.endswith(each)), None)
    return name.removesuffix(suffix) if suffix else source.stem


def _dataset(wish: str, tests: GitHubTests) -> dict[str, Any]:
    defaults = {"defaults": {"assert": list(tests.assertions)}} if tests.assertions else {}
    return {"prompts": [wish], **defaults, "cases": list(tests.cases)}


def dataset_of(prompt_id: str, document: Document, found: GitHubPrompt) -> dict[str, Any] | None:
    """Return the tests of a file as the keys of a dataset; None if there is none that anything grades."""
    tests = graded(document, found) if found.inline_dataset is not None else None
    return _dataset(prompt_id, tests) if tests is not None and tests.cases else None


def _prompt_notes(document: Document, found: GitHubPrompt) -> Iterator[ImportNote]:
    """Yield a note for each key of the file but its tests; what GitHub's tools passed over is dropped, as they did."""
    for problem in found.problems:
        if problem.code == "not-evaluated" and found.inline_dataset and found.inline_dataset["testData"]:
            continue
        hint = None if problem.hint and "promptctl's own format" in problem.hint else problem.hint
        yield ImportNote("dropped", _part(problem.message), problem.message, problem.place, hint)
    data: Mapping[str, Any] = document.data
    for key in data:
        if key in _TESTS or data[key] is None:
            continue
        place = document.key_place(key)
        if key in ("name", "description") and key in found.data:
            yield ImportNote("kept", key, "stays", place)
        elif key == "model" and "model" in found.data:
            model = found.data["model"]
            same = model == data[key]
            yield ImportNote("kept" if same else "changed", key, "stays" if same else f"is `{model}`", place)
        elif key == "messages":
            how = ", filled in by `template: simple` as GitHub's tools did" if _is_filled_in(found) else ""
            yield ImportNote("kept", key, count(len(data[key]), "message") + how, place)
        elif key == "modelParameters":
            yield from _parameter_notes(document, found)
        elif key in ("responseFormat", "jsonSchema"):
            yield from _response_note(document, found, key)
    if found.data["inputs"]:
        names = ", ".join(f"`{name}`" for name in found.data["inputs"])
        message = f"are declared as `inputs` of any type: {names}"
        yield ImportNote("changed", "variables", message, document.key_place("messages"))


def _part(message: str) -> str:
    quoted = message.split("`")
    return quoted[1] if len(quoted) > 2 else "tests"


def _parameter_notes(document: Document, found: GitHubPrompt) -> Iterator[ImportNote]:
    sent: Mapping[str, Any] = found.data["parameters"]
    for key in document.data["modelParameters"]:
        name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
        if name in sent:
            place = document.key_place("modelParameters", key)
            fate, message = ("kept", "stays") if name == key else ("changed", f"is `parameters.{name}`")
            yield ImportNote(fate, f"modelParameters.{key}", message, place)  # type: ignore[arg-type]


def _response_note(document: Document, found: GitHubPrompt, key: str) -> Iterator[ImportNote]:
    place = document.key_place(key)
    if "output" in found.data:
        yield ImportNote("changed", key, "is `output`: the schema that replies are checked against", place)
    elif "response_format" in found.data:
        yield ImportNote("changed", key, "is `response_format`", place)
    elif key == "responseFormat":
        yield ImportNote("kept", key, "is text, as it is without it", place)
