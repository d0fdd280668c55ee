"""The answers that the service gave, and the prompts, which have no table."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class AIResponse(models.Model):
    """One answer, with the metadata of the prompt that wrote it; `{}` for answers from before prompts were tracked."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    content = models.TextField()
    meta = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "AI response"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.meta.get('prompt', 'untracked')} {self.pk}"


class Prompt(models.Model):
    """A prompt of the workspace, for the admin alone: it is a file in Git, and no row is ever read or written."""

    class Meta:
        managed = False
        default_permissions = ("view",)
