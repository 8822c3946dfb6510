-- Every table as it was first created. Later changes are later migrations.

CREATE TABLE alert (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  session TEXT,
  severity TEXT NOT NULL,
  kind TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  title TEXT NOT NULL,
  message TEXT NOT NULL,
  context JSONB NOT NULL,
  source_key TEXT NOT NULL,
  raised_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  acknowledged_at TIMESTAMP WITH TIME ZONE,
  acknowledged_by TEXT,
  CONSTRAINT pk_alert PRIMARY KEY (id),
  CONSTRAINT ck_alert_severity CHECK (severity in ('critical', 'info', 'warning')),
  CONSTRAINT uq_alert_source_key UNIQUE (source_key)
);

CREATE INDEX ix_alert_raised_at ON alert (raised_at);

CREATE TABLE broker_account (
  account TEXT NOT NULL,
  session TEXT NOT NULL,
  is_paper BOOLEAN,
  first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT pk_broker_account PRIMARY KEY (account)
);

CREATE TABLE broker_session (
  session TEXT NOT NULL,
  account TEXT NOT NULL,
  client_id INTEGER NOT NULL,
  order_id_floor BIGINT DEFAULT '0' NOT NULL,
  connection_no BIGINT DEFAULT '0' NOT NULL,
  connected BOOLEAN DEFAULT false NOT NULL,
  ready BOOLEAN DEFAULT false NOT NULL,
  is_paper BOOLEAN,
  market_at TIMESTAMP WITH TIME ZONE,
  observed_at TIMESTAMP WITH TIME ZONE,
  market_rate NUMERIC DEFAULT '1' NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT pk_broker_session PRIMARY KEY (session)
);

CREATE TABLE config_version (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  hash TEXT NOT NULL,
  content JSONB NOT NULL,
  difference JSONB,
  actor TEXT NOT NULL,
  loaded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT pk_config_version PRIMARY KEY (id)
);

CREATE TABLE heartbeat (
  service TEXT NOT NULL,
  instance TEXT NOT NULL,
  account TEXT NOT NULL,
  beat_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  detail JSONB NOT NULL,
  CONSTRAINT pk_heartbeat PRIMARY KEY (service, instance)
);

CREATE TABLE idempotency_key (
  key TEXT NOT NULL,
  account TEXT NOT NULL,
  route TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  response_status INTEGER,
  response JSONB,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT pk_idempotency_key PRIMARY KEY (key, route)
);

CREATE TABLE journal (
  account TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  actor TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  body TEXT NOT NULL,
  previous_hash TEXT NOT NULL,
  hash TEXT NOT NULL,
  CONSTRAINT pk_journal PRIMARY KEY (account, sequence)
);

CREATE TABLE journal_head (
  account TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  hash TEXT NOT NULL,
  CONSTRAINT pk_journal_head PRIMARY KEY (account)
);

CREATE TABLE lease (
  name TEXT NOT NULL,
  account TEXT NOT NULL,
  holder TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  acquired_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_lease PRIMARY KEY (name)
);

CREATE TABLE operator_token (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE,
  revoked_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_operator_token PRIMARY KEY (id),
  CONSTRAINT ck_operator_token_role CHECK (role in ('admin', 'operator', 'viewer')),
  CONSTRAINT uq_operator_token_token_hash UNIQUE (token_hash)
);

CREATE TABLE option_chain_cache (
  account TEXT NOT NULL,
  symbol TEXT NOT NULL,
  trading_class TEXT NOT NULL,
  exchange_day DATE NOT NULL,
  chain JSONB NOT NULL,
  stored_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT pk_option_chain_cache PRIMARY KEY (account, symbol, trading_class, exchange_day)
);

CREATE TABLE order_transition (
  from_state TEXT NOT NULL,
  to_state TEXT NOT NULL,
  CONSTRAINT pk_order_transition PRIMARY KEY (from_state, to_state)
);

