"""``tuner serve``: the studies of the database as pages that follow them, JSON and metrics."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from tuner.cli.options import StorageOption
from tuner.cli.printing import print_lines, print_log
from tuner.errors import UnavailableError


def serve(
    host: Annotated[str, typer.Option("--host", metavar="NAME", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port; 0 takes any free one.")
    ] = 8765,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    storage: StorageOption = None,
) -> None:
    """Show studies, workers and reports while searches run (extra: serve) until Ctrl-C, read-only.

    TUNER_SERVE_TOKEN: a token that every request needs; required on an address that others reach.
    """
    from tuner.serving import Server
    from tuner.workspace import list_studies

    try:
        list_studies(storage)  # one that is misspelled is refused at once
    except UnavailableError as error:
        print_lines(f"tuner: {error}", err=True)
    server = Server(storage, host, port, print_log)
    with suppress(KeyboardInterrupt):
        print_lines(f"database {server.database} · {server.url} · stop with Ctrl-C")
        if open_page:
            typer.launch(server.url)
        server.serve()
