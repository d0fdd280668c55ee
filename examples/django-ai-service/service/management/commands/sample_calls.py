"""manage.py sample_calls: a few calls, so that the admin has something to show."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand

from service import features
from service.ai_service import AIService


class Command(BaseCommand):
    """Makes calls."""

    help = "Make a few calls of both features"

    def handle(self, *_: Any, **__: Any) -> None:
        """Ask for two issues and one documentation."""
        service = AIService(User.objects.filter(is_staff=True).first())
        features.draft_issue(service, "The export button does nothing.")
        features.draft_issue(service, "I would like a dark theme.", "feature")
        features.document(service, "def area(width, height): return width * height")
        service.call_ai_chat(prompt="chat/assistant@production", context={"user_message": "What is a label?"})
        self.stdout.write("made four calls: see them at /admin/service/prompt/")