CREATE TABLE outbox (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  account TEXT NOT NULL,
  queue TEXT NOT NULL,
  job_name TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  traceparent TEXT,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  enqueued_at TIMESTAMP WITH TIME ZONE,
  voided_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_outbox PRIMARY KEY (id)
);

CREATE INDEX ix_outbox_open ON outbox (id) WHERE enqueued_at is null and voided_at is null;

CREATE INDEX ix_outbox_subject ON outbox (job_name, subject_id);

CREATE TABLE portfolio_snapshot (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  session TEXT NOT NULL,
  requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
  taken_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  market_at TIMESTAMP WITH TIME ZONE NOT NULL,
  currency TEXT NOT NULL,
  net_liquidation NUMERIC,
  total_cash NUMERIC,
  buying_power NUMERIC,
  available_funds NUMERIC,
  excess_liquidity NUMERIC,
  initial_margin NUMERIC,
  maintenance_margin NUMERIC,
  cushion_ratio NUMERIC,
  complete BOOLEAN NOT NULL,
  CONSTRAINT pk_portfolio_snapshot PRIMARY KEY (id)
);

CREATE INDEX ix_portfolio_snapshot_newest ON portfolio_snapshot (account, taken_at DESC);

CREATE TABLE reconciliation (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  session TEXT NOT NULL,
  trigger TEXT NOT NULL,
  clean BOOLEAN NOT NULL,
  differences JSONB NOT NULL,
  actions JSONB NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  finished_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  market_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_reconciliation PRIMARY KEY (id)
);

CREATE TABLE spool_replay (
  record_id TEXT NOT NULL,
  account TEXT NOT NULL,
  replayed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT pk_spool_replay PRIMARY KEY (record_id)
);

CREATE TABLE strategy_run (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  slot TEXT NOT NULL,
  trigger TEXT NOT NULL,
  actor TEXT NOT NULL,
  status TEXT DEFAULT 'claimed' NOT NULL,
  claimed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE,
  started_market_at TIMESTAMP WITH TIME ZONE,
  finished_at TIMESTAMP WITH TIME ZONE,
  config_hash TEXT,
  gate_version BIGINT,
  attempts INTEGER DEFAULT '0' NOT NULL,
  error TEXT,
  summary JSONB,
  traceparent TEXT,
  CONSTRAINT pk_strategy_run PRIMARY KEY (id),
  CONSTRAINT uq_strategy_run_account_slot UNIQUE (account, slot),
  CONSTRAINT ck_strategy_run_status CHECK (status in ('claimed', 'failed', 'finished', 'missed', 'running')),
  CONSTRAINT ck_strategy_run_trigger CHECK (trigger in ('api', 'cli', 'schedule'))
);

CREATE TABLE trading_gate (
  account TEXT NOT NULL,
  state TEXT NOT NULL,
  version BIGINT DEFAULT '1' NOT NULL,
  cause TEXT NOT NULL,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  changed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT pk_trading_gate PRIMARY KEY (account),
  CONSTRAINT ck_trading_gate_state CHECK (state in ('active', 'halted', 'reducing'))
);

CREATE TABLE trading_state (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  scope TEXT NOT NULL,
  scope_key TEXT NOT NULL,
  state TEXT NOT NULL,
  cause TEXT NOT NULL,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  set_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  ended_by TEXT,
  CONSTRAINT pk_trading_state PRIMARY KEY (id),
  CONSTRAINT ck_trading_state_scope CHECK (scope in ('account', 'strategy', 'symbol')),
  CONSTRAINT ck_trading_state_state CHECK (state in ('active', 'halted', 'reducing'))
);

CREATE UNIQUE INDEX uq_trading_state_open ON trading_state (account, scope, scope_key, cause) WHERE ended_at is null;

