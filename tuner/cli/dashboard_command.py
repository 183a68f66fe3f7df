"""``tuner dashboard``: optuna-dashboard on the same database."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.options import StorageOption


def dashboard(
    host: Annotated[str, typer.Option("--host", metavar="NAME", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes any free one.")] = 8080,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
    storage: StorageOption = None,
) -> None:
    """Show the database in optuna-dashboard (extra: dashboard) until Ctrl-C; nothing can be changed there."""
    from tuner.workspace.dashboard import Dashboard

    served = Dashboard(storage, host, port)
    typer.echo(f"database {served.database} · {served.url} · end with Ctrl-C")
    if open_page:
        typer.launch(served.url)
    served.serve()
