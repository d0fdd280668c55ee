"""A promptfoo config as prompts and datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.exchange.drafts import DatasetDraft, ForeignContents, PromptDraft, Source
from promptctl.exchange.promptfoo.cases import Suite
from promptctl.exchange.promptfoo.prompt_list import PromptfooPrompt, read_prompts
from promptctl.exchange.promptfoo.providers import PromptfooProvider, read_config, read_providers
from promptctl.exchange.promptfoo.spots import Spot, in_order
from promptctl.files.free_names import slug

_SIGNS = ("providers", "targets", "tests", "defaultTest", "scenarios")
_READ = frozenset(("prompts", "providers", "targets", "tests", "scenarios", "defaultTest", "description", "tags",
                   "metadata", "assertionTemplates", "$schema"))  # fmt: skip
_OTHER_KEYS = {
    "nunjucksFilters": "is code, which is not run here",
    "extensions": "is code, which is not run here",
    "env": "sets the environment, which no prompt reads here",
    "evaluateOptions": "is about one run: promptctl eval has -j, --repeat and --replies",
    "commandLineOptions": "is about one run: promptctl eval has options of its own",
    "outputPath": "is about one run: promptctl eval writes reports with -o",
    "sharing": "is about promptfoo's own server",
    "redteam": "makes attacks, which promptctl does not",
    "tracing": "is about one run: promptctl tells OpenTelemetry by itself",
    "derivedMetrics": "is computed from metrics, which promptctl does not",
}


def is_one(source: Source) -> bool:
    """Return True for a mapping with promptfoo's prompts and its providers or tests."""
    if not source.path.endswith((".yaml", ".yml", ".json")) or not any(key in source.data for key in _BYTES):
        return False
    data = source.mapping
    if not data:  # no YAML: its name says that it was meant to be a config
        return "promptfoo" in source.stem.lower()
    if {"cases", "messages", "_type"} & data.keys():
        return False
    has_prompts = isinstance(data.get("prompts"), str | list | dict) and any(key in data for key in _SIGNS)
    return has_prompts or (bool({"providers", "targets"} & data.keys()) and "tests" in data)


_MOST_CASES = 100_000
_BYTES = (b"prompts", b"providers", b"targets")


def read(source: Source) -> ForeignContents:
    """Return everything that a config says of prompts and their tests. Raises `InvalidFiles` if it has no prompt."""
    config = Spot.of(source, [])
    if not isinstance(config.value, dict):
        raise source.refuse("a config of promptfoo is a mapping", 1)
    base = _base(source, config.value.get("description"))
    prompts = read_prompts(config, base)
    providers = read_providers(config, [each.labels | {each.wish} for each in prompts])
    if not prompts:
        why = next((note for note in in_order(config.notes) if note.part.startswith("prompts")), None)
        words = f": `{why.part.removeprefix('prompts: ')}` {why.message}" if why else ""
        place = why.place if why and why.place else config.place
        raise source.refuse(f"no prompt of it can be written here{words}", place.line, why.hint if why else None)
    suite = Suite.of(config)
    datasets = list(_datasets(suite, prompts, base, config))
    drafts = [_draft(prompt, providers, suite, config, is_only=len(prompts) == 1) for prompt in prompts]
    _tell_rest(config, has_tests=bool(datasets))
    return ForeignContents(tuple(drafts), tuple(datasets), notes=in_order(config.notes))


def _base(source: Source, description: Any) -> str:
    if "promptfoo" not in source.stem.lower() and source.stem.lower() not in ("config", "eval"):
        return source.stem
    return slug(description, "prompt") if isinstance(description, str) else "prompt"


def _datasets(suite: Suite, prompts: Sequence[PromptfooPrompt], base: str, config: Spot) -> Iterator[DatasetDraft]:
    """Yield a dataset for each set of prompts that use the same variables of the tests."""
    read = frozenset(name for prompt in prompts for name in prompt.names)
    groups: dict[frozenset[str], list[PromptfooPrompt]] = {}
    for prompt in prompts:
        groups.setdefault(frozenset(prompt.names) & suite.names, []).append(prompt)
    if len(groups) > 1 and len(groups) * len(suite.tests) > _MOST_CASES:
        message = (
            f"its prompts use different variables, so that it makes {len(groups):,} times {len(suite.tests):,} cases"
        )
        raise config.source.refuse(message, suite.spot.place.line, "import fewer prompts at a time", "too-large")
    for number, (names, members) in enumerate(groups.items()):
        told = len(config.notes)
        data = suite.dataset(names, read)
        if number:
            del config.notes[told:]  # the first dataset says the same
        if data is None:
            return
        header: dict[str, Any] = {"prompts": [each.wish for each in members]}
        if isinstance(config.value.get("description"), str):
            header["description"] = config.value["description"]
        tags = config.value.get("tags")
        header |= {"metadata": dict(tags)} if isinstance(tags, dict) and tags else {}
        wish = members[0].wish if len(members) == 1 else base if number == 0 else f"{base}-{number + 1}"
        yield DatasetDraft(wish, {**header, **data}, suite.spot.place)
    if len(groups) > 1:
        suite.spot.note("changed", "tests", f"are {len(groups)} datasets, as the prompts use different variables")


def _draft(
    prompt: PromptfooPrompt,
    providers: Sequence[PromptfooProvider],
    suite: Suite,
    config: Spot,
    *,
    is_only: bool,
) -> PromptDraft:
    data: dict[str, Any] = {}
    description = config.value.get("description")
    if is_only and isinstance(description, str) and description.strip():
        data["description"] = description
    provider = next((each for each in providers if each.takes(prompt.labels | {prompt.wish})), None)
    if provider is not None:
        data |= {"model": provider.model, **provider.data}
    if prompt.config is not None:
        own = read_config(prompt.config, f"prompts: {prompt.wish}: config")
        if parameters := {**data.get("parameters", {}), **own.pop("parameters", {})}:
            own["parameters"] = parameters
        data |= own
    inputs = dict(_inputs(prompt, suite))
    data |= {"inputs": inputs} if inputs else {}
    data |= {} if inputs or prompt.has_markup else {"template": "none"} if _has_braces(prompt) else {}
    if "output" in data:
        data.pop("response_format", None)
    return PromptDraft(prompt.wish, {**data, "messages": prompt.messages}, prompt.spot.place)


def _has_braces(prompt: PromptfooPrompt) -> bool:
    return any("{" in str(message.get("content", "")) for message in prompt.messages)


def _inputs(prompt: PromptfooPrompt, suite: Suite) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the variables as inputs of any type; what a test leaves out was empty there, and may be here."""
    for name in prompt.names:
        if suite.always_gives(name):
            yield name, {}
        elif prompt.asks_for(name):
            yield name, {"required": False}
        else:
            suite.spot.note("changed", f"vars.{name}", 'is an input with `default: ""`, as not every test gives it')
            yield name, {"default": ""}


def _tell_rest(config: Spot, *, has_tests: bool) -> None:
    for key, value in config.value.items():
        spot = config.at(key)
        if key in _OTHER_KEYS and value not in (None, {}, []):
            spot.note("dropped", key, _OTHER_KEYS[key])
        elif key == "description" and value:
            spot.note("kept", key, "stays")
        elif key == "tags" and value:
            fate, words = (
                ("changed", "is `metadata` of the dataset") if has_tests else ("dropped", "there is no dataset")
            )
            spot.note(fate, key, words)  # type: ignore[arg-type]
        elif key not in _READ and value not in (None, {}, []):
            spot.note("dropped", key, "is no key that is known here")
