"""Serve Optuna's dashboard on the same database, read-only."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tuner.errors import UsageError
from tuner.storage import optuna_storage, shown
from tuner.workspace.locating import storage_url

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
READING = ("GET", "HEAD", "OPTIONS")
LOCAL = ("localhost", "127.0.0.1", "::1")
EVERY_ADDRESS = ("", "0.0.0.0", "::")
NOT_OUR_NAME = b"this dashboard answers under the name or address that --host gave it, and as localhost\n"
REFUSED = b"this dashboard is read-only; use tuner delete, tuner enqueue and tuner search to change studies\n"


class Dashboard:
    """A server bound to its port; ``url`` is its address for a browser."""

    def __init__(self, storage: str | None, host: str, port: int) -> None:
        try:
            from optuna_dashboard import wsgi
        except ModuleNotFoundError:
            raise UsageError(
                'the dashboard is not installed; install it with pip install "tuner-search[dashboard]"'
            ) from None
        address = storage_url(storage)
        self.database = shown(address)
        self._storage = optuna_storage(address)
        try:
            self._server = make_server(host, port, guarded(wsgi(self._storage), host), _Server, _Silent)
        except (OSError, UnicodeError) as error:
            self._storage.engine.dispose()
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"--host {host} --port {port}: {reason}. Choose a free port of this machine") from None
        self.url = f"http://{host}:{self._server.server_port}/dashboard"

    def serve(self) -> None:
        """Answer until interrupted."""
        try:
            self._server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            self._server.server_close()
            self._storage.remove_session()
            self._storage.engine.dispose()


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per request."""

    daemon_threads = True


class _Silent(WSGIRequestHandler):
    """A handler that does not log requests."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it)
        """Do nothing."""


def guarded(application: Any, bound: str) -> Application:
    """The application, refusing other sites' names for this machine, and requests that would change Optuna's tables.

    A page of another site can give its own name the address of this machine; the browser then lets it read the answers.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not is_own_host(environ.get("HTTP_HOST", ""), bound):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [NOT_OUR_NAME]
        if environ["REQUEST_METHOD"] not in READING:
            start_response("405 Method Not Allowed", [("Content-Type", "text/plain"), ("Allow", ", ".join(READING))])
            return [REFUSED]
        environ.setdefault("HTTP_ACCEPT_ENCODING", "")  # optuna-dashboard fails for a program that does not send it
        shown: Iterable[bytes] = application(environ, start_response)
        return shown

    return answer


def is_own_host(header: str, bound: str) -> bool:
    """Whether a request's Host is localhost or what the server was bound to; bound to every address, any address."""
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    if bound in EVERY_ADDRESS:
        return name in (*LOCAL, socket.gethostname().lower()) or _is_address(name)
    return name in (*LOCAL, bound.lower().strip("[]"))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
