"""The files of the version that an execution ran: found again, or the nearest thing to them, and said exactly."""

from __future__ import annotations

from dataclasses import dataclass

from promptctl.context import Context
from promptctl.errors import HistoryIncomplete, RevisionNotFound, WorkspaceError
from promptctl.files.wording import without_address
from promptctl.log.records import Execution
from promptctl.prompts.loading import path_in
from promptctl.versions.moment import Moment
from promptctl.versions.prompt_at_version import PromptAtVersion, Ref, note

_MOST_BRANCHES = 3


@dataclass
class ExecutedVersion:
    """The search for the files of an execution's version; what is unusual about them is added to the notes."""

    context: Context
    moment: Moment
    execution: Execution
    notes: list[str]

    def found(self) -> PromptAtVersion | None:
        """Return the version that the execution ran, or the nearest thing to it; None if there is nothing."""
        call, short = self.execution, (self.execution.commit or "")[:7]
        if call.commit is None or not self.moment.is_versioned:
            return self._without_commit(self._work_tree())
        self._tell_life()
        try:
            found: PromptAtVersion | None = self._at(call.commit)
            assert found is not None
        except RevisionNotFound:
            return self._lost(f"Git no longer has commit {short}, which the call ran")
        except WorkspaceError as error:
            return self._lost(f"the prompt cannot be read from commit {short}: {error.message}")
        if not call.is_dirty and found.version.digest == call.digest:
            self._tell_branch(call.commit)
            return found
        if not call.is_dirty:
            return self._lost(f"commit {short} holds other content than the call ran", found)
        here = self._work_tree()
        if here is not None and here.version.digest == call.digest and here.version.is_dirty:
            self.notes.append(f"the call ran uncommitted changes of {short}, which are in the work tree still")
            return here
        return self._lost(f"the call ran uncommitted changes of {short}", found)

    def _at(self, commit: str) -> PromptAtVersion:
        return self.context.repository.resolve(Ref(self.execution.prompt, commit), moment=self.moment)

    def _work_tree(self) -> PromptAtVersion | None:
        try:
            return self.context.resolve(self.context.repository.id_of_today(self.execution.prompt))
        except WorkspaceError:
            return None

    def _without_commit(self, here: PromptAtVersion | None) -> PromptAtVersion | None:
        from promptctl.calls.plain import NO_FILE

        if self.execution.version_display == NO_FILE:
            self.notes.append("the application gave the messages itself: no prompt file stands behind the call")
            return None
        if here is not None and here.version.digest == self.execution.digest:
            return here
        self.notes.append(
            "the call ran files that no commit had, and the files of today differ: its lines are not known"
        )
        return None

    def _lost(self, why: str, base: PromptAtVersion | None = None) -> PromptAtVersion | None:
        """Return a version of the line with the same content, or else the base of what the call ran."""
        same = self._same_content()
        if same is not None:
            self.notes.append(f"{why}; {same.version.display} has the same content, and the lines are those of it")
        elif base is not None:
            self.notes.append(
                f"{why} that no commit of {self._line} has: the lines are those of {base.version.display}, "
                "and the call saw others too"
            )
        else:
            self.notes.append(f"{why}, and no version of {self._line} has the same content: its lines are not known")
        return same or base

    @property
    def _line(self) -> str:
        try:
            return self.moment.line.name
        except HistoryIncomplete:
            return "the default branch"

    def _same_content(self) -> PromptAtVersion | None:
        ids = dict.fromkeys((self.execution.prompt, self.context.repository.id_of_today(self.execution.prompt)))
        try:
            commit = self.moment.ask(
                lambda store: next(
                    (
                        store.commits_at([row.position])[row.position]
                        for id_ in ids
                        for row in store.versions(self.moment.id_on_line(store, id_))
                        if row.digest == self.execution.digest
                    ),
                    None,
                )
            )
            return self._at(commit) if commit is not None else None
        except WorkspaceError:
            return None

    def _tell_life(self) -> None:
        """Say that the prompt was renamed or deleted since."""
        prompt, git = self.execution.prompt, self.moment.git
        today = self.context.repository.id_of_today(prompt)
        if today != prompt:
            self.notes.append(f"{prompt} is named {today} now")
        elif path_in(self.moment.work_tree, prompt) is None and self.moment.head is not None:
            paths = [git.path_here(path) for path in self.moment.work_tree.places.paths_of(prompt)]
            ended = git.run(["rev-list", "--max-count=1", self.moment.head, "--", *paths], check=False).text
            from promptctl.git.commits import read_commits

            if made := read_commits(git.objects, [ended]).get(ended) if ended else None:
                author = without_address(made.author)
                on = f"{made.utc_date[:10]}: {made.subject}"
                self.notes.append(f"{prompt} is not in the work tree: deleted in {ended[:7]} by {author}, {on}")
            else:
                self.notes.append(f"{prompt} is not in the work tree, and HEAD never had it")

    def _tell_branch(self, commit: str) -> None:
        """Say that the default branch does not have the commit."""
        git = self.moment.git
        try:
            line = self.moment.line
        except HistoryIncomplete as error:
            self.notes.append(f"the default branch is not known: {note(error)}")
            return
        if git.run(["merge-base", "--is-ancestor", commit, line.tip], check=False).status == 0:
            return
        args = [f"--contains={commit}", f"--count={_MOST_BRANCHES}", "--format=%(refname)"]
        names = [ref.split("/", 2)[2] for ref in git.run(["for-each-ref", *args, "refs/heads", "refs/remotes"]).lines()]
        where = f"it is on {', '.join(names)}" if names else "no branch has it"
        self.notes.append(f"commit {commit[:7]} is not on {line.name}: {where}")
