"""Prompts in Git: rendered, run, evaluated and compared, with every model call on record.

>>> import pathlib, tempfile, promptctl
>>> folder = tempfile.TemporaryDirectory()
>>> root = pathlib.Path(folder.name)
>>> _ = (root / "promptctl.yaml").write_text("model: echo/echo")
>>> (root / "prompts").mkdir()
>>> _ = (root / "prompts/greet.prompt.yaml").write_text(
...     "inputs: {name: {type: string}}\\nmessages: [{role: user, content: 'Hello {{ name }}'}]"
... )
>>> with promptctl.open_workspace(root) as workspace:
...     rendered = workspace.prompt("greet").render({"name": "Ada"})
...     execution = workspace.run("greet", {"name": "Ada"}, user="u1")
...     *_, text, streamed = workspace.stream("greet", {"name": "Ada"})
>>> rendered.messages
({'role': 'user', 'content': 'Hello Ada'},)
>>> execution.reply, execution.status, execution.cost_nano_usd
('Hello Ada', 'ok', 0)
>>> execution.metadata["prompt"], execution.metadata["prompt_version"], execution.metadata["provider"]
('greet', None, 'echo')
>>> streamed.reply
'Hello Ada'
>>> folder.cleanup()

Every public name is here, and is imported on first use. Errors are one small tree, drawn in `promptctl.errors`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from promptctl._version import __version__ as __version__

if TYPE_CHECKING:
    from promptctl.calls.prepare import RunOptions as RunOptions
    from promptctl.catalogue.copying import Copied as Copied
    from promptctl.catalogue.difference import Difference as Difference
    from promptctl.catalogue.formatting import FormatReport as FormatReport
    from promptctl.catalogue.listing import PromptFilter as PromptFilter
    from promptctl.catalogue.listing import PromptSummary as PromptSummary
    from promptctl.catalogue.page import Page as Page
    from promptctl.comparisons.compared import Against as Against
    from promptctl.comparisons.compared import Compared as Compared
    from promptctl.comparisons.verdicts import GateRule as GateRule
    from promptctl.datasets.adding import Added as Added
    from promptctl.datasets.cases import Case as Case
    from promptctl.datasets.dataset import Header as Header
    from promptctl.datasets.selection import Selection as Selection
    from promptctl.datasets.validation import ValidationReport as ValidationReport
    from promptctl.differences.breaks import Break as Break
    from promptctl.differences.diff import PromptDiff as PromptDiff
    from promptctl.errors import AuthenticationFailed as AuthenticationFailed
    from promptctl.errors import Cancelled as Cancelled
    from promptctl.errors import CaseNotFound as CaseNotFound
    from promptctl.errors import CheckFailed as CheckFailed
    from promptctl.errors import DatasetNotFound as DatasetNotFound
    from promptctl.errors import GitError as GitError
    from promptctl.errors import HistoryIncomplete as HistoryIncomplete
    from promptctl.errors import Incomplete as Incomplete
    from promptctl.errors import InputError as InputError
    from promptctl.errors import InvalidFiles as InvalidFiles
    from promptctl.errors import InvalidOutput as InvalidOutput
    from promptctl.errors import LabelRefused as LabelRefused
    from promptctl.errors import LogError as LogError
    from promptctl.errors import MissingKey as MissingKey
    from promptctl.errors import ModelConfigurationError as ModelConfigurationError
    from promptctl.errors import ModelError as ModelError
    from promptctl.errors import ModelTimeout as ModelTimeout
    from promptctl.errors import OutOfQuota as OutOfQuota
    from promptctl.errors import Place as Place
    from promptctl.errors import Problem as Problem
    from promptctl.errors import PromptctlError as PromptctlError
    from promptctl.errors import PromptInactive as PromptInactive
    from promptctl.errors import PromptNotFound as PromptNotFound
    from promptctl.errors import ProviderFailed as ProviderFailed
    from promptctl.errors import ProviderUnreachable as ProviderUnreachable
    from promptctl.errors import RateLimited as RateLimited
    from promptctl.errors import RenderError as RenderError
    from promptctl.errors import RenderLimitExceeded as RenderLimitExceeded
    from promptctl.errors import ReplyNotRecorded as ReplyNotRecorded
    from promptctl.errors import RequestRejected as RequestRejected
    from promptctl.errors import RevisionNotFound as RevisionNotFound
    from promptctl.errors import UsageError as UsageError
    from promptctl.errors import WorkspaceError as WorkspaceError
    from promptctl.errors import WorkspaceNotFound as WorkspaceNotFound
    from promptctl.evaluations.case_outcomes import CasePair as CasePair
    from promptctl.evaluations.estimate import Estimate as Estimate
    from promptctl.evaluations.evaluation import Evaluation as Evaluation
    from promptctl.evaluations.outcomes import CaseResults as CaseResults
    from promptctl.evaluations.plan import Plan as Plan
    from promptctl.evaluations.progress import Progress as Progress
    from promptctl.evaluations.request import EvaluationRequest as EvaluationRequest
    from promptctl.evaluations.request import Limits as Limits
    from promptctl.evaluations.request import ResumeRequest as ResumeRequest
    from promptctl.evaluations.summary import Counts as Counts
    from promptctl.evaluations.trend import Trend as Trend
    from promptctl.evaluations.trend import TrendRow as TrendRow
    from promptctl.formats.scaffold import Scaffold as Scaffold
    from promptctl.labels.chains import History as History
    from promptctl.labels.chains import LabelState as LabelState
    from promptctl.labels.chains import Listing as Listing
    from promptctl.labels.push import Pushed as Pushed
    from promptctl.labels.remote import Fetched as Fetched
    from promptctl.labels.tags import LabelEvent as LabelEvent
    from promptctl.labels.times import LiveAt as LiveAt
    from promptctl.log.call_totals import CallTotals as CallTotals
    from promptctl.log.filter import Filter as Filter
    from promptctl.log.records import Execution as Execution
    from promptctl.log.results import EvaluationRow as EvaluationRow
    from promptctl.log.results import EvaluationSpec as EvaluationSpec
    from promptctl.log.results import ResultRow as ResultRow
    from promptctl.log.results import Totals as Totals
    from promptctl.log.retention import Pruned as Pruned
    from promptctl.log.retention import Retention as Retention
    from promptctl.log.times import parse_moment as parse_moment
    from promptctl.promotion.labelling import Labelling as Labelling
    from promptctl.promotion.moves import MoveResult as MoveResult
    from promptctl.prompts.prompt import Input as Input
    from promptctl.prompts.prompt import Message as Message
    from promptctl.prompts.prompt import Placeholder as Placeholder
    from promptctl.prompts.prompt import Prompt as Prompt
    from promptctl.reviews.measuring import ReviewRequest as ReviewRequest
    from promptctl.reviews.review import DatasetReview as DatasetReview
    from promptctl.reviews.review import Review as Review
    from promptctl.versions.history import VersionEntry as VersionEntry
    from promptctl.versions.prompt_at_version import PromptAtVersion as PromptAtVersion
    from promptctl.versions.prompt_at_version import RenderedPrompt as RenderedPrompt
    from promptctl.versions.prompt_at_version import Version as Version
    from promptctl.workspace import Workspace as Workspace
    from promptctl.workspace import init_workspace as init_workspace
    from promptctl.workspace import open_workspace as open_workspace
    from promptctl.workspace.datasets import DatasetCases as DatasetCases
    from promptctl.workspace.datasets import DatasetCheck as DatasetCheck
    from promptctl.workspace.datasets import Datasets as Datasets
    from promptctl.workspace.datasets import DatasetSummary as DatasetSummary
    from promptctl.workspace.log import Log as Log
    from promptctl.workspace.results import Results as Results

_NAMES = {
    "calls.prepare": "RunOptions",
    "catalogue.copying": "Copied",
    "catalogue.difference": "Difference",
    "catalogue.formatting": "FormatReport",
    "catalogue.listing": "PromptFilter PromptSummary",
    "catalogue.page": "Page",
    "comparisons.compared": "Against Compared",
    "comparisons.verdicts": "GateRule",
    "datasets.adding": "Added",
    "datasets.cases": "Case",
    "datasets.dataset": "Header",
    "datasets.selection": "Selection",
    "datasets.validation": "ValidationReport",
    "differences.breaks": "Break",
    "differences.diff": "PromptDiff",
    "errors": (
        "AuthenticationFailed Cancelled CaseNotFound CheckFailed DatasetNotFound GitError HistoryIncomplete "
        "Incomplete InputError InvalidFiles InvalidOutput LabelRefused LogError MissingKey "
        "ModelConfigurationError ModelError ModelTimeout OutOfQuota Place Problem PromptInactive "
        "PromptNotFound PromptctlError ProviderFailed ProviderUnreachable RateLimited RenderError "
        "RenderLimitExceeded ReplyNotRecorded RequestRejected RevisionNotFound UsageError WorkspaceError "
        "WorkspaceNotFound"
    ),
    "evaluations.estimate": "Estimate",
    "evaluations.evaluation": "Evaluation",
    "evaluations.outcomes": "CaseResults",
    "evaluations.plan": "Plan",
    "evaluations.progress": "Progress",
    "evaluations.request": "EvaluationRequest Limits ResumeRequest",
    "evaluations.case_outcomes": "CasePair",
    "evaluations.summary": "Counts",
    "evaluations.trend": "Trend TrendRow",
    "formats.scaffold": "Scaffold",
    "labels.chains": "History LabelState Listing",
    "labels.push": "Pushed",
    "labels.remote": "Fetched",
    "labels.tags": "LabelEvent",
    "labels.times": "LiveAt",
    "log.call_totals": "CallTotals",
    "log.filter": "Filter",
    "log.records": "Execution",
    "log.results": "EvaluationRow EvaluationSpec ResultRow Totals",
    "log.retention": "Pruned Retention",
    "log.times": "parse_moment",
    "promotion.labelling": "Labelling",
    "promotion.moves": "MoveResult",
    "reviews.measuring": "ReviewRequest",
    "prompts.prompt": "Input Message Placeholder Prompt",
    "reviews.review": "DatasetReview Review",
    "versions.history": "VersionEntry",
    "versions.prompt_at_version": "PromptAtVersion RenderedPrompt Version",
    "workspace": "Workspace init_workspace open_workspace",
    "workspace.datasets": "DatasetCases DatasetCheck DatasetSummary Datasets",
    "workspace.log": "Log",
    "workspace.results": "Results",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("promptctl.errors")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'promptctl' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"promptctl.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
