"""Every control, in the order in which verdicts and the reference list them."""

from __future__ import annotations

from theta.risk.domain.controls import (
    assignment_cash,
    order_quantity,
    price_collar,
    quote_fresh,
    session_open,
    trading_gate,
)
from theta.risk.domain.framework import Control

CONTROLS: tuple[Control, ...] = (
    trading_gate.CONTROL,
    session_open.CONTROL,
    quote_fresh.CONTROL,
    order_quantity.CONTROL,
    price_collar.CONTROL,
    assignment_cash.CONTROL,
)
