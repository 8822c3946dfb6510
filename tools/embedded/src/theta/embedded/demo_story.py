"""The demo's story: what is done to the running system, and what must be seen."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theta.common.config.thetagang import load_config
from theta.common.errors import UnavailableError
from theta.embedded.demo_view import Screen
from theta.embedded.oracle_readers import Reader, fetch_truth
from theta.embedded.oracle_values import Expectation, Records, Truth, Violation
from theta.embedded.running import Deployment
from theta.embedded.settling import query, settle, sink_bodies
from theta.embedded.slack_sink import SlackSink

KILL_POINT = "gateway.send.after_write"
RUN_TIMEOUT_SECONDS = 45.0
ADOPTION_TIMEOUT_SECONDS = 45.0
FILL_TIMEOUT_SECONDS = 20.0
SETTLE_TIMEOUT_SECONDS = 45.0
CALM_SECONDS = 1.5
HAZARD_SECONDS = 10
"""Mean wait of a resting order at the far side of the spread: short, so that one fills soon."""
CALLBACK_DELAY_MS = 1500
"""The broker's answers wait this long while the kill is armed: none can come back before it."""

_ORDERS = """
    select i.symbol, i.state, i.contract, i.action, i.quantity, i.filled_quantity, i.limit_price,
      c.order_ref, c.state as child_state, c.perm_id
    from order_intent i left join child_order c on c.intent_id = i.id order by i.created_at
"""
_DECISIONS = "select symbol, kind, outcome, rationale from decision order by symbol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was seen. `wanted` are the symbols on which a put had to be sold."""

    wanted: frozenset[str]
    sold: frozenset[str]
    truth: Truth
    records: Records
    violations: tuple[Violation, ...]
    in_doubt: frozenset[str]
    """Refs of the orders whose answer the crash lost."""
    sold_refs: frozenset[str]
    slack_messages: int

    @property
    def adopted(self) -> int:
        """How many orders of the crash are known again, each as one order at the broker."""
        refs = [order.order_ref for order in self.truth.orders]
        return sum(refs.count(ref) == 1 for ref in self.in_doubt & self.sold_refs)

    @property
    def filled(self) -> int:
        return sum(order.status == "Filled" for order in self.truth.orders)

    @property
    def journal_intact(self) -> bool:
        return not any(violation.rule == "journal" for violation in self.violations)

    @property
    def ok(self) -> bool:
        return (
            self.sold >= self.wanted
            and self.filled >= 1
            and self.adopted == len(self.in_doubt) >= 1
            and not self.violations
            and bool(self.records.journal)
            and self.slack_messages >= 1
        )

    def figures(self, seconds: float) -> dict[str, Any]:
        """Return the demo's figures, JSON-ready."""
        return {
            "ok": self.ok,
            "puts_sold": len(self.sold),
            "orders": len(self.truth.orders),
            "filled": self.filled,
            "adopted": self.adopted,
            "violations": len(self.violations),
            "journal_rows": len(self.records.journal),
            "journal_intact": self.journal_intact,
            "slack_messages": self.slack_messages,
            "seconds": round(seconds, 1),
        }


