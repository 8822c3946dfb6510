"""Every span, metric and attribute name, each with what it means.

A name that is not here cannot be used: `docs/reference/telemetry.md` is generated from this
registry, and dashboards and alert rules are written against it. Attributes have few values:
no symbol, order or intent id is ever one (those go to logs and spans).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MetricKind = Literal["counter", "histogram", "gauge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeName:
    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanName:
    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricName:
    """A metric as written in code; Prometheus shows counters with `_total` appended."""

    name: str
    kind: MetricKind
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def exposed_name(self) -> str:
        """The name under which `/metrics` shows it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


ATTRIBUTES: Final[dict[str, AttributeName]] = {}
SPANS: Final[dict[str, SpanName]] = {}
METRICS: Final[dict[str, MetricName]] = {}

_LATENCY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def _attribute(name: str, description: str) -> str:
    ATTRIBUTES[name] = AttributeName(name=name, description=description)
    return name


def _span(name: str, description: str) -> str:
    SPANS[name] = SpanName(name=name, description=description)
    return name


def _counter(name: str, description: str, *attributes: str) -> str:
    METRICS[name] = MetricName(
        name=name, kind="counter", unit="1", description=description, attributes=attributes
    )
    return name


def _gauge(name: str, unit: str, description: str, *attributes: str) -> str:
    METRICS[name] = MetricName(
        name=name, kind="gauge", unit=unit, description=description, attributes=attributes
    )
    return name


def _histogram(name: str, description: str, *attributes: str) -> str:
    METRICS[name] = MetricName(
        name=name,
        kind="histogram",
        unit="s",
        description=description,
        attributes=attributes,
        buckets=_LATENCY_SECONDS,
    )
    return name


# Attributes -----------------------------------------------------------------------------------
OUTCOME: Final = _attribute("outcome", "How it ended: the value of the outcome's own enumeration.")
CODE: Final = _attribute("code", "Refusal code of a control, or error code of the broker.")
STATE: Final = _attribute("state", "State of an intent, alert, gate or connection.")
JOB: Final = _attribute("job", "Registered job name, such as `risk.review`.")
QUEUE: Final = _attribute("queue", "Queue name without the session.")
MESSAGE: Final = _attribute("message", "Kind of message sent to the broker, such as `place_order`.")
SESSION: Final = _attribute("session", "Broker session name.")
KIND: Final = _attribute("kind", "Kind of the subject, such as `write_put` or a journal kind.")
SEVERITY: Final = _attribute("severity", "Severity of an alert.")
CHANNEL: Final = _attribute("channel", "Alert channel, such as `slack`.")
ERROR_TYPE: Final = _attribute("error_type", "Class name of the exception.")
METHOD: Final = _attribute("method", "HTTP method.")
ROUTE: Final = _attribute("route", "HTTP route template, never the filled path.")
STATUS: Final = _attribute("status", "HTTP status code.")
RUN_ID: Final = _attribute("run_id", "Strategy run (spans only).")
INTENT_ID: Final = _attribute("intent_id", "Order intent (spans only).")
CHILD_ID: Final = _attribute("child_id", "Child order (spans only).")
ALERT_ID: Final = _attribute("alert_id", "Alert (spans only).")
JOB_ID: Final = _attribute("job_id", "Redis job (spans only).")
SUBJECT_ID: Final = _attribute("subject_id", "The one argument of a job (spans only).")
ORDER_REF: Final = _attribute("order_ref", "Our order reference at the broker (spans only).")
SYMBOL: Final = _attribute("symbol", "Underlying symbol (spans only).")

# Spans ----------------------------------------------------------------------------------------
SPAN_JOB: Final = _span("job.run", "A worker runs one job, from handler start to handler end.")
SPAN_SCHEDULE_SLOT: Final = _span("schedule.slot", "The scheduler opens a slot and its run.")
SPAN_RELAY: Final = _span("outbox.relay", "One outbox row becomes one Redis job.")
SPAN_STRATEGY_RUN: Final = _span("strategy.run", "One strategy run: gather, decide, commit.")
SPAN_STRATEGY_SYMBOL: Final = _span("strategy.symbol", "Candidate search of one symbol.")
SPAN_RISK_REVIEW: Final = _span("risk.review", "All risk controls on one intent, and the verdict.")
SPAN_ORDER_CLAIM: Final = _span("order.claim", "The gateway takes an approved intent for itself.")
SPAN_ORDER_SEND: Final = _span("order.send", "Order bytes are written to the broker's socket.")
SPAN_ORDER_CANCEL: Final = _span("order.cancel", "A cancel is written to the broker's socket.")
SPAN_ORDER_EVENT: Final = _span("order.event", "A broker answer is recorded.")
SPAN_RECONCILE: Final = _span("gateway.reconcile", "Broker and records are compared.")
SPAN_HALT: Final = _span("gateway.halt", "Halt: the gate closes, working orders are cancelled.")
SPAN_MARKET_DATA: Final = _span("market_data.request", "Quotes or chains asked of the broker.")
SPAN_ALERT_DELIVER: Final = _span("alerts.deliver", "One alert goes out on its channels.")
SPAN_HTTP_SERVER: Final = _span("http.server", "One request to the gateway's API.")
SPAN_HTTP_CLIENT: Final = _span("http.client", "One request made to the gateway's API.")

