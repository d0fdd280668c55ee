from tests.desks import close_repositories, first_clone, repository_without_remote, second_clone
from tests.evaluation_lab import lab, running_model_server
from tests.repositories import clone, empty_repo, isolated_git, remote, repo

__all__ = [
    "clone",
    "close_repositories",
    "empty_repo",
    "first_clone",
    "isolated_git",
    "lab",
    "remote",
    "repo",
    "repository_without_remote",
    "running_model_server",
    "second_clone",
]
