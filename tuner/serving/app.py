"""What the server answers: JSON, metrics and health, and pages unless it stands beside a worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from tuner.errors import NoDatabaseError, TunerError, UnavailableError, UsageError
from tuner.formatting import error_line, one_line
from tuner.printable import printable
from tuner.serving.html import endpoints_page, policy, studies_page
from tuner.serving.metrics import metrics_text
from tuner.serving.pages import ReportPages
from tuner.serving.reading import Reader, StudyList, StudyProgress, TrialPage

ABOUT = "Read-only: the commands of tuner change studies. Errors are shares, times are seconds."
MOST_AT_ONCE = 100_000
"""Trials of one answer."""
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Answers = dict[int | str, dict[str, Any]]
AWAY: Answers = {503: {"description": "the database is away or locked, in one line; ask again"}}
INVALID: Answers = {422: {"description": "a parameter is not as it should be, in one line"}}
UNKNOWN: Answers = {404: {"description": "no study has this name, in one line"}}
StudyName = Annotated[str, Path(description="The name of a study.")]


def make_app(
    reader: Reader, on_event: Callable[[str], None], *, pages: bool = True, dashboard: Callable[[], str] | None = None
) -> FastAPI:
    """The application; ``dashboard`` starts Optuna's dashboard and returns its address, where that may be shown."""
    app = FastAPI(title="tuner", version=version("tuner-search"), description=ABOUT, docs_url=None, redoc_url=None)
    _add_errors(app, on_event)
    _add_answers(app, reader)
    if pages:
        _add_pages(app, reader, dashboard)
    return app


def _add_errors(app: FastAPI, on_event: Callable[[str], None]) -> None:
    def answer(request: Request, status: int, text: str) -> Response:
        text, headers = printable(one_line(text)), {"Retry-After": "5"} if status == 503 else {}
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": text}, status, headers)
        return PlainTextResponse(f"{text}\n", status, headers)

    @app.exception_handler(TunerError)
    async def refused(request: Request, error: TunerError) -> Response:
        if isinstance(error, UnavailableError):
            return answer(request, 503, str(error))
        return answer(request, 404 if isinstance(error, UsageError | NoDatabaseError) else 500, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answer(request, 422, "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()))

    @app.exception_handler(404)
    async def unknown(request: Request, error: Exception) -> Response:
        return answer(request, 404, "there is nothing at this address; /api lists what there is")

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        on_event(f"tuner: internal error: {request.url.path}: {error_line(error)}")
        return answer(request, 500, f"internal error: {error_line(error)}")


def _add_answers(app: FastAPI, reader: Reader) -> None:
    @app.get(
        "/api/studies",
        response_description="the list",
        responses=AWAY,
        summary="The studies of the database, and who runs their trials.",
    )
    def studies() -> StudyList:
        return reader.studies()

    @app.get(
        "/api/studies/{name}",
        response_description="the study",
        responses={**UNKNOWN, **INVALID, **AWAY},
        summary="The progress of a study.",
    )
    def study(name: StudyName) -> StudyProgress:
        return reader.state(name)

    @app.get(
        "/api/studies/{name}/trials",
        response_model=TrialPage,
        response_description="the trials",
        responses={**UNKNOWN, **INVALID, **AWAY},
        summary="The trials of a study in the order of their numbers, with the columns of trials.csv, streamed.",
    )
    def trials(
        name: StudyName,
        above: Annotated[int, Query(ge=-1, lt=2**31, description="Only trials with a higher number.")] = -1,
        limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE, description="At most so many of them.")] = 1000,
    ) -> StreamingResponse:
        pieces = reader.trials(name, above, limit)
        first = list(islice(pieces, 2))  # what cannot be read is refused before the answer begins
        return StreamingResponse(chain(first, pieces), media_type="application/json")

    @app.get(
        "/metrics",
        response_description="the text format of Prometheus",
        response_class=PlainTextResponse,
        responses=AWAY,
        summary="The same for Prometheus.",
    )
    def metrics() -> Response:
        began = time.monotonic()
        studies = reader.studies()
        return Response(metrics_text(studies, time.monotonic() - began), media_type=METRICS_TYPE)

    @app.get(
        "/healthz",
        response_description="ok",
        response_class=PlainTextResponse,
        responses=AWAY,
        summary="Whether the database answers.",
    )
    def healthz() -> str:
        try:
            reader.check()
        except NoDatabaseError as error:
            raise UnavailableError(str(error)) from None
        return "ok\n"


def _add_pages(app: FastAPI, reader: Reader, dashboard: Callable[[], str] | None) -> None:
    beside = [("api", "API"), ("metrics", "Metrics"), *([("dashboard", "Optuna dashboard")] if dashboard else [])]
    reports = ReportPages(reader, [("../", "All studies"), *((f"../{address}", text) for address, text in beside)])

    @app.get("/", include_in_schema=False)
    def index() -> HTMLResponse:
        return HTMLResponse(studies_page(reader.studies(), beside), headers=policy("live.js"))

    @app.get("/studies/{name}", include_in_schema=False)
    async def report(request: Request, name: str) -> Response:
        page = await reports.get(name)
        headers = {"ETag": f'"{page.version}"', "Cache-Control": "no-cache", **policy("script.js", "live.js")}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return HTMLResponse(page.text, headers=headers)

    @app.get("/api", include_in_schema=False)
    def endpoints() -> HTMLResponse:
        return HTMLResponse(endpoints_page(app.openapi()), headers=policy())

    if dashboard is not None:

        @app.get("/dashboard", include_in_schema=False)
        def dashboard_link() -> RedirectResponse:
            return RedirectResponse(dashboard(), 303)
