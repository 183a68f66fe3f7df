"""A read-only server of a database: pages that follow a search, JSON, metrics and health.  FastAPI lives here."""

from tuner.serving.server import Server, serve_beside
