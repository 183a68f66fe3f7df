"""What the server refuses before anything is read, and the headers of every answer."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from tuner.serving.guard import Guard

TOKEN = "0123456789abcdef"


def answered(method: str = "GET", token: str | None = None, bound: str = "127.0.0.1", **headers: str) -> dict[str, Any]:
    """The status, headers and the method that the application saw, of one request through a guard."""
    seen: dict[str, Any] = {"method": None}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen["method"] = scope["method"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"no-cache")]})
        await send({"type": "http.response.body", "body": b"data"})

    async def send(message: Any) -> None:
        seen.update(message)

    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "headers": given}
    asyncio.run(Guard(application, bound, token)(scope, None, send))  # type: ignore[arg-type]
    return seen


def basic(password: str) -> str:
    """What a browser sends after it asked for user and password."""
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1:8765", "[::1]:8765"])
def test_this_machine_is_answered(host: str) -> None:
    """Under its own names, with headers that forbid what no page needs; an answer's own header stays."""
    seen = answered(host=host)
    headers = dict(seen["headers"])
    assert (seen["status"], seen["method"]) == (200, "GET")
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"content-security-policy"].startswith(b"default-src 'none'")
    assert [value for name, value in seen["headers"] if name == b"cache-control"] == [b"no-cache"]


@pytest.mark.parametrize("host", ["evil.example:8765", "127.0.0.1.evil.example", "", "localhost.evil.example", "]"])
def test_another_name_for_this_machine_is_refused(host: str) -> None:
    """As a page sends it that has given its own name this machine's address."""
    seen = answered(host=host)
    assert (seen["status"], seen["method"]) == (403, None)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_reading_is_answered(method: str) -> None:
    """The refusal says what changes studies; HEAD is answered as GET."""
    seen = answered(method, host="localhost")
    assert (seen["status"], seen["method"]) == (405, None)
    assert answered("HEAD", host="localhost")["method"] == "GET"


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic(TOKEN)])
def test_the_token_is_taken_from_programs_and_browsers(authorization: str) -> None:
    """Under any name of the server: another site does not have the token."""
    assert answered(token=TOKEN, host="tuner.example", authorization=authorization)["status"] == 200


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", f"Bearer {TOKEN}x", "Basic ?", "Basic YQ==", basic(""), basic("wrong"), f"Digest {TOKEN}"],
)
def test_without_the_token_nothing_is_answered(authorization: str) -> None:
    """A browser is told to ask for it."""
    seen = answered(token=TOKEN, host="localhost", authorization=authorization)
    assert (seen["status"], seen["method"]) == (401, None)
    assert dict(seen["headers"])[b"www-authenticate"].startswith(b"Basic")
