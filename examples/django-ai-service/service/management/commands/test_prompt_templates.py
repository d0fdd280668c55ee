"""manage.py test_prompt_templates: every prompt rendered with the cases of its datasets. No model is asked."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from promptctl import PromptctlError
from service.prompts import workspace


class Command(BaseCommand):
    """Renders the prompts."""

    help = "Render every prompt with the inputs of the cases that test it"

    def handle(self, *_: Any, **__: Any) -> None:
        """Write a line for each case, and fail if one cannot be rendered."""
        failed = 0
        for dataset in workspace().datasets.all():
            found = workspace().datasets.cases(dataset.path)
            for case in found.cases:
                for prompt in found.header.prompts:
                    try:
                        rendered = workspace().prompt(prompt).render(case.inputs)
                    except PromptctlError as error:
                        failed += 1
                        self.stderr.write(self.style.ERROR(f"{prompt}\t{case.id}\t{error.message}"))
                    else:
                        self.stdout.write(f"{prompt}\t{case.id}\t{len(rendered.messages)} messages")
        if failed:
            raise CommandError(f"{failed} {'case' if failed == 1 else 'cases'} cannot be rendered")
