"""``tuner dashboard``: optuna-dashboard on the same database."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.options import StorageOption
from tuner.cli.printing import print_lines


def dashboard(
    host: Annotated[str, typer.Option("--host", metavar="NAME", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port; 0 takes any free one.")
    ] = 8080,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
    storage: StorageOption = None,
) -> None:
    """Show the database in optuna-dashboard (extra: dashboard) until Ctrl-C, read-only."""
    from tuner.workspace.dashboard import Dashboard

    served = Dashboard(storage, host, port)
    print_lines(f"database {served.database} · {served.url} · stop with Ctrl-C")
    if open_page:
        typer.launch(served.url)
    served.serve()
