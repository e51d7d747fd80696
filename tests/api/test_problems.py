"""Every error is problem+json; every answer carries the security headers; the OpenAPI schema is one."""

import json
from collections.abc import AsyncGenerator

import pytest
from fastapi.openapi.models import OpenAPI

from support.api_world import World

PROBLEMS = [
    ("GET", "/api/v1/nothing", 404),
    ("POST", "/api/nothing", 404),
    ("GET", "/nothing", 404),
    ("PUT", "/api/v1/assets", 404),
    ("GET", "/api/v1/alerts?state=strange", 422),
    ("GET", "/api/v1/alerts?limit=0", 422),
    ("GET", "/api/v1/alerts?limit=100000", 422),
    ("GET", "/api/v1/alerts/no-number", 422),
    ("GET", "/api/v1/alerts/99999999999999999999999", 422),
    ("GET", "/api/v1/observations", 422),
    ("GET", "/api/v1/observations?datastream=1&from=yesterday", 422),
    ("GET", "/api/v1/observations?datastream=1&from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", 422),
    ("GET", "/api/v1/observations?datastream=1&every=often", 422),
    ("GET", "/api/v1/observations?datastream=1&every=1s&from=1900-01-01T00:00:00Z", 422),
    ("GET", "/api/v1/observations?datastream=1&cursor=nonsense", 422),
    ("GET", "/api/v1/observations?datastream=99999999999999999999999", 422),
    ("GET", "/api/v1/assets/%00", 400),
    ("GET", "/api/v1/findings?kind=a%00b", 400),
    ("GET", "/api/v1/observations?datastream=1&cursor=1.99999999999999999999999999999999", 422),
    ("GET", "/api/v1/assets/" + "x" * 5000, 404),
]


@pytest.mark.parametrize(("method", "path", "status"), PROBLEMS)
async def test_errors_are_problems(world: World, method: str, path: str, status: int) -> None:
    answer = await world.ask("root", method, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert "Traceback" not in answer.text


async def test_a_bad_body_is_told_without_being_repeated(world: World) -> None:
    answer = await world.ask(None, "POST", "/api/v1/session", json={"user": "a", "password": ["secret-word"]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"] == ["body", "password"]
    assert "secret-word" not in answer.text


async def test_unknown_keys_of_a_body_are_refused(world: World) -> None:
    path = f"/api/v1/alerts/{world.alerts['ueno-bridge']}/acknowledge"
    assert (await world.ask("u-crew", "POST", path, json={"remark": "x"})).status_code == 422


async def test_nul_in_a_body_is_refused(world: World) -> None:
    """PostgreSQL's text can't hold it."""
    path = f"/api/v1/alerts/{world.alerts['ueno-bridge']}/acknowledge"
    assert (await world.ask("u-crew", "POST", path, json={"note": "a\0b"})).status_code == 422
    assert (await world.ask("u-crew", "POST", path, content=b'{"note": "\\ud800"}')).status_code == 422


async def test_a_range_of_all_time_is_answered(world: World) -> None:
    path = f"/api/v1/observations?datastream={world.streams['ueno-bridge']}&from=0001-01-01T00:00:00Z"
    answer = await world.ask("root", "GET", f"{path}&until=9999-12-31T00:00:00Z")
    assert answer.status_code == 200
    assert len(answer.json()["value"]) == 3


async def test_a_body_that_is_too_long_is_413(world: World) -> None:
    async def unending() -> AsyncGenerator[bytes]:
        for _ in range(1000):
            yield b"[" * 1000

    for content in (b"x" * 100_000, unending()):
        json_ = {"Content-Type": "application/json"}
        answer = await world.ask(None, "POST", "/api/v1/session", content=content, headers=json_)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


async def test_acknowledging_twice_is_a_conflict(world: World) -> None:
    path = f"/api/v1/alerts/{world.alerts['ueno-bridge']}/acknowledge"
    assert (await world.ask("u-crew", "POST", path)).status_code == 200
    answer = await world.ask("u-crew", "POST", path)
    assert answer.status_code == 409
    assert "u-crew" in answer.json()["detail"]


async def test_security_headers_are_everywhere(world: World) -> None:
    for path in ("/api/v1/assets", "/api/v1/nothing", "/login", "/health/live", "/nothing"):
        headers = (await world.ask("root", "GET", path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (await world.ask("root", "GET", "/api/v1/assets")).headers["cache-control"] == "no-store"


async def test_the_openapi_schema_is_one(world: World) -> None:
    """It validates, every reference leads somewhere, every operation has words, an answer and the problem."""
    schema = (await world.ask(None, "GET", "/api/v1/openapi.json")).json()
    OpenAPI.model_validate(schema)
    text = json.dumps(schema)
    for reference in {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}:
        assert reference in schema["components"]["schemas"]
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) > 25
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            if path.startswith("/api/"):
                assert "application/problem+json" in operation["responses"]["default"]["content"]
                assert path == "/api/v1/session" or operation["security"], path
