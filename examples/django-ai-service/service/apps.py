"""The app, as Django knows it."""

from django.apps import AppConfig


class ServiceConfig(AppConfig):
    """The AI service."""

    name = "service"
    verbose_name = "AI service"
    default_auto_field = "django.db.models.BigAutoField"
