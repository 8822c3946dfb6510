"""`thetactl`: the operator's command line.

Exit codes: 0 done; 2 wrong usage; 65 the journal is broken; 69 a peer does not answer; 70 a run
failed; 75 a run did not end in time; 77 refused (token, role, state); 78 a setting or file is
wrong.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import click
import typer
from rich.console import Console

from theta.common.config.environment import load_settings
from theta.common.config.thetagang import config_hash, load_config
from theta.common.errors import EXIT_SOFTWARE, ThetaError, UnavailableError
from theta.common.postgres.gate import Scope
from theta.thetactl import tables_text
from theta.thetactl.adapters import database
from theta.thetactl.adapters.gateway_api import GatewayApi
from theta.thetactl.settings import ENV_FILE, Settings, with_env_file

EXIT_DATA = 65
"""`EX_DATAERR`: the journal does not verify."""
EXIT_TIMED_OUT = 75
"""`EX_TEMPFAIL`: the run is still under way; look again with `thetactl status`."""
POLL_SECONDS = 0.5
FINISHED = frozenset({"finished", "failed", "missed"})

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Operate ThetaGangExpanded.")
journal_app = typer.Typer(no_args_is_help=True, help="The audit journal.")
config_app = typer.Typer(no_args_is_help=True, help="The configuration file.")
token_app = typer.Typer(no_args_is_help=True, help="Tokens of the HTTP API.")
app.add_typer(journal_app, name="journal")
app.add_typer(config_app, name="config")
app.add_typer(token_app, name="token")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it is journalled.")]


def _settings() -> Settings:
    return load_settings(Settings, with_env_file(os.environ, ENV_FILE))


def _api(settings: Settings) -> GatewayApi:
    token = settings.api_token
    return GatewayApi(settings.gateway_url, token.get_secret_value() if token else None)


def _database_url(settings: Settings) -> str | None:
    return settings.database_url.get_secret_value() if settings.database_url else None


def _actor() -> str:
    return f"thetactl:{getpass.getuser()}@{socket.gethostname()}"


def _emit(value: object) -> None:
    typer.echo(json.dumps(value, default=str))


@app.command()
def status(as_json: AsJson = False) -> None:  # noqa: FBT002  # typer's flag
    """Show the broker session, trading state, orders under way and services."""
    found = _api(_settings()).get("/v1/status")
    if as_json:
        _emit(found)
        return
    console = Console()
    console.print(tables_text.facts("status", tables_text.status_facts(found)))
    states = tables_text.state_rows(found)
    console.print(tables_text.rows("trading", tables_text.STATE_COLUMNS, states))


@app.command("run-once")
def run_once(
    account: Annotated[str | None, typer.Option(help="Account; default from the file.")] = None,
    wait: Annotated[int, typer.Option(help="Seconds to wait for its end.", min=0)] = 120,
    as_json: AsJson = False,  # noqa: FBT002  # typer's flag
) -> None:
    """Ask for one strategy run and wait for its end (for cron)."""
    api = _api(_settings())
    body = {"account": account} if account else {}
    run = api.post("/v1/runs", body)
    run_id = run.get("run_id") or run["id"]
    deadline = time.monotonic() + wait
    while run.get("status") not in FINISHED and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        run = api.get(f"/v1/runs/{run_id}")
    _show_run(run, as_json=as_json)
    if run.get("status") == "finished":
        return
    if run.get("status") in FINISHED:
        raise typer.Exit(EXIT_SOFTWARE)
    typer.echo(f"run {run_id} has not ended after {wait} s; it goes on", err=True)
    raise typer.Exit(EXIT_TIMED_OUT)


def _show_run(run: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _emit(run)
        return
    console = Console()
    names = ("id", "account", "status", "error")
    console.print(tables_text.facts("run", {name: run.get(name) for name in names}))
    decisions = run.get("decisions") or []
    if decisions:
        shown = [{**item, "why": _why(item)} for item in decisions]
        console.print(tables_text.rows("decisions", ["symbol", "kind", "outcome", "why"], shown))


def _why(item: dict[str, Any]) -> str:
    reasons = (item.get("rationale") or {}).get("reasons") or item.get("reasons") or []
    return "; ".join(str(reason.get("text", reason)) for reason in reasons)


@app.command()
def halt(
    reason: Reason,
    account: Annotated[str | None, typer.Option(help="Account; default from the file.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Halt only this symbol.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Halt only this strategy.")] = None,
) -> None:
    """Stop trading now: no opening order leaves, working orders are cancelled.

    Works without the gateway (straight to PostgreSQL), and says what to do if that is away too.
    """
    settings = _settings()
    if symbol and strategy:
        raise click.UsageError("name a symbol or a strategy, not both")
    named = account or load_config(settings.config).runtime.account.number
    scope: Scope = "symbol" if symbol else "strategy" if strategy else "account"
    scope_key = symbol or strategy or named
    body = {"account": named, "scope": scope, "scope_key": scope_key, "reason": reason}
    try:
        answer = {"state": "halted", "by": "gateway", **_api(settings).post("/v1/halt", body)}
    except ThetaError as gateway_error:
        typer.echo(f"{gateway_error}; halting through the database", err=True)
        answer = _halt_without_gateway(settings, body, gateway_error)
    _emit(answer)


def _halt_without_gateway(
    settings: Settings, body: dict[str, Any], gateway_error: ThetaError
) -> dict[str, object]:
    try:
        effect = database.halt_in_database(_database_url(settings), **body, actor=_actor())
    except ThetaError as error:
        raise UnavailableError(
            f"{error}; nothing was halted: create the file that THETA_HALT_FLAG_FILE names on the"
            " gateway's host, or stop the broker-gateway process and cancel in TWS"
        ) from gateway_error
    return {
        "state": "halted",
        "by": "database",
        "withdrawn": [str(item) for item in effect.withdrawn],
        "cancels": [str(item) for item in effect.cancels],
    }


@app.command()
def resume(
    reason: Reason,
    account: Annotated[str | None, typer.Option(help="Account; default from the file.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Resume only this symbol.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Resume only this strategy.")] = None,
) -> None:
    """Lift a halt. Nothing that was withdrawn comes back; the next run decides afresh."""
    settings = _settings()
    if symbol and strategy:
        raise click.UsageError("name a symbol or a strategy, not both")
    named = account or load_config(settings.config).runtime.account.number
    scope = "symbol" if symbol else "strategy" if strategy else "account"
    body = {
        "account": named,
        "scope": scope,
        "scope_key": symbol or strategy or named,
        "reason": reason,
    }
    _emit(_api(settings).post("/v1/resume", body))


@app.command()
def intents(
    intent_id: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None,
    state: Annotated[str | None, typer.Option(help="Only intents in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    as_json: AsJson = False,  # noqa: FBT002  # typer's flag
) -> None:
    """List order intents, newest first, or show one with its orders, verdicts and fills."""
    api = _api(_settings())
    if intent_id is not None:
        _emit(api.get(f"/v1/intents/{intent_id}"))
        return
    answer = api.get("/v1/intents", state=state, limit=limit)
    items = answer["intents"] if isinstance(answer, dict) else answer
    if as_json:
        _emit(items)
        return
    columns = ["order", "limit", "filled", "state", "id"]
    shown = [tables_text.intent_row(item) for item in items]
    Console().print(tables_text.rows("intents", columns, shown, whole="id"))


@app.command()
def modify(
    intent_id: Annotated[str, typer.Argument(help="The intent whose order is live.")],
    limit_price: Annotated[str, typer.Argument(help="Its new limit, per share.")],
    reason: Annotated[str, typer.Option(help="Why, for the journal.")] = "asked for by an operator",
) -> None:
    """Give a live order another limit, within the bounds that risk approved."""
    body = {"limit_price": limit_price, "reason": reason}
    _emit(_api(_settings()).post(f"/v1/intents/{intent_id}/modify", body))


@journal_app.command("verify")
def journal_verify(
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
) -> None:
    """Verify the hash chain; exit 65 at the first changed, missing, reordered or inserted row."""
    report = database.verify_journal(_database_url(_settings()), account)
    heads = {
        name: {"sequence": seq, "hash": digest} for name, (seq, digest) in report.heads.items()
    }
    faults = [
        {"account": fault.account, "sequence": fault.sequence, "problem": fault.problem}
        for fault in report.faults
    ]
    _emit({"intact": report.intact, "rows": report.rows, "heads": heads, "faults": faults})
    if not report.intact:
        raise typer.Exit(EXIT_DATA)


@config_app.command("check")
def config_check(
    path: Annotated[Path | None, typer.Argument(help="Default: THETA_CONFIG.")] = None,
) -> None:
    """Read the configuration as the services would; exit 78 with the first fault."""
    chosen = path or _settings().config
    config = load_config(chosen)
    _emit({"path": str(chosen), "valid": True, "hash": config_hash(config)})


@token_app.command("create")
def token_create(
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "viewer",
) -> None:
    """Create a token and print it once; only its hash is kept."""
    url = _database_url(_settings())
    typer.echo(database.create_token(url, name=name, role=role, actor=_actor()))


def main() -> None:
    """Run the command; a failure is one sentence on stderr and its exit code."""
    try:
        app()
    except ThetaError as error:
        print(f"thetactl: {error}", file=sys.stderr)  # noqa: T201  # a command's answer
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
