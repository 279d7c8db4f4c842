from __future__ import annotations

import json

from gateway.control.problems import RETRY_AFTER_S, Fault, Problem, describe, problem_response


def test_a_problem_says_what_where_and_by_which_rule() -> None:
    faults = [Fault(where="body.to", what="Field required")]
    problem = Problem(503, "node.max_calls", "full", headers={"Retry-After": "5"}, faults=faults)
    response = problem_response(problem, "/v1/calls")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "5"
    assert json.loads(bytes(response.body)) == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "full",
        "rule": "node.max_calls",
        "instance": "/v1/calls",
        "faults": [{"where": "body.to", "what": "Field required"}],
    }


def test_a_route_describes_its_problems() -> None:
    assert describe(404)[404]["content"]["application/problem+json"]["schema"]["$ref"].endswith("ProblemDocument")


def test_what_passes_says_when_to_come_again_also_where_nobody_said_it() -> None:
    assert Problem(503, "trunks.down", "down").headers == {"Retry-After": str(RETRY_AFTER_S)}
    assert Problem(429, "trunks.calls_per_second", "", headers={"Retry-After": "1"}).headers == {"Retry-After": "1"}
    assert Problem(404, "no_such_call", "").headers == {}
