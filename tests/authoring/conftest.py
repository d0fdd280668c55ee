"""What the tests of this room share."""

from tests.evaluation_lab import lab, running_model_server

__all__ = ["lab", "running_model_server"]
