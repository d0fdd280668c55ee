"""The admin: answers with their metadata, and pages about prompts. All of it is read; edits go through Git."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

import promptctl
from service import overview
from service.models import AIResponse, Prompt
from service.prompts import workspace


class ReadOnlyAdmin(admin.ModelAdmin):
    """Pages on which nothing is added, changed or deleted."""

    def has_add_permission(self, *_: Any) -> bool:
        """Return False."""
        return False

    def has_change_permission(self, *_: Any) -> bool:
        """Return False."""
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        """Return False."""
        return False


@admin.register(AIResponse)
class AIResponseAdmin(ReadOnlyAdmin):
    """The answers, with the prompt that wrote each."""

    list_display = ("created_at", "prompt", "version", "label", "asked_model", "user")
    list_select_related = ("user",)
    search_fields = ("content", "meta__prompt")

    @admin.display(ordering="meta__prompt")
    def prompt(self, answer: AIResponse) -> str:
        """Return the prompt's id."""
        return answer.meta.get("prompt") or "-"

    @admin.display(ordering="meta__prompt_version")
    def version(self, answer: AIResponse) -> str:
        """Return the version's number."""
        number = answer.meta.get("prompt_version")
        return f"v{number}" if number else "-"

    @admin.display(ordering="meta__prompt_label")
    def label(self, answer: AIResponse) -> str:
        """Return the label that was asked for."""
        return answer.meta.get("prompt_label") or "-"

    @admin.display(description="model", ordering="meta__model")
    def asked_model(self, answer: AIResponse) -> str:
        """Return the model."""
        return answer.meta.get("model") or "-"


@admin.register(Prompt)
class PromptAdmin(ReadOnlyAdmin):
    """The prompts, which have no table: both pages are read from the workspace."""

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of the list and of a prompt's page; an id may have slashes."""
        return [
            path("", self.admin_site.admin_view(self.list_view), name="service_prompt_changelist"),
            path("<path:prompt_id>/", self.admin_site.admin_view(self.page_view), name="service_prompt_page"),
        ]

    def list_view(self, request: HttpRequest) -> HttpResponse:
        """Show every prompt, and the budgets."""
        rows, budgets = overview.prompt_rows(), overview.budget_rows()
        return self._shown(request, "change_list", "Prompts", rows=rows, budgets=budgets)

    def page_view(self, request: HttpRequest, prompt_id: str) -> HttpResponse:
        """Show a prompt: versions, labels, log rule, budgets, totals and last calls."""
        rows = [row for row in overview.prompt_rows() if row.id == prompt_id]
        if not rows:
            raise Http404(f"there is no prompt {prompt_id}")
        row = rows[0]
        try:
            page = workspace().page(prompt_id)
            history = workspace().history(prompt_id)
        except promptctl.PromptctlError:  # it has no file, or a wrong one: then the log is all there is
            page, history = None, []
        return self._shown(
            request,
            "page",
            prompt_id,
            row=row,
            page=page,
            written=page.as_dict()["messages"] if page else [],
            history=history,
            totals=overview.total_rows(prompt_id),
            calls=overview.call_rows(prompt_id, shows_replies=request.user.has_perm("service.view_airesponse")),
            budgets=overview.budget_rows(prompt_id),
        )

    def _shown(self, request: HttpRequest, template: str, title: str, **found: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, **found}
        return TemplateResponse(request, f"admin/service/prompt/{template}.html", context)
