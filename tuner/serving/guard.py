"""What every request passes before it is answered: only reading, only our own name, only with the token."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tuner.workspace.dashboard import EVERY_ADDRESS, is_own_host

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

HEADERS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
}
"""Headers of every answer that has none of these names."""


class Guard:
    """An application that answers only requests which may be answered.

    Without a ``token``, the Host must be localhost or the ``host`` that is bound: a page of another site can give its
    own name the address of this machine, and a browser would then let it read the answers.  With one, a request needs
    it (``Authorization: Bearer TOKEN``, or the password that a browser asks for), and no other site has it.
    """

    def __init__(self, application: Application, host: str, token: str | None) -> None:
        self._application = application
        self._host = host
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(header for header in HEADERS.items() if header[0] not in given),
                ]
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            status, text, *headers = refused
            body = f"{text}\n".encode()
            headers = [(b"content-type", b"text/plain; charset=utf-8"), *headers]
            await send_with_headers({"type": "http.response.start", "status": status, "headers": headers})
            await send_with_headers({"type": "http.response.body", "body": body})
            return
        as_get = {**scope, "method": "GET"}  # to HEAD the server sends what it would to GET, without the body
        await self._application(as_get, receive, send_with_headers)

    def _refusal(self, scope: Message) -> tuple[Any, ...] | None:
        """Status, text and headers of a refusal; None for a request that may be answered."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if self._token is not None:
            if not hmac.compare_digest(_given_token(headers.get(b"authorization", "")), self._token):
                text = "a token is needed: as the password, with any user name, or as Authorization: Bearer TOKEN"
                return 401, text, (b"www-authenticate", b'Basic realm="tuner", charset="UTF-8"')
        elif self._host in EVERY_ADDRESS or not is_own_host(headers.get(b"host", ""), self._host):
            return 403, "this server answers under the name or address that --host gave it, and as localhost"
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "this server only shows studies; the commands of tuner change them", (b"allow", b"GET, HEAD")
        return None


def _given_token(authorization: str) -> bytes:
    """The token of a request; empty where there is none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
