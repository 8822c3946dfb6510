"""Status, intents, runs, halt, resume, cancel, modify."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from theta.broker_gateway.entrypoints.http.ports import ApiParts
from theta.common.domain.orders import OrderState
from theta.common.http.auth import Role, TokenRecord, require
from theta.common.http.problem import ProblemError
from theta.common.telemetry import names
from theta.common.telemetry.traces import current_traceparent, span

Scope = Literal["account", "strategy", "symbol"]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class RunRequest(Body):
    """Ask for a strategy run. Without `account`, the session's only one."""

    account: str | None = None


class ScopeRequest(Body):
    """Halt or resume a scope. `scope_key` names the strategy or symbol; `account` all without."""

    reason: str = Field(min_length=1, max_length=500)
    scope: Scope = "account"
    scope_key: str | None = Field(default=None, max_length=64)
    account: str | None = None


class ModifyRequest(Body):
    """A new limit of an intent's live order, per share, within the bounds that risk approved."""

    limit_price: Decimal = Field(gt=0, le=1_000_000, max_digits=12, decimal_places=4)
    reason: str = Field(default="asked for by an operator", min_length=1, max_length=500)


class ReasonRequest(Body):
    reason: str = Field(default="asked for by an operator", min_length=1, max_length=500)


def trading_router(parts: ApiParts) -> APIRouter:
    """Return the routes: reading needs the viewer role, acting the operator role."""
    router = APIRouter(prefix="/v1", tags=["trading"])
    operator = Depends(require(Role.OPERATOR, parts.queries.token))
    _add_reads(router, parts)
    _add_run_reads(router, parts)
    _add_order_acts(router, parts)

    @router.post("/runs", status_code=202)
    def run(request: RunRequest, actor: TokenRecord = operator, key: Key = None) -> JSONResponse:
        """Ask for a strategy run; it begins a trace that reaches to the order."""
        account = _account(parts, request.account)
        digest = hashlib.sha256(f"{actor.name}|{account}".encode()).hexdigest()
        stored = _stored_answer(parts, key, "runs", digest)
        if stored is not None:
            return stored
        with span(names.SPAN_HTTP_SERVER, kind="server", method="POST", route="/v1/runs"):
            answer = parts.queries.create_run(
                run_id=parts.ids.uuid(),
                account=account,
                actor=actor.name,
                traceparent=current_traceparent(),
            )
        if key is not None:
            parts.queries.finish_key(key, "runs", 202, answer)
        return JSONResponse(answer, status_code=202)

    @router.post("/halt")
    def halt(request: ScopeRequest, actor: TokenRecord = operator) -> dict[str, Any]:
        """Halt trading. `committed` is false while the database is away: it holds all the same."""
        _check_scope(request)
        return parts.halting.halt(
            scope=request.scope,
            scope_key=request.scope_key,
            account=request.account,
            reason=request.reason,
            actor=actor.name,
        )

    @router.post("/resume")
    def resume(request: ScopeRequest, actor: TokenRecord = operator) -> dict[str, Any]:
        """Lift the scope's states, also `reducing` by contradicted evidence."""
        _check_scope(request)
        states = parts.resuming.resume(
            scope=request.scope,
            scope_key=request.scope_key,
            account=request.account,
            reason=request.reason,
            actor=actor.name,
        )
        return {"states": {account: state.value for account, state in states.items()}}

    return router


def _add_order_acts(router: APIRouter, parts: ApiParts) -> None:
    operator = Depends(require(Role.OPERATOR, parts.queries.token))

    @router.post("/intents/{intent_id}/cancel", status_code=202)
    def cancel(
        intent_id: UUID, request: ReasonRequest, actor: TokenRecord = operator
    ) -> dict[str, Any]:
        """Withdraw an unsent intent, or cancel its orders."""
        found = parts.queries.request_cancel(intent_id, actor=actor.name, reason=request.reason)
        if found is None:
            raise ProblemError(404, "no_such_intent", f"There is no intent {intent_id}.")
        return found

    @router.post("/intents/{intent_id}/modify", status_code=202)
    def modify(
        intent_id: UUID, request: ModifyRequest, actor: TokenRecord = operator
    ) -> dict[str, Any]:
        """Give the intent's live order another limit; 409 says why nothing was sent."""
        outcome = parts.modifying.modify_intent(
            intent_id, request.limit_price, actor=actor.name, reason=request.reason
        )
        if outcome not in ("sent", "unknown"):
            raise ProblemError(
                409, "not_modified", f"The order keeps its price, nothing was sent: {outcome}."
            )
        return {"intent_id": str(intent_id), "outcome": outcome}


