"""`promptctl cost`: what calls cost."""

from __future__ import annotations

import typer

from promptctl.cli.reprice import reprice

app = typer.Typer(help="What calls cost.", no_args_is_help=True, rich_markup_mode=None)
app.command("reprice")(reprice)


@app.callback()
def cost() -> None:
    """What calls cost."""
