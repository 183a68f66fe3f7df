"""Serve Optuna's dashboard on the same database, read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tuner.errors import UsageError
from tuner.storage import optuna_storage, shown
from tuner.workspace.locating import storage_url

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
READING = ("GET", "HEAD", "OPTIONS")
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
            self._server = make_server(host, port, read_only(wsgi(self._storage)), _Server, _Silent)
        except OSError as error:
            self._storage.engine.dispose()
            raise UsageError(f"--host {host} --port {port}: {error.strerror}. Choose a free port") from None
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


def read_only(application: Any) -> Application:
    """The application, refusing requests that would change Optuna's tables without ours."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in READING:
            start_response("405 Method Not Allowed", [("Content-Type", "text/plain"), ("Allow", ", ".join(READING))])
            return [REFUSED]
        answer: Iterable[bytes] = application(environ, start_response)
        return answer

    return guarded