CREATE TABLE adjustment (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  reconciliation_id UUID,
  difference JSONB NOT NULL,
  reason TEXT NOT NULL,
  actor TEXT NOT NULL,
  accepted_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT pk_adjustment PRIMARY KEY (id),
  CONSTRAINT fk_adjustment_reconciliation_id_reconciliation FOREIGN KEY(reconciliation_id) REFERENCES reconciliation (id)
);

CREATE TABLE alert_delivery (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  alert_id UUID NOT NULL,
  channel TEXT NOT NULL,
  state TEXT DEFAULT 'pending' NOT NULL,
  attempts INTEGER DEFAULT '0' NOT NULL,
  next_attempt_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  last_error TEXT,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  delivered_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_alert_delivery PRIMARY KEY (id),
  CONSTRAINT uq_alert_delivery_alert_id_channel UNIQUE (alert_id, channel),
  CONSTRAINT ck_alert_delivery_state CHECK (state in ('dead', 'delivered', 'pending', 'sending')),
  CONSTRAINT fk_alert_delivery_alert_id_alert FOREIGN KEY(alert_id) REFERENCES alert (id)
);

CREATE INDEX ix_alert_delivery_due ON alert_delivery (next_attempt_at) WHERE state in ('pending', 'sending');

CREATE TABLE decision (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  run_id UUID NOT NULL,
  symbol TEXT NOT NULL,
  kind TEXT NOT NULL,
  outcome TEXT NOT NULL,
  rationale JSONB NOT NULL,
  decided_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  market_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT pk_decision PRIMARY KEY (id),
  CONSTRAINT uq_decision_run_id_symbol_kind UNIQUE (run_id, symbol, kind),
  CONSTRAINT ck_decision_outcome CHECK (outcome in ('blocked', 'nothing', 'order')),
  CONSTRAINT fk_decision_run_id_strategy_run FOREIGN KEY(run_id) REFERENCES strategy_run (id)
);

CREATE TABLE position_snapshot (
  snapshot_id UUID NOT NULL,
  row_no INTEGER NOT NULL,
  account TEXT NOT NULL,
  session TEXT NOT NULL,
  con_id BIGINT,
  symbol TEXT NOT NULL,
  contract JSONB NOT NULL,
  quantity NUMERIC NOT NULL,
  average_cost NUMERIC,
  market_price NUMERIC,
  market_value NUMERIC,
  unrealised_pnl NUMERIC,
  realised_pnl NUMERIC,
  delta NUMERIC,
  gamma NUMERIC,
  vega NUMERIC,
  theta NUMERIC,
  CONSTRAINT pk_position_snapshot PRIMARY KEY (snapshot_id, row_no),
  CONSTRAINT fk_position_snapshot_snapshot_id_portfolio_snapshot FOREIGN KEY(snapshot_id) REFERENCES portfolio_snapshot (id)
);

CREATE TABLE order_intent (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  session TEXT NOT NULL,
  run_id UUID,
  decision_id UUID,
  source TEXT NOT NULL,
  actor TEXT NOT NULL,
  strategy TEXT NOT NULL,
  symbol TEXT NOT NULL,
  kind TEXT NOT NULL,
  effect TEXT NOT NULL,
  action TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  filled_quantity INTEGER DEFAULT '0' NOT NULL,
  limit_price NUMERIC,
  price_floor NUMERIC,
  price_ceiling NUMERIC,
  contract JSONB NOT NULL,
  quote JSONB,
  state TEXT NOT NULL,
  state_reason TEXT DEFAULT '' NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  decided_market_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_market_at TIMESTAMP WITH TIME ZONE NOT NULL,
  version INTEGER DEFAULT '1' NOT NULL,
  traceparent TEXT,
  CONSTRAINT pk_order_intent PRIMARY KEY (id),
  CONSTRAINT ck_order_intent_quantity CHECK (quantity > 0),
  CONSTRAINT ck_order_intent_filled_quantity CHECK (filled_quantity >= 0),
  CONSTRAINT ck_order_intent_limit_price CHECK (kind = 'orphan' or limit_price > 0),
  CONSTRAINT ck_order_intent_source CHECK (source in ('operator', 'orphan', 'strategy')),
  CONSTRAINT ck_order_intent_kind CHECK (kind in ('close', 'flatten', 'manual', 'orphan', 'roll', 'write')),
  CONSTRAINT ck_order_intent_effect CHECK (effect in ('opening', 'reducing')),
  CONSTRAINT ck_order_intent_action CHECK (action in ('BUY', 'SELL')),
  CONSTRAINT ck_order_intent_state CHECK (state in ('absent', 'approved', 'cancelled', 'expired', 'filled', 'held', 'needs_person', 'proposed', 'rejected', 'rejected_by_broker', 'submitting', 'unknown', 'withdrawn', 'working')),
  CONSTRAINT fk_order_intent_run_id_strategy_run FOREIGN KEY(run_id) REFERENCES strategy_run (id),
  CONSTRAINT fk_order_intent_decision_id_decision FOREIGN KEY(decision_id) REFERENCES decision (id)
);

