from tests.repositories import clone, empty_repo, isolated_git, remote, repo

__all__ = ["clone", "empty_repo", "isolated_git", "remote", "repo"]