class Story:
    """Runs the steps in order. `step` names the present one, for whoever reports a failure."""

    def __init__(self, deployment: Deployment, sink: SlackSink, screen: Screen) -> None:
        self.step = "start"
        self._deployment = deployment
        self._sink = sink
        self._screen = screen
        self._url = deployment.servers.reader_url
        config = load_config(deployment.plan.config)
        self._symbols = frozenset(config.portfolio.symbols)

    def run(self) -> Outcome:
        """Tell the whole story. Raises `UnavailableError` where it could not go on."""
        self._begin("starting the simulator and the services")
        self._deployment.start()
        opening = fetch_truth(self._deployment.control_url)
        self._begin("asking for one run, with a kill armed after the write of the second order")
        self._prepare_crash()
        run_id = self._ask_for_run()
        self._wait(lambda: self._run_state(run_id) == "finished", "the run", RUN_TIMEOUT_SECONDS)
        self._tell_decisions()
        self._begin("waiting for broker-gateway to die between write and acknowledgement")
        in_doubt = self._see_crash()
        self._begin("starting broker-gateway again")
        self._recover(in_doubt)
        self._begin("waiting for a fill")
        self._fill()
        self._begin("letting everything come to rest, then comparing both sides")
        with Reader(self._url) as reader:
            truth, records, violations = settle(
                self._deployment.control_url,
                reader,
                lambda: self._expectation(opening),
                timeout_seconds=SETTLE_TIMEOUT_SECONDS,
                calm_seconds=CALM_SECONDS,
                notice=self._screen.notice,
                refresh=self._deployment.refresh_account,
            )
        outcome = self._outcome(truth, records, violations, in_doubt)
        self._tell(outcome)
        return outcome

    def show(self, outcome: Outcome) -> None:
        """Show decisions with their reasons, orders and fills as tables."""
        rows = [
            (row["symbol"], row["kind"], row["outcome"], _reasons(row["rationale"]))
            for row in query(self._url, _DECISIONS)
        ]
        self._screen.table("Decisions", ("symbol", "kind", "outcome", "why"), rows)
        orders = [
            (
                contract_text(row["contract"]),
                row["action"],
                row["quantity"],
                row["limit_price"],
                row["state"],
                row["filled_quantity"],
                row["order_ref"],
            )
            for row in query(self._url, _ORDERS)
        ]
        columns = ("contract", "side", "quantity", "limit", "state", "filled", "order_ref")
        self._screen.table("Orders", columns, orders)
        fills = [
            (item.exec_id, item.signed, item.price, item.commission)
            for item in outcome.truth.executions
        ]
        self._screen.table("Fills", ("execution", "quantity", "price", "commission"), fills)

    # -- steps -------------------------------------------------------------------------------------

    def _begin(self, text: str) -> None:
        self.step = text
        self._screen.step(text)

    def _prepare_crash(self) -> None:
        clock = self._deployment.control("/clock")
        if not clock["market_open"]:
            raise UnavailableError(f"The simulated market is closed at {clock['now']}.")
        self._deployment.control("/fault", {"kind": "tune", "hazard_seconds": HAZARD_SECONDS})
        self._deployment.control("/fault", {"kind": "delay_callbacks_ms", "ms": CALLBACK_DELAY_MS})
        self._deployment.faults.arm({KILL_POINT: {"action": "kill", "after": 1}})

    def _ask_for_run(self) -> str:
        answer = self._deployment.api("POST", "/v1/runs", {})
        if answer.status not in (200, 201, 202):
            raise UnavailableError(f"POST /v1/runs answered {answer.status}: {answer.body}")
        return str(answer.body.get("run_id") or answer.body["id"])

    def _run_state(self, run_id: str) -> str:
        rows = query(self._url, "select status, error from strategy_run where id = %s", run_id)
        if rows and rows[0]["status"] in ("failed", "missed"):
            raise UnavailableError(f"The run {rows[0]['status']}: {rows[0]['error']}")
        return str(rows[0]["status"]) if rows else ""

    def _tell_decisions(self) -> None:
        for row in query(self._url, _DECISIONS):
            deciding = _reasons(row["rationale"]).partition("; ")[0]
            self._screen.step(f"  decided: {row['symbol']}: {deciding}")

    def _see_crash(self) -> frozenset[str]:
        processes = self._deployment.processes
        self._wait(lambda: processes.process_id("gateway") is None, "the kill", RUN_TIMEOUT_SECONDS)
        code = processes.exit_code("gateway")
        if code != -signal.SIGKILL or self._deployment.faults.fired() != [KILL_POINT]:
            raise UnavailableError(
                f"broker-gateway ended with {code} instead of by the armed SIGKILL: see "
                f"{processes.log_of('gateway')}."
            )
        self._deployment.control("/fault", {"kind": "heal"})
        there = {order.order_ref for order in fetch_truth(self._deployment.control_url).orders}
        left = [row for row in query(self._url, _ORDERS) if row["child_state"] == "submitting"]
        in_doubt = [row for row in left if row["perm_id"] is None]
        for row in in_doubt:
            self._screen.step(
                f"  in doubt: {contract_text(row['contract'])} {row['order_ref']} is 'submitting' "
                f"here and {'an order' if row['order_ref'] in there else 'unknown'} at the broker"
            )
        found = frozenset(str(row["order_ref"]) for row in in_doubt) & there
        if not found:
            raise UnavailableError("No order was left in doubt by the kill.")
        return found

    def _recover(self, in_doubt: frozenset[str]) -> None:
        self._deployment.launch("gateway")
        self._deployment.wait_ready("gateway")
        self._wait(
            lambda: in_doubt <= self._sold_refs(), "the orders' adoption", ADOPTION_TIMEOUT_SECONDS
        )
        self._screen.step(f"  adopted: {', '.join(sorted(in_doubt))}")
        self._wait(self._all_sent, "an order for every symbol", ADOPTION_TIMEOUT_SECONDS)

    def _all_sent(self) -> bool:
        return self._sold() >= self._symbols

    def _puts_sold(self) -> list[dict[str, Any]]:
        """Return the puts sold or offered for sale at the broker."""
        return [
            row
            for row in query(self._url, _ORDERS)
            if row["child_state"] in ("working", "filled")
            and row["action"] == "SELL"
            and row["contract"].get("right") == "P"
        ]

    def _sold(self) -> frozenset[str]:
        return frozenset(str(row["symbol"]) for row in self._puts_sold())

    def _sold_refs(self) -> frozenset[str]:
        return frozenset(str(row["order_ref"]) for row in self._puts_sold())

    def _fill(self) -> None:
        deadline = time.monotonic() + FILL_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            orders = fetch_truth(self._deployment.control_url).orders
            done = [order for order in orders if order.status == "Filled"]
            if done:
                self._screen.step(f"  filled: {done[0].order_ref} at limit {done[0].limit}")
                return
            time.sleep(0.2)
        live = next((order for order in orders if order.live), None)
        if live is None:
            raise UnavailableError("No order is live at the broker: nothing can fill.")
        self._screen.step(f"  nobody traded: the simulator fills {live.order_ref}")
        self._deployment.control("/fault", {"kind": "fill_order", "perm_id": live.perm_id})

    def _expectation(self, opening: Truth) -> Expectation:
        return Expectation(
            installation=self._deployment.plan.installation,
            opening=opening,
            symbols=self._symbols,
            sink_bodies=sink_bodies(self._sink),
        )

    def _outcome(
        self,
        truth: Truth,
        records: Records,
        violations: tuple[Violation, ...],
        in_doubt: frozenset[str],
    ) -> Outcome:
        return Outcome(
            wanted=self._symbols,
            sold=self._sold(),
            truth=truth,
            records=records,
            violations=violations,
            in_doubt=in_doubt,
            sold_refs=self._sold_refs(),
            slack_messages=len(self._sink.delivered),
        )

    def _tell(self, outcome: Outcome) -> None:
        for violation in outcome.violations:
            self._screen.step(f"  VIOLATION {violation}")
        state = "intact" if outcome.journal_intact else "BROKEN"
        self._screen.step(f"the oracle found {len(outcome.violations)} violations")
        self._screen.step(f"the journal of {len(outcome.records.journal)} rows is {state}")
        self._screen.step(f"the Slack sink received {outcome.slack_messages} messages")

    def _wait(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        self._deployment.processes.wait_until(condition, what, seconds)


def contract_text(contract: dict[str, Any]) -> str:
    """Return a contract record as people write it: `SPY 2026-09-18 740 P`."""
    parts = (contract.get(name) for name in ("symbol", "expiry", "strike", "right"))
    return " ".join(str(part) for part in parts if part)


def _reasons(rationale: dict[str, Any]) -> str:
    return "; ".join(str(reason.get("text", reason)) for reason in rationale.get("reasons", []))