CREATE INDEX ix_order_intent_unfinished ON order_intent (account, state) WHERE state in ('proposed','held','approved','submitting','working','unknown','needs_person');

CREATE TABLE buying_power_reservation (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  intent_id UUID NOT NULL,
  amount NUMERIC NOT NULL,
  currency TEXT NOT NULL,
  reserved_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  released_at TIMESTAMP WITH TIME ZONE,
  release_reason TEXT,
  CONSTRAINT pk_buying_power_reservation PRIMARY KEY (id),
  CONSTRAINT ck_buying_power_reservation_amount CHECK (amount >= 0),
  CONSTRAINT uq_buying_power_reservation_intent_id UNIQUE (intent_id),
  CONSTRAINT fk_buying_power_reservation_intent_id_order_intent FOREIGN KEY(intent_id) REFERENCES order_intent (id)
);

CREATE TABLE child_order (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  session TEXT NOT NULL,
  intent_id UUID NOT NULL,
  sequence INTEGER NOT NULL,
  order_ref TEXT NOT NULL,
  state TEXT NOT NULL,
  state_reason TEXT DEFAULT '' NOT NULL,
  quantity INTEGER NOT NULL,
  filled_quantity INTEGER DEFAULT '0' NOT NULL,
  limit_price NUMERIC,
  client_id INTEGER,
  order_id BIGINT,
  perm_id BIGINT,
  connection_no BIGINT,
  broker_status TEXT,
  inferred BOOLEAN DEFAULT false NOT NULL,
  claimed_market_at TIMESTAMP WITH TIME ZONE,
  final_event_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT pk_child_order PRIMARY KEY (id),
  CONSTRAINT uq_child_order_intent_id_sequence UNIQUE (intent_id, sequence),
  CONSTRAINT ck_child_order_quantity CHECK (quantity > 0),
  CONSTRAINT ck_child_order_filled_quantity CHECK (filled_quantity >= 0),
  CONSTRAINT ck_child_order_state CHECK (state in ('absent', 'approved', 'cancelled', 'expired', 'filled', 'needs_person', 'rejected_by_broker', 'submitting', 'unknown', 'working')),
  CONSTRAINT fk_child_order_intent_id_order_intent FOREIGN KEY(intent_id) REFERENCES order_intent (id),
  CONSTRAINT uq_child_order_order_ref UNIQUE (order_ref)
);

CREATE INDEX ix_child_order_perm_id ON child_order (perm_id);

CREATE INDEX ix_child_order_session_state ON child_order (session, state);

