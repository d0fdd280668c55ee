from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from promptctl.datasets.choosing import DatasetChoice
from promptctl.datasets.dataset import Dataset, Memory
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import DatasetNotFound, InvalidFiles, UsageError, WorkspaceError
from promptctl.files.tree import MemoryTree
from promptctl.prompts.loading import load_prompt

PROMPT = "inputs: {q: {type: string}}\nmessages: [{role: user, content: '{{ q }}'}]\n"
GITHUB = (
    "messages: [{role: user, content: hi}]\ntestData: [{expected: x}]\nevaluators: [{name: s, string: {equals: x}}]\n"
)
CASES = "cases: [{id: one, inputs: {q: x}, expected: x}]\n"
FILES = {
    "prompts/a.prompt.yaml": PROMPT,
    "prompts/more/b.prompt.yaml": PROMPT,
    "prompts/c.prompt.yml": GITHUB,
    "datasets/a.yaml": "prompts: [a]\n" + CASES,
    "datasets/both.yaml": "prompts: [more/b, a]\n" + CASES,
    "datasets/free.yaml": CASES,
    "datasets/rows.jsonl": '{"id": "one", "inputs": {"q": "x"}, "expected": "x"}\n',
    "datasets/recordings/a.yaml": "no dataset",
}
BAD = {"datasets/bad.yaml": "prompts: [a]\ncsaes: []\n"}


class CountingTree(MemoryTree):
    """A tree that counts how often each file is read, and how often files are listed."""

    def __init__(self, files: dict[str, str]) -> None:
        super().__init__(files)
        self.reads: Counter[str] = Counter()
        self.listings: Counter[str] = Counter()

    def read(self, path: str, *, max_bytes: int = 1 << 20) -> bytes:
        self.reads[path] += 1
        return super().read(path, max_bytes=max_bytes)

    def paths(self, prefix: str) -> list[str]:
        self.listings[prefix] += 1
        return super().paths(prefix)


def inside(path: str) -> str:
    if path.startswith("/"):
        raise UsageError(f"{path} is not in the workspace")
    return f"datasets/{path}"


def many(count: int) -> dict[str, str]:
    files = {}
    for n in range(count):
        files[f"prompts/p{n}.prompt.yaml"] = PROMPT
        files[f"datasets/p{n}.yaml"] = f"prompts: [p{n}]\n{CASES}"
    return files


class TestIndex:
    def test_each_prompt_has_the_datasets_that_test_it(self) -> None:
        index = DatasetIndex(MemoryTree(FILES))
        assert index.tested_prompts() == {
            "a": ["datasets/a.yaml", "datasets/both.yaml"],
            "c": ["prompts/c.prompt.yml"],
            "more/b": ["datasets/both.yaml"],
        }
        assert index.testing(["more/b"])["more/b"] == ["datasets/both.yaml"]
        assert "nowhere" not in index.testing(["nowhere"])
        assert index.paths() == [
            "datasets/a.yaml", "datasets/both.yaml", "datasets/free.yaml"
        ]  # fmt: skip

    def test_with_many_prompts_each_file_is_read_once_and_listed_once(self) -> None:
        tree = CountingTree(many(30))
        prompts = [load_prompt(MemoryTree(many(30)), f"p{n}") for n in range(30)]
        index = DatasetIndex(tree)
        choice = DatasetChoice(index=index, inside=inside, prompts=frozenset(prompt.id for prompt in prompts))
        for prompt in prompts:
            (path,) = choice.paths_of(prompt)
            dataset = index.checked(path, prompt)
            assert [case.id for case in dataset.cases(prompt)] == ["one"]
        assert max(tree.reads.values()) == 1
        assert tree.listings == {"datasets": 1}

    def test_for_a_few_prompts_datasets_that_do_not_name_them_are_not_opened(self) -> None:
        index = DatasetIndex(MemoryTree({**FILES, "datasets/bad.yaml": "prompts: [d]\ncsaes: []\n"}))
        assert index.tested_prompts(["more/b"]) == {"more/b": ["datasets/both.yaml"]}

    def test_a_broken_dataset_is_raised_only_where_it_may_be_missed(self) -> None:
        index = DatasetIndex(MemoryTree({**FILES, **BAD}))
        assert index.testing(["a"], skips_broken=True)["a"] == ["datasets/a.yaml", "datasets/both.yaml"]
        calls: list[Callable[[], object]] = [index.tested_prompts, lambda: index.testing(["a"])]
        for call in calls:
            with pytest.raises(InvalidFiles, match="csaes"):
                call()

    def test_a_broken_prompt_that_may_hold_its_tests_is_no_less_than_a_broken_dataset(self) -> None:
        index = DatasetIndex(MemoryTree({**FILES, "prompts/c.prompt.yml": "evaluators: [{\n" + GITHUB}))
        assert "c" not in index.tested_prompts(skips_broken=True)
        assert list(index.broken) == ["prompts/c.prompt.yml"]
        with pytest.raises(InvalidFiles, match="is not closed"):
            index.tested_prompts()

    @pytest.mark.parametrize("name", ["a", "a.yaml", "datasets/a.yaml"])
    def test_a_dataset_is_named_in_short_or_by_path(self, name: str) -> None:
        assert DatasetIndex(MemoryTree(FILES)).named(name, inside) == "datasets/a.yaml"

    def test_a_name_of_none_is_told_with_the_nearest(self) -> None:
        with pytest.raises(DatasetNotFound, match="there is no dataset `botj`") as raised:
            DatasetIndex(MemoryTree(FILES)).named("botj", inside)
        assert (raised.value.hint, raised.value.exit_code) == ("did you mean `both`?", 3)
        with pytest.raises(DatasetNotFound) as raised:
            DatasetIndex(MemoryTree(FILES)).named("/elsewhere", inside)
        assert raised.value.hint == "promptctl dataset list shows all"

    def test_prompts_that_a_dataset_tests_are_picked(self) -> None:
        index = DatasetIndex(MemoryTree(FILES))
        assert index.tested_by(["a", "c", "more/b"], ["both"], inside) == ["a", "more/b"]
        assert index.tested_by(["a", "c", "more/b"], ["prompts/c.prompt.yml"], inside) == ["c"]