# Metrics --------------------------------------------------------------------------------------
RUNS: Final = _counter("theta_runs", "Strategy runs by how they ended.", OUTCOME)
RUN_SECONDS: Final = _histogram("theta_run_seconds", "Duration of a strategy run.", OUTCOME)
DECISIONS: Final = _counter("theta_decisions", "Decisions by kind and outcome.", KIND, OUTCOME)
INTENTS: Final = _gauge("theta_intents", "1", "Order intents not yet final, by state.", STATE)
INTENT_TRANSITIONS: Final = _counter(
    "theta_intent_transitions", "Order intents that entered a state.", STATE
)
VERDICTS: Final = _counter(
    "theta_verdicts", "Risk verdicts by outcome; `code` is the refusing control.", OUTCOME, CODE
)
REVIEW_SECONDS: Final = _histogram("theta_review_seconds", "Duration of a risk review.", OUTCOME)
APPROVE_TO_WRITE_SECONDS: Final = _histogram(
    "theta_approve_to_write_seconds", "Approval committed until order bytes on the socket."
)
ORDERS_SENT: Final = _counter("theta_orders_sent", "Orders written to the socket.", KIND)
ORDER_REJECTIONS: Final = _counter("theta_order_rejections", "Broker rejections by code.", CODE)
ORDERS_UNKNOWN: Final = _gauge(
    "theta_orders_unknown", "1", "Orders whose outcome is unknown now. Above 0 needs a look."
)
FILLS: Final = _counter("theta_fills", "Executions recorded.", KIND)
BROKER_MESSAGES: Final = _counter(
    "theta_broker_messages", "Messages sent to the broker.", MESSAGE, SESSION
)
BROKER_ERRORS: Final = _counter("theta_broker_errors", "Error messages from the broker.", CODE)
CONNECTION_STATE: Final = _gauge(
    "theta_connection_state",
    "1",
    "1 for the state the broker session is in, else 0.",
    STATE,
    SESSION,
)
CONNECTIONS: Final = _counter("theta_connections", "Connections made to the broker.", SESSION)
RECONCILE_SECONDS: Final = _histogram("theta_reconcile_seconds", "Reconnect until reconciled.")
RECONCILE_DIFFERENCES: Final = _counter(
    "theta_reconcile_differences", "Differences found between broker and records.", KIND
)
HALTED: Final = _gauge("theta_halted", "1", "1 while trading is halted, else 0.")
HALT_SECONDS: Final = _histogram("theta_halt_seconds", "Halt committed until last cancel sent.")
ALERTS: Final = _gauge("theta_alerts", "1", "Alerts by state.", STATE, SEVERITY)
ALERTS_RAISED: Final = _counter("theta_alerts_raised", "Alerts raised.", SEVERITY)
ALERT_DELIVERIES: Final = _counter(
    "theta_alert_deliveries", "Delivery attempts by channel and outcome.", CHANNEL, OUTCOME
)
ALERT_DELIVERY_SECONDS: Final = _histogram(
    "theta_alert_delivery_seconds", "Alert raised until handed to the channel.", CHANNEL
)
OUTBOX_LAG_SECONDS: Final = _gauge(
    "theta_outbox_lag_seconds", "s", "Age of the oldest outbox row not yet relayed; 0 when none."
)
OUTBOX_RELAYED: Final = _counter("theta_outbox_relayed", "Outbox rows relayed to Redis.", JOB)
SWEPT: Final = _counter("theta_swept", "Unfinished work put back by the sweeper.", JOB)
JOURNAL_APPENDED: Final = _counter("theta_journal_appended", "Journal entries appended.", KIND)
JOB_SECONDS: Final = _histogram("theta_job_seconds", "Duration of a job's handler.", JOB, OUTCOME)
JOB_FAILURES: Final = _counter("theta_job_failures", "Handlers that raised.", JOB, ERROR_TYPE)
WORKER_CONNECTED: Final = _gauge(
    "theta_worker_connected", "1", "1 while the worker reaches Redis, else 0.", QUEUE
)
HTTP_REQUESTS: Final = _counter(
    "theta_http_requests", "API requests by route and status.", METHOD, ROUTE, STATUS
)
HTTP_SECONDS: Final = _histogram("theta_http_seconds", "Duration of an API request.", METHOD, ROUTE)
SNAPSHOT_AGE_SECONDS: Final = _gauge(
    "theta_snapshot_age_seconds", "s", "Age of the newest complete portfolio snapshot."
)
SPOOL_ROWS: Final = _gauge("theta_spool_rows", "1", "Spooled broker facts not yet in PostgreSQL.")
