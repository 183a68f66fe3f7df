"""The searched studies and their model, for the commands that use them."""

from tests.modeling.conftest import model_bytes, place, searched

__all__ = ["model_bytes", "place", "searched"]