class TestChoice:
    def choice(
        self, *names: str, prompts: str = "a", is_of_own: bool = False, files: Mapping[str, str] = FILES
    ) -> DatasetChoice:
        index = DatasetIndex(MemoryTree(files))
        return DatasetChoice(
            index=index, inside=inside, names=names, prompts=frozenset(prompts.split()), is_of_own=is_of_own
        )

    def paths(self, choice: DatasetChoice, prompt_id: str = "a") -> list[str]:
        prompt = load_prompt(choice.index.tree, prompt_id)
        found = choice.paths_of(prompt)
        assert all(choice.index.checked(path, prompt).count == 1 for path in found)
        return found

    def test_without_names_it_is_those_that_test_the_prompt(self) -> None:
        assert self.paths(self.choice()) == ["datasets/a.yaml", "datasets/both.yaml"]
        assert self.paths(self.choice(prompts="c"), "c") == ["prompts/c.prompt.yml"]
        with pytest.raises(WorkspaceError, match="no dataset tests d") as raised:
            self.paths(self.choice(prompts="d", files={**FILES, "prompts/d.prompt.yaml": PROMPT}), "d")
        assert raised.value.hint == "promptctl new d begins one in datasets/, or name one: --dataset FILE"

    def test_one_prompt_is_evaluated_on_whatever_is_named(self) -> None:
        assert self.paths(self.choice("rows", "free", "both")) == [
            "datasets/rows.jsonl", "datasets/free.yaml", "datasets/both.yaml"
        ]  # fmt: skip

    def test_of_several_prompts_each_is_evaluated_on_what_names_it_or_none(self) -> None:
        choice = self.choice("a", "free", prompts="a more/b")
        assert self.paths(choice) == ["datasets/a.yaml", "datasets/free.yaml"]
        assert self.paths(choice, "more/b") == ["datasets/free.yaml"]
        with pytest.raises(UsageError, match="none of the datasets that are named is for more/b"):
            self.paths(self.choice("a", prompts="a more/b"), "more/b")

    def test_of_its_own_alone_others_are_left_out(self) -> None:
        choice = self.choice("a", "free", prompts="a more/b", is_of_own=True)
        assert self.paths(choice) == ["datasets/a.yaml"]
        assert self.paths(choice, "more/b") == []

    def test_a_dataset_that_is_wrong_is_raised_whole(self) -> None:
        with pytest.raises(InvalidFiles) as raised:
            self.paths(
                self.choice(
                    files={**FILES, "datasets/a.yaml": "prompts: [a]\ncases: [{id: x, expected: y}, {id: z}]\n"}
                )
            )
        assert len(raised.value.problems) > 1


class TestMemory:
    def opened(self, memory: Memory, tree: CountingTree) -> Dataset:
        index = DatasetIndex(tree)
        index._memory = memory
        (path,) = index.paths()
        return index.open(path)

    def test_what_finds_no_room_is_read_anew_each_time(self) -> None:
        for memory, reads in ((Memory(), 1), (Memory(file_bytes=10), 2), (Memory(file_bytes=10, cases=0), 3)):
            tree = CountingTree({"datasets/a.yaml": CASES})
            dataset = self.opened(memory, tree)
            assert dataset.check() == []
            assert [case.id for case in dataset.cases()] == ["one"]
            assert tree.reads["datasets/a.yaml"] == reads

    def test_what_is_kept_serves_every_prompt_of_the_same_inputs(self) -> None:
        tree = CountingTree({"datasets/a.yaml": CASES})
        dataset = self.opened(Memory(file_bytes=0), tree)
        texts = (PROMPT, PROMPT.replace("{{ q }}", "Please: {{ q }}"), PROMPT.replace("string", "integer"))
        files = {f"prompts/{name}.prompt.yaml": text for name, text in zip("abc", texts, strict=True)}
        checked, alike, different = (load_prompt(MemoryTree(files), name) for name in "abc")
        assert dataset.check(checked) == []
        for prompt, reads in ((checked, 2), (alike, 2), (different, 3)):
            assert [case.id for case in dataset.cases(prompt)] == ["one"]
            assert tree.reads["datasets/a.yaml"] == reads

    def test_all_datasets_of_a_command_share_one_room(self) -> None:
        memory = Memory(cases=15)
        assert [memory.takes_cases(10, 100), memory.takes_cases(10, 100), memory.takes_cases(5, 100)] == [
            True, False, True
        ]  # fmt: skip
        memory = Memory(characters=150, file_bytes=150)
        assert [memory.takes_cases(1, 100), memory.takes_cases(1, 100)] == [True, False]
        assert [memory.takes_file(100), memory.takes_file(100)] == [True, False]