CREATE TABLE risk_verdict (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  intent_id UUID NOT NULL,
  review INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  controls JSONB NOT NULL,
  limits_hash TEXT NOT NULL,
  reviewed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  market_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_risk_verdict PRIMARY KEY (id),
  CONSTRAINT uq_risk_verdict_intent_id_review UNIQUE (intent_id, review),
  CONSTRAINT ck_risk_verdict_outcome CHECK (outcome in ('approved', 'held', 'rejected')),
  CONSTRAINT fk_risk_verdict_intent_id_order_intent FOREIGN KEY(intent_id) REFERENCES order_intent (id)
);

CREATE TABLE broker_command (
  id UUID NOT NULL,
  account TEXT NOT NULL,
  session TEXT NOT NULL,
  child_id UUID NOT NULL,
  kind TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  epoch BIGINT NOT NULL,
  connection_no BIGINT NOT NULL,
  order_id BIGINT NOT NULL,
  claimed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  claimed_market_at TIMESTAMP WITH TIME ZONE NOT NULL,
  send_within_ms INTEGER NOT NULL,
  sent_at TIMESTAMP WITH TIME ZONE,
  acknowledged_at TIMESTAMP WITH TIME ZONE,
  outcome TEXT DEFAULT 'claimed' NOT NULL,
  detail TEXT DEFAULT '' NOT NULL,
  limit_price NUMERIC,
  CONSTRAINT pk_broker_command PRIMARY KEY (id),
  CONSTRAINT uq_broker_command_child_id_kind_attempt UNIQUE (child_id, kind, attempt),
  CONSTRAINT ck_broker_command_modify_price CHECK (kind <> 'modify' or limit_price > 0),
  CONSTRAINT ck_broker_command_kind CHECK (kind in ('cancel', 'modify', 'place')),
  CONSTRAINT ck_broker_command_outcome CHECK (outcome in ('acknowledged', 'claimed', 'not_sent', 'refused', 'sent', 'unknown')),
  CONSTRAINT fk_broker_command_child_id_child_order FOREIGN KEY(child_id) REFERENCES child_order (id)
);

CREATE UNIQUE INDEX uq_broker_command_one_place ON broker_command (child_id) WHERE kind = 'place';

CREATE TABLE execution (
  exec_id TEXT NOT NULL,
  account TEXT NOT NULL,
  session TEXT NOT NULL,
  exec_key TEXT NOT NULL,
  child_id UUID,
  order_ref TEXT,
  perm_id BIGINT,
  client_id INTEGER,
  side TEXT NOT NULL,
  quantity NUMERIC NOT NULL,
  price NUMERIC NOT NULL,
  contract JSONB NOT NULL,
  executed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  commission NUMERIC,
  commission_currency TEXT,
  realised_pnl NUMERIC,
  is_foreign BOOLEAN NOT NULL,
  inferred BOOLEAN DEFAULT false NOT NULL,
  superseded BOOLEAN DEFAULT false NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  stored_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT pk_execution PRIMARY KEY (exec_id),
  CONSTRAINT ck_execution_side CHECK (side in ('BUY', 'SELL')),
  CONSTRAINT fk_execution_child_id_child_order FOREIGN KEY(child_id) REFERENCES child_order (id)
);

CREATE INDEX ix_execution_child_id ON execution (child_id);

CREATE INDEX ix_execution_exec_key ON execution (exec_key);

CREATE TABLE order_event (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  account TEXT NOT NULL,
  session TEXT NOT NULL,
  spool_id TEXT NOT NULL,
  child_id UUID,
  order_ref TEXT,
  order_id BIGINT,
  perm_id BIGINT,
  client_id INTEGER,
  connection_no BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  kind TEXT NOT NULL,
  payload JSONB NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  received_market_at TIMESTAMP WITH TIME ZONE,
  stored_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT pk_order_event PRIMARY KEY (id),
  CONSTRAINT uq_order_event_spool_id UNIQUE (spool_id),
  CONSTRAINT fk_order_event_child_id_child_order FOREIGN KEY(child_id) REFERENCES child_order (id)
);

CREATE INDEX ix_order_event_order_ref ON order_event (order_ref);
