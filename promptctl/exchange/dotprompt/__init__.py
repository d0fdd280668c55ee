"""Dotprompt (https://google.github.io/dotprompt): `.prompt` files with Handlebars, and LiteLLM's dialect with Jinja."""
