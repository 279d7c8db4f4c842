"""Everything that goes wrong, as a problem document (RFC 9457): one shape for every error of the REST API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
_MAX_FAULTS = 20
_PASSING = (429, 503)
"""What has a reason that passes: the answer says when to come again, by default after so many seconds."""
RETRY_AFTER_S = 5


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(examples=["body.to"])
    what: str = Field(examples=["Field required"])


class ProblemDocument(BaseModel):
    """What an error answer holds (RFC 9457 §3)."""

    type: str = "about:blank"
    title: str = Field(examples=["Forbidden"])
    status: int = Field(examples=[403])
    detail: str = Field(examples=["no allow_destinations of trunk carrier fits +99155501"])
    rule: str = Field(description="The rule that decided; the same word in log, event and metric.")
    instance: str = Field(examples=["/v1/calls"])
    faults: list[Fault] | None = Field(None, description="With rule `invalid_request`: each thing that is wrong.")


class Problem(Exception):
    """An answer other than success. ``rule`` names what decided, as everywhere else."""

    def __init__(
        self,
        status: int,
        rule: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.rule = rule
        self.detail = detail
        self.headers = dict(headers or {})
        if status in _PASSING:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
        self.faults = list(faults)


def problem_response(problem: Problem, instance: str) -> JSONResponse:
    """The document of a problem, for the path it happened at."""
    document = ProblemDocument(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        rule=problem.rule,
        instance=instance,
        faults=problem.faults or None,
    )
    return JSONResponse(
        document.model_dump(exclude_none=True), problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems a route may answer with, for OpenAPI."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def answer_problems(app: FastAPI) -> None:
    """Every error of the app becomes a problem document, those of the framework included."""
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_fault)


async def _answer_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return problem_response(error, request.url.path)


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """What was sent is not repeated: it may hold what no log of a client should."""
    assert isinstance(error, RequestValidationError)
    faults = [
        Fault(where=".".join(str(part)[:64] for part in found["loc"])[:200], what=str(found["msg"])[:200])
        for found in error.errors()[:_MAX_FAULTS]
    ]
    detail = f"{len(error.errors())} fault(s) in the request; the first: {faults[0].where}: {faults[0].what}"
    return problem_response(Problem(422, "invalid_request", detail, faults=faults), request.url.path)


_RULES = {404: "no_such_path", 405: "method_not_allowed"}


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    rule = _RULES.get(error.status_code, "invalid_request")
    problem = Problem(error.status_code, rule, str(error.detail), headers=error.headers)
    return problem_response(problem, request.url.path)


async def _answer_fault(request: Request, error: Exception) -> JSONResponse:
    del error  # its text is for the log: it may name anything
    return problem_response(
        Problem(500, "internal_error", "a fault of the gateway; its log says more"), request.url.path
    )
