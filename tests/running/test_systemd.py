"""What systemd hears of a service, on the socket that it gives it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner.running.systemd import Watchdog, notify, notify_status

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="systemd is of Linux")


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a unit, where nothing has arrived yet."""
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("notify")
        heard.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", "notify")
        yield heard


def test_a_unit_hears_what_the_service_does(listener: socket.socket) -> None:
    """In one line, however long the text is."""
    notify("READY=1")
    notify_status("a\nb " + 300 * "c")
    assert listener.recv(999) == b"READY=1"
    assert listener.recv(999).decode() == f"STATUS=a b {195 * 'c'}…"


def test_the_watchdog_hears_only_of_a_process_that_works(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times in the time that the unit allows."""
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    answers = [True, False, True]
    with Watchdog(lambda: bool(answers) and answers.pop()):
        assert [listener.recv(99), listener.recv(99)] == [b"WATCHDOG=1"] * 2
        time.sleep(0.1)
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.recv(99)


def test_without_systemd_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where its socket is gone; and no watchdog waits for an answer."""
    asked: list[bool] = []
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nosuch/socket")
    notify("READY=1")
    with Watchdog(lambda: bool(asked.append(True))):
        time.sleep(0.05)
    assert asked == []
