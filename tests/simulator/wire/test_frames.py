"""Frames, fields and input that no client should send."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.wire.fakes import running_gateway, started
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.wire.codes import REQUEST_NAMES
from theta.simulator.wire.framing import (
    MAX_FRAME_BYTES,
    FrameError,
    FrameReader,
    decode_fields,
    encode_fields,
    frame,
)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.lists(TEXT, min_size=1, max_size=6), max_size=5), st.data())
def test_any_split_of_a_stream_gives_the_same_messages(
    sent: list[list[str]], data: st.DataObject
) -> None:
    stream = b"".join(encode_fields(fields) for fields in sent)
    reader, received, at = FrameReader(), [], 0
    while at < len(stream):
        step = data.draw(st.integers(1, len(stream) - at))
        received += [decode_fields(body) for body in reader.feed(stream[at : at + step])]
        at += step
    assert received == sent


@pytest.mark.parametrize("length", [0, MAX_FRAME_BYTES + 1, 0xFFFFFFFF])
def test_an_impossible_length_ends_the_stream(length: int) -> None:
    with pytest.raises(FrameError):
        FrameReader().feed(struct.pack(">I", length))


def test_a_nul_inside_a_field_shifts_nothing() -> None:
    assert decode_fields(encode_fields(["a\0b", None, True, 1.5, "c"])[4:]) == [
        "a b", "", "1", "1.5", "c",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    runner = asyncio.Runner()
    yield runner.get_loop()
    runner.close()


NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(repr),
    st.sampled_from(["SPY", "OPT", "STK", "20260918", "740", "P", "SMART", "USD", "LMT", "SELL"]),
    st.sampled_from(["", "²", "--5", "nan", "1e999999", "9" * 5000, "1.7976931348623157E308"]),
    TEXT,
)


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(REQUEST_NAMES)), st.lists(NUMBERS, max_size=40)),
        min_size=1,
        max_size=5,
    )
)
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_request_of_any_shape_raises(
    loop: asyncio.AbstractEventLoop, requests: list[tuple[int, list[str]]]
) -> None:
    async def play() -> None:
        async with running_gateway() as gateway:
            session, _ = started(gateway, 1, 176)
            for number, fields in requests:
                session.data_received(encode_fields([number, *fields]))
            session.connection_lost(None)

    loop.run_until_complete(play())


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"API\0\xff\xff\xff\xff",
        b"API\0" + frame(b"v1..99"),
        b"API\0" + frame(b"hello"),
        b"API\0" + frame(b"v157..176") + frame(b"\xfe\xff\0\0"),
        b"API\0" + frame(b"v157..176") + frame(b"9\0"),
    ],
)
async def test_junk_hurts_nobody_else(
    polite: ThreadedSimulator, connect: Callable[..., Any], junk: bytes
) -> None:
    client = await connect(polite)
    with socket.create_connection(("127.0.0.1", polite.port), timeout=2) as raw:
        raw.sendall(junk)
        raw.settimeout(0.2)
        with contextlib.suppress(TimeoutError, ConnectionError):
            raw.recv(4096)
    assert await client.reqCurrentTimeAsync()


def test_half_a_control_request_hurts_nobody(polite: ThreadedSimulator) -> None:
    for text in (b"", b"POST /clock HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", polite.control_port), timeout=2) as raw:
            raw.sendall(text)
            raw.shutdown(socket.SHUT_WR)
            raw.recv(4096)
    assert polite.control("/health")["status"] == "ok"
