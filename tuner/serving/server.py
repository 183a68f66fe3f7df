"""Listen on an address and answer, in this thread or beside the work of another."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec

from tuner.errors import UsageError
from tuner.workspace.dashboard import LOCAL, Dashboard
from tuner.workspace.locating import storage_url

TOKEN_VARIABLE = "TUNER_SERVE_TOKEN"
SHORTEST_TOKEN = 16
SECONDS_TO_END = 2
"""How long a signal waits for answers that are being sent."""


class Server:
    """A server of a database, bound to its address; ``pages``: reports, too, beside JSON, metrics and health.

    Raises UsageError for an address that cannot be bound, or that others reach and that has no token.
    """

    def __init__(
        self,
        storage: str | None,
        host: str,
        port: int,
        on_event: Callable[[str], None],
        *,
        pages: bool = True,
        option: str = "--host {host} --port {port}",
    ) -> None:
        try:
            import uvicorn

            from tuner.serving.app import make_app
            from tuner.serving.guard import Guard
            from tuner.serving.reading import Reader
        except ModuleNotFoundError as error:
            raise UsageError(
                f'serving needs the package {error.name}; install it with pip install "tuner-search[serve]"'
            ) from None
        named = option.format(host=host, port=port)
        token = _token(host, named)
        reader = Reader(storage_url(storage))
        self.database = reader.name
        self._socket = _bound(host, port, named)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._socket.getsockname()[1]}/"
        has_dashboard = pages and token is None and find_spec("optuna_dashboard") is not None
        app = make_app(
            reader, on_event, pages=pages, dashboard=(lambda: _dashboard(storage, host)) if has_dashboard else None
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                Guard(app, host, token),
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                lifespan="off",
                timeout_graceful_shutdown=SECONDS_TO_END,
            )
        )

    def serve(self) -> None:
        """Answer until a signal; it then has its usual effect.  In another thread than the main one, until `end`."""
        self._server.run(sockets=[self._socket])

    def end(self) -> None:
        """Make `serve` return soon."""
        self._server.should_exit = True


@contextmanager
def serve_beside(
    storage: str | None, address: str | None, on_event: Callable[[str], None], option: str
) -> Iterator[None]:
    """Serve JSON, metrics and health at ``address`` ("PORT" or "HOST:PORT"; None: nothing) while the block runs."""
    if address is None:
        yield
        return
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) < 2**16):
        raise UsageError(f"{option}: expected PORT or HOST:PORT, like 9100 or 0.0.0.0:9100, got {address!r}")
    server = Server(
        storage, host.strip("[]") or "127.0.0.1", int(port), on_event, pages=False, option=f"{option} {address}"
    )
    on_event(f"metrics at {server.url}metrics, health at {server.url}healthz")
    thread = threading.Thread(target=server.serve, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.end()
        thread.join(SECONDS_TO_END + 1)


def _token(host: str, named: str) -> str | None:
    """The token that requests need: of the environment, and needed wherever others reach the server."""
    token = os.environ.get(TOKEN_VARIABLE)
    if token is None:
        if not _is_loopback(host):
            raise UsageError(
                f"{named}: others can reach this address; set {TOKEN_VARIABLE} to a secret token, such as openssl rand "
                "-hex 24 prints"
            )
        return None
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{TOKEN_VARIABLE}: expected at least {SHORTEST_TOKEN} ASCII characters without blanks")
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOCAL


def _bound(host: str, port: int, named: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{named}: {reason}. Choose a free port of this machine") from None


@cache
def _dashboard(storage: str | None, host: str) -> str:
    """Start Optuna's dashboard once, on a port of its own; its address."""
    dashboard = Dashboard(storage, host, 0)
    threading.Thread(target=dashboard.serve, name="dashboard", daemon=True).start()
    return dashboard.url
