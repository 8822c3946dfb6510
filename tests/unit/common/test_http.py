"""Problem details, tokens and the serving thread, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI

from theta.common.errors import (
    ConfigError,
    InvariantError,
    OutcomeUnknownError,
    RejectedError,
    StaleDataError,
    ThetaError,
    UnavailableError,
)
from theta.common.http.auth import Role, TokenRecord, depends, hash_token, require
from theta.common.http.problem import ProblemError, install_problem_handlers
from theta.common.http.serving import UvicornThread

RECORDS = {
    hash_token(role.label): TokenRecord(
        name=f"a {role.label}", token_hash=hash_token(role.label), role=role
    )
    for role in Role
}
ERRORS: dict[str, Exception] = {
    "config": ConfigError("mend it"),
    "unavailable": UnavailableError("no database at postgresql://u:pw77@h/d"),
    "stale": StaleDataError("old"),
    "unknown": OutcomeUnknownError("it may have happened"),
    "rejected": RejectedError("halted", "trading is halted"),
    "invariant": InvariantError("contradiction"),
    "theta": ThetaError("plain"),
    "own": ProblemError(412, "stale_version", "read it again"),
    "bug": ZeroDivisionError("secret detail"),
}


def build_app() -> FastAPI:
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/raise/{name}")
    def fail(name: str) -> None:
        raise ERRORS[name]

    @app.get("/count/{number}")
    def count(number: int) -> int:
        return number

    @app.post("/halt")
    def halt(actor: Annotated[TokenRecord, Depends(require(Role.OPERATOR, RECORDS.get))]) -> str:
        return actor.name

    return app


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    server = UvicornThread(build_app(), "127.0.0.1", 0)
    server.start()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=30
    ) as http:
        yield http
    server.stop()


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("config", 422, "config"),
        ("unavailable", 503, "unavailable"),
        ("stale", 503, "stale_data"),
        ("unknown", 502, "outcome_unknown"),
        ("rejected", 409, "halted"),
        ("invariant", 500, "invariant"),
        ("theta", 500, "error"),
        ("own", 412, "stale_version"),
        ("bug", 500, "internal"),
    ],
)
def test_every_error_is_a_problem(client: httpx.Client, name: str, status: int, code: str) -> None:
    answer = client.get(f"/raise/{name}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["title"]
    for secret in ("secret detail", "pw77", "Traceback"):
        assert secret not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_framework_errors_are_problems_too(client: httpx.Client) -> None:
    missing = client.get("/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    method = client.delete("/halt")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert method.headers["allow"] == "POST"
    invalid = client.get("/count/many")
    assert (invalid.status_code, invalid.json()["code"]) == (422, "invalid_request")
    assert "path.number" in invalid.json()["detail"]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Basic abc", 401),
        ("Bearer", 401),
        ("Bearer wrong", 401),
        ("Bearer " + "x" * 300, 401),
        ("Bearer viewer", 403),
        ("Bearer operator", 200),
        ("Bearer admin", 200),
    ],
)
def test_tokens_and_roles(client: httpx.Client, header: str | None, status: int) -> None:
    headers = {"Authorization": header} if header else {}
    answer = client.post("/halt", headers=headers)
    assert answer.status_code == status
    assert (answer.headers.get("www-authenticate") == "Bearer") == (status == 401)


def test_a_lookup_that_matches_loosely_lets_nobody_in() -> None:
    app = FastAPI()
    install_problem_handlers(app)
    anybody = depends(Role.VIEWER, lambda _: RECORDS[hash_token("admin")])

    @app.get("/")
    def root(actor: TokenRecord = anybody) -> str:
        return actor.name

    server = UvicornThread(app, "127.0.0.1", 0)
    server.start()
    try:
        url = f"http://127.0.0.1:{server.port}/"
        answer = httpx.get(url, headers={"Authorization": "Bearer guess"}, trust_env=False)
        assert answer.status_code == 401
    finally:
        server.stop()


def test_roles_are_ordered_and_named() -> None:
    assert Role.VIEWER < Role.OPERATOR < Role.ADMIN
    assert Role.parse("operator") is Role.OPERATOR
    with pytest.raises(ValueError, match="viewer, operator or admin"):
        Role.parse("root")


def test_a_busy_port_is_one_sentence_and_a_stopped_one_is_free() -> None:
    first = UvicornThread(build_app(), "127.0.0.1", 0)
    first.start()
    port = first.port
    with pytest.raises(UnavailableError, match="in use by another program"):
        UvicornThread(build_app(), "127.0.0.1", port).start()
    first.stop()
    assert not first.alive
    second = UvicornThread(build_app(), "127.0.0.1", port)
    second.start()
    second.stop()


def test_an_impossible_address_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="THETA_HTTP_HOST"):
        UvicornThread(build_app(), "192.0.2.1", 0).start()
