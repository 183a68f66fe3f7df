"""Optuna's own dashboard on the same database: it shows, and changes nothing."""

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
REFUSED = b"this dashboard only shows; tuner delete, tuner enqueue and tuner search change studies\n"


class Dashboard:
    """A server that is bound to its port; ``url`` is where a browser finds it."""

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
            raise UsageError(f"--host {host} --port {port}: {error.strerror}; expected a port that is free") from None
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
    """One thread a request: a page asks for many things at once."""

    daemon_threads = True


class _Silent(WSGIRequestHandler):
    """Requests are not worth a line each."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it)
        """Say nothing."""


def read_only(application: Any) -> Application:
    """The application without what would change a study: its own tables would no longer agree with ours."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in READING:
            start_response("405 Method Not Allowed", [("Content-Type", "text/plain"), ("Allow", ", ".join(READING))])
            return [REFUSED]
        answer: Iterable[bytes] = application(environ, start_response)
        return answer

    return guarded
