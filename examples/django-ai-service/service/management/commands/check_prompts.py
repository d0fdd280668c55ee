"""manage.py check_prompts: every prompt with its version, labels and calls."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from service.overview import prompt_rows


class Command(BaseCommand):
    """Lists the prompts."""

    help = "List every prompt with its version, its labels, and what its calls cost"

    def handle(self, *_: Any, **__: Any) -> None:
        """Write a line for each prompt."""
        for row in prompt_rows():
            labels = ", ".join(f"{name} {version}" for name, version in row.labels) or "-"
            calls = f"{row.calls} call{'' if row.calls == 1 else 's'}"
            words = [row.id, row.version, row.status, labels, calls, row.cost, f"log: {row.kept}"]
            self.stdout.write("\t".join(words))
            if row.problem:
                self.stderr.write(self.style.ERROR(row.problem))
