"""Settings: those of a Django project, and three of promptctl."""

from __future__ import annotations

import os
from pathlib import Path

BASE_DIR = Path(__file__).parents[1]
DATA = Path(os.environ.get("DATA", BASE_DIR / "data"))

PROMPTS = Path(os.environ.get("PROMPTS", DATA / "prompts"))
"""The folder of the prompts' repository."""
PROMPTS_SNAPSHOT = os.environ.get("PROMPTS_SNAPSHOT")
"""A snapshot of prompts to use instead, where there is no Git."""
AI_MODEL = os.environ.get("AI_MODEL")
"""A model that every call asks instead of the one that its prompt names."""

SECRET_KEY = os.environ.get("SECRET_KEY", "not a secret: for development alone")
DEBUG = "SECRET_KEY" not in os.environ
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost").split(",")
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "service",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "service.db"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "config.urls"
STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True