def _add_run_reads(router: APIRouter, parts: ApiParts) -> None:
    viewer = [Depends(require(Role.VIEWER, parts.queries.token))]

    @router.get("/runs", dependencies=viewer)
    def runs(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> dict[str, Any]:
        """The newest runs, newest first."""
        return {"runs": parts.queries.runs(limit=limit)}

    @router.get("/runs/{run_id}", dependencies=viewer)
    def run(run_id: UUID) -> dict[str, Any]:
        """One run with its decisions and the intents that came of them."""
        found = parts.queries.run(run_id)
        if found is None:
            raise ProblemError(404, "no_such_run", f"There is no run {run_id}.")
        return found


def _add_reads(router: APIRouter, parts: ApiParts) -> None:
    viewer = [Depends(require(Role.VIEWER, parts.queries.token))]

    @router.get("/status", dependencies=viewer)
    def status() -> dict[str, Any]:
        """The session, the gates, counts of intents, and what keeps orders from being sent."""
        state = parts.loop.call(parts.broker.state, timeout_seconds=2.0)
        return {
            **parts.queries.status(),
            "ready": parts.not_ready() is None,
            "not_ready": parts.not_ready(),
            "gate_closed_by": parts.guard.reasons(),
            "connection": {
                "connected": state.connected,
                "fetched": state.fetched,
                "broker_link": state.broker_link,
                "connection_no": state.connection_no,
                "client_id": state.client_id,
                "accounts": list(state.accounts),
            },
        }

    @router.get("/intents", dependencies=viewer)
    def intents(
        state: OrderState | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> dict[str, Any]:
        """The newest intents, of one state or of all."""
        found = parts.queries.intents(state=state.value if state else None, limit=limit)
        return {"intents": found}

    @router.get("/intents/{intent_id}", dependencies=viewer)
    def intent(intent_id: UUID) -> dict[str, Any]:
        """One intent with children, commands, events, executions and verdicts."""
        found = parts.queries.intent(intent_id)
        if found is None:
            raise ProblemError(404, "no_such_intent", f"There is no intent {intent_id}.")
        return found


def _account(parts: ApiParts, asked: str | None) -> str:
    accounts = parts.loop.call(parts.broker.state, timeout_seconds=2.0).accounts
    if asked is not None:
        if accounts and asked not in accounts:
            raise ProblemError(
                404, "unknown_account", f"This session does not serve account {asked!r}."
            )
        return asked
    if len(accounts) != 1:
        raise ProblemError(
            409, "account_needed", f"The session serves {len(accounts)} accounts: name one."
        )
    return accounts[0]


def _check_scope(request: ScopeRequest) -> None:
    if request.scope != "account" and not request.scope_key:
        raise ProblemError(
            422, "invalid_request", f"body.scope_key: name the {request.scope} that is meant."
        )


def _stored_answer(
    parts: ApiParts, key: str | None, route: str, digest: str
) -> JSONResponse | None:
    """Return the answer kept under an idempotency key; `None` when the work is ours to do."""
    if key is None:
        return None
    known = parts.queries.claim_key(key, route, digest)
    if known is None:
        return None
    if known["request_hash"] != digest:
        raise ProblemError(
            422, "idempotency_key_reused", "This Idempotency-Key was used with another request."
        )
    if known["response"] is None:
        raise ProblemError(409, "in_progress", "The first request with this key is not done yet.")
    return JSONResponse(known["response"], status_code=known["response_status"])
