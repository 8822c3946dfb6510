-- Guards that hold whatever the program does: legal transitions, an append-only hash-chained journal.

create function guard_intent_state() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state not in ('proposed', 'withdrawn') and new.source <> 'orphan' then
      raise exception 'an intent is born proposed or withdrawn, not %', new.state using errcode = 'check_violation';
    end if;
  elsif new.state <> old.state then
    if not exists (select 1 from order_transition t where t.from_state = old.state and t.to_state = new.state) then
      raise exception 'intent % may not go from % to %', old.id, old.state, new.state using errcode = 'check_violation';
    end if;
  end if;
  if tg_op = 'UPDATE' then
    if new.quantity <> old.quantity or new.contract <> old.contract or new.action <> old.action
       or new.account <> old.account or new.created_at <> old.created_at then
      raise exception 'the terms of intent % never change', old.id using errcode = 'check_violation';
    end if;
    new.updated_at := clock_timestamp();
    new.version := old.version + 1;
  end if;
  return new;
end $$;
create trigger guard_intent_state before insert or update on order_intent
  for each row execute function guard_intent_state();

create function guard_child_state() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state <> 'approved'
       and not exists (select 1 from order_intent i where i.id = new.intent_id and i.source = 'orphan') then
      raise exception 'a child order is born approved, not %', new.state using errcode = 'check_violation';
    end if;
  elsif new.state <> old.state then
    if not exists (select 1 from order_transition t where t.from_state = old.state and t.to_state = new.state) then
      raise exception 'child % may not go from % to %', old.id, old.state, new.state using errcode = 'check_violation';
    end if;
    if old.state = 'filled' and not old.inferred then
      raise exception 'child % is filled and not inferred: it stays', old.id using errcode = 'check_violation';
    end if;
  end if;
  if tg_op = 'UPDATE' then
    if new.order_ref <> old.order_ref or new.intent_id <> old.intent_id or new.quantity > old.quantity then
      raise exception 'the identity of child % never changes and its quantity never grows', old.id
        using errcode = 'check_violation';
    end if;
    new.updated_at := clock_timestamp();
  end if;
  return new;
end $$;
create trigger guard_child_state before insert or update on child_order
  for each row execute function guard_child_state();

create function guard_gate_version() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  new.changed_at := clock_timestamp();
  return new;
end $$;
create trigger guard_gate_version before update on trading_gate
  for each row execute function guard_gate_version();

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end $$;
create trigger journal_is_append_only before update or delete on journal
  for each row execute function refuse_change();
create trigger journal_is_never_truncated before truncate on journal
  for each statement execute function refuse_change();
create trigger journal_head_is_never_removed before delete on journal_head
  for each row execute function refuse_change();
create trigger journal_head_is_never_truncated before truncate on journal_head
  for each statement execute function refuse_change();
create trigger order_event_is_append_only before delete on order_event
  for each row execute function refuse_change();

-- The text that is hashed is built once, here, and stored; the hash covers it and the hash before it.
-- Callers make this the last statement before COMMIT, since it locks the account's head.
create function journal_append(p_account text, p_actor text, p_kind text, p_subject text, p_body json)
returns bigint language plpgsql security definer set search_path = public, pg_temp as $$
declare
  head journal_head%rowtype;
  written_at timestamptz := clock_timestamp();
  line text;
  line_hash text;
begin
  select * into head from journal_head where account = p_account for update;
  if not found then
    insert into journal_head (account, sequence, hash) values (p_account, 0, repeat('0', 64))
      on conflict (account) do nothing;
    select * into head from journal_head where account = p_account for update;
  end if;
  line := json_build_object(
    'account', p_account, 'sequence', head.sequence + 1,
    'at', to_char(written_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'actor', p_actor, 'kind', p_kind, 'subject', p_subject, 'body', p_body)::text;
  line_hash := encode(sha256(convert_to(head.hash || line, 'UTF8')), 'hex');
  insert into journal (account, sequence, at, actor, kind, subject, body, previous_hash, hash)
    values (p_account, head.sequence + 1, written_at, p_actor, p_kind, p_subject, line, head.hash, line_hash);
  update journal_head set sequence = head.sequence + 1, hash = line_hash where account = p_account;
  return head.sequence + 1;
end $$;
revoke all on function journal_append(text, text, text, text, json) from public;

create function wake_relay() returns trigger language plpgsql as $$
begin
  perform pg_notify('theta_outbox', new.queue);
  return new;
end $$;
create trigger wake_relay after insert on outbox for each row execute function wake_relay();

-- The plain claim of order-protocol §5.1 in one round trip: lease, gate, intent locked in that order,
-- then child, command, states and journal. Returns the intent as it was approved; no row and nothing
-- changed when anything is out of the ordinary, and then the caller goes step by step and says why.
create function claim_place(
  p_intent uuid, p_session text, p_lease text, p_epoch bigint, p_market_at timestamptz,
  p_child uuid, p_order_ref text, p_client integer, p_order_id bigint, p_connection bigint,
  p_command uuid, p_send_within_ms integer, p_actor text)
returns setof order_intent language plpgsql set search_path = public, pg_temp as $$
declare
  wanted order_intent%rowtype;
  why text := 'claimed as order ' || p_order_id;
begin
  select * into wanted from order_intent where id = p_intent and session = p_session and state = 'approved';
  if not found then return; end if;
  perform 1 from lease where name = p_lease and epoch = p_epoch and expires_at > clock_timestamp() for share;
  if not found then return; end if;
  perform 1 from trading_gate where account = wanted.account and state = 'active' for share;
  if not found then return; end if;
  if exists (select 1 from trading_state where account = wanted.account and ended_at is null) then return; end if;
  select * into wanted from order_intent where id = p_intent for update;
  if wanted.state <> 'approved' or wanted.expires_market_at <= p_market_at or wanted.filled_quantity <> 0 then
    return;
  end if;
  if wanted.effect = 'opening' and exists (
    select 1 from order_intent i join child_order c on c.intent_id = i.id
    where i.account = wanted.account and i.symbol = wanted.symbol and c.state in ('unknown', 'needs_person')
  ) then return; end if;
  if exists (select 1 from child_order where intent_id = p_intent) then return; end if;
  insert into child_order (id, account, session, intent_id, sequence, order_ref, state, quantity, limit_price)
    values (p_child, wanted.account, p_session, p_intent, 1, p_order_ref, 'approved', wanted.quantity,
      wanted.limit_price);
  update child_order set state = 'submitting', state_reason = why, client_id = p_client, order_id = p_order_id,
      connection_no = p_connection, claimed_market_at = p_market_at
    where id = p_child;
  insert into broker_command (id, account, session, child_id, kind, attempt, epoch, connection_no, order_id,
      claimed_market_at, send_within_ms)
    values (p_command, wanted.account, p_session, p_child, 'place', 1, p_epoch, p_connection, p_order_id,
      p_market_at, p_send_within_ms);
  update order_intent set state = 'submitting', state_reason = why where id = p_intent;
  perform journal_append(wanted.account, p_actor, 'intent.submitting', p_intent::text,
    json_build_object('from', 'approved', 'reason', why, 'symbol', wanted.symbol));
  perform journal_append(wanted.account, p_actor, 'child.submitting', p_child::text,
    json_build_object('from', 'approved', 'reason', why, 'order_ref', p_order_ref, 'intent_id', p_intent));
  return next wanted;
end $$;
revoke all on function claim_place(uuid, text, text, bigint, timestamptz, uuid, text, integer, bigint, bigint,
  uuid, integer, text) from public;
