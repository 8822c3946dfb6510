"""The published client libraries, reduced to what turns objects into fields and fields into
objects: no socket, no loop."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import ib_async
import ib_async.client
import ib_async.decoder
import ib_insync
import ib_insync.client
import ib_insync.decoder

from theta.simulator.wire.framing import decode_fields, encode_fields


class Heard:
    """A wrapper that remembers every callback by name."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.defaultTimezone = None
        self.ib = self
        self.TimezoneTWS = None

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *values: self.calls.append((name, values))

    def only(self, name: str) -> tuple[Any, ...]:
        """The values of the one call there was, which was ``name``."""
        assert [call for call, _ in self.calls] == [name]
        return self.calls[0][1]


class AsyncLibrary:
    """ib_insync or ib_async: the second grew out of the first."""

    def __init__(self, name: str, module: Any, versions: range) -> None:
        self.name = name
        self.versions = versions
        self.module = module

    def encode(self, version: int, request: str, *arguments: Any) -> list[str]:
        """The fields that calling ``request`` sends."""
        sent: list[str] = []
        make: Any = self.module.client.Client
        client = make(Heard())
        client._serverVersion = version
        client.connState = make.CONNECTED
        client.sendMsg = sent.append
        getattr(client, request)(*arguments)
        assert len(sent) == 1
        return sent[0].split("\0")[:-1]

    def decode(self, version: int, fields: list[object], callback: str) -> tuple[Any, ...]:
        """What ``callback`` says of a message of ``fields``."""
        heard = Heard()
        make: Any = self.module.decoder.Decoder
        decoder = make(heard, version)
        number, *rest = decode_fields(encode_fields(fields)[4:])
        decoder.handlers[int(number)]([number, *rest])
        return heard.only(callback)

    def order(self, **values: Any) -> Any:
        return self.module.Order(**values)

    def contract(self, **values: Any) -> Any:
        return self.module.Contract(**values)

    def leg(self, **values: Any) -> Any:
        return self.module.ComboLeg(**values)

    def leg_price(self, price: float) -> Any:
        return self.module.OrderComboLeg(price)

    def tag(self, tag: str, value: str) -> Any:
        return self.module.TagValue(tag, value)

    def tier(self, name: str, value: str) -> Any:
        return self.module.SoftDollarTier(name, value, "")

    def hedge_contract(self, con_id: int, delta: float, price: float) -> Any:
        return self.module.DeltaNeutralContract(con_id, delta, price)

    def condition(self, kind: int, values: dict[str, Any]) -> Any:
        condition = self.module.OrderCondition.createClass(kind)()
        for name, value in values.items():
            setattr(condition, name, value)
        return condition

    @staticmethod
    def condition_values(condition: Any) -> dict[str, Any]:
        return dict(vars(condition))


class OfficialLibrary:
    """The official Python library, ibapi 9.81.1."""

    name = "ibapi"
    versions = range(100, 158)

    def __init__(self, modules: dict[str, ModuleType]) -> None:
        self._modules: dict[str, Any] = dict(modules)

    def encode(self, version: int, request: str, *arguments: Any) -> list[str]:
        sent: list[str] = []
        heard = Heard()
        client = self._modules["client"].EClient(heard)
        client.serverVersion_ = version
        client.isConnected = lambda: True
        client.sendMsg = sent.append
        getattr(client, request)(*arguments)
        assert heard.calls == []
        assert len(sent) == 1
        return sent[0].split("\0")[:-1]

    def decode(self, version: int, fields: list[object], callback: str) -> tuple[Any, ...]:
        heard = Heard()
        decoder = self._modules["decoder"].Decoder(heard, version)
        body = encode_fields(fields)[4:]
        decoder.interpret(tuple(body.split(b"\0")[:-1]))
        return heard.only(callback)

    def order(self, **values: Any) -> Any:
        return _filled(self._modules["order"].Order(), values)

    def contract(self, **values: Any) -> Any:
        return _filled(self._modules["contract"].Contract(), values)

    def leg(self, **values: Any) -> Any:
        return _filled(self._modules["contract"].ComboLeg(), values)

    def leg_price(self, price: float) -> Any:
        return _filled(self._modules["order"].OrderComboLeg(), {"price": price})

    def tag(self, tag: str, value: str) -> Any:
        return self._modules["tag_value"].TagValue(tag, value)

    def tier(self, name: str, value: str) -> Any:
        return self._modules["softdollartier"].SoftDollarTier(name, value, "")

    def hedge_contract(self, con_id: int, delta: float, price: float) -> Any:
        made = self._modules["contract"].DeltaNeutralContract()
        return _filled(made, {"conId": con_id, "delta": delta, "price": price})

    def condition(self, kind: int, values: dict[str, Any]) -> Any:
        named = dict(values)
        named["isConjunctionConnection"] = named.pop("conjunction") == "a"
        if "exch" in named:
            named["exchange"] = named.pop("exch")
        return _filled(self._modules["order_condition"].Create(kind), named)

    def scan(self) -> Any:
        return self._modules["scanner"].ScannerSubscription()

    def condition_values(self, condition: Any) -> dict[str, Any]:
        values = dict(vars(condition))
        values["conjunction"] = "a" if values.pop("isConjunctionConnection") else "o"
        if "exchange" in values:
            values["exch"] = values.pop("exchange")
        return values


def _filled(made: Any, values: dict[str, Any]) -> Any:
    for name, value in values.items():
        assert hasattr(made, name), name
        setattr(made, name, value)
    return made


Library = AsyncLibrary | OfficialLibrary

INSYNC = AsyncLibrary("ib_insync", ib_insync, range(157, 177))
ASYNC = AsyncLibrary("ib_async", ib_async, range(157, 179))
