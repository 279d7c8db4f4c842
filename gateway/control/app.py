"""The operator's HTTP face, put together from its routes."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from gateway import __version__
from gateway.call.desk import CallDesk
from gateway.control.auth import KeyFirst, KeyRing
from gateway.control.body_limit import BodyLimit
from gateway.control.call_events import CallEventRoutes
from gateway.control.calls import CallRoutes
from gateway.control.health import health_router
from gateway.control.problems import ProblemDocument, answer_problems
from gateway.control.request_forms import RequestForms
from gateway.control.trunks import TrunkRoutes
from gateway.observability.logs import Logger
from gateway.observability.metrics import Metrics
from gateway.settings.schema import Settings
from gateway.trunks.facts import TrunkFacts

_ABOUT = """
Places, follows and ends telephone calls between people and voice agents.

Send `Authorization: Bearer TOKEN` with the token of one of `control.keys`. Every error is a problem document
(RFC 9457) whose `rule` names what decided.
"""


class ControlApp:
    """The FastAPI ``app`` with everything that a reload or the end of the process has to reach."""

    def __init__(
        self,
        settings: Settings,
        *,
        desk: CallDesk,
        trunks: TrunkFacts,
        metrics: Metrics,
        not_ready: Callable[[], str | None],
        logger: Logger,
    ) -> None:
        self._keys = KeyRing(settings.control.keys)
        self._calls = CallRoutes(desk, self._keys, settings, logger)
        self._events = CallEventRoutes(desk, self._keys)
        self._trunks = TrunkRoutes(trunks, self._keys, settings)
        app = FastAPI(title="Inworld SIP gateway", version=__version__, description=_ABOUT, redirect_slashes=False)
        answer_problems(app)
        health = health_router(metrics, not_ready=not_ready, serves_metrics=settings.control.metrics)
        routers = [health, self._calls.router, self._events.router, self._trunks.router]
        routes = [*app.routes, *(route for router in routers for route in router.routes)]
        app.add_middleware(KeyFirst, keys=self._keys)
        app.add_middleware(RequestForms, routes=routes)
        app.add_middleware(BodyLimit)  # before the others: what is refused has been read, so the answer gets through
        for router in routers:
            app.include_router(router)
        _name_problem_schema(app)
        self.app = app

    def apply(self, settings: Settings) -> None:
        """Other keys and agents from now on."""
        self._keys.apply(settings.control.keys)
        self._events.keys_changed()
        self._calls.apply(settings)
        self._trunks.apply(settings)

    def close(self) -> None:
        """Ends the streams, so that the server can stop."""
        self._events.close()


def _name_problem_schema(app: FastAPI) -> None:
    """The routes refer to the problem document by name: it must be in the schema even where no route returns it."""
    make = app.openapi

    def openapi() -> dict[str, object]:
        schema = make()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        if "ProblemDocument" not in schemas:
            document = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(document.pop("$defs", {}))
            schemas["ProblemDocument"] = document
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
