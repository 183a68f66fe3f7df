"""The small studies of the running room's tests."""

from tests.running.conftest import edit, start

__all__ = ["edit", "start"]
