"""What a connection does with clients that are early, late, slow, old or too many."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.simulator.conftest import POLITE
from tests.simulator.wire.fakes import opened, running_gateway, started, turn
from tests.simulator.wire.junk import Junk
from tests.support.eventually import eventually_async
from tests.support.tws_socket import TwsSocket
from theta.simulator.gateway import outbox
from theta.simulator.gateway import session as sessions
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.wire.framing import MAX_FRAME_BYTES, encode_fields, frame
from theta.simulator.wire.handshake import OLD_CLIENT_ANSWER

WHOLE_CHAIN = encode_fields(
    [9, 8, 7, 0, "SPY", "OPT", "", 0.0, "", "", "SMART", "", "USD", "", "", 0, "", "", ""]
)
START = encode_fields([71, 2, 5, ""])


def hello(versions: bytes) -> bytes:
    return b"API\0" + frame(versions)


# -- handshake -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("versions", "agreed"),
    [
        (b"v100..157", "157"),
        (b"v157..176", "176"),
        (b"v157..178", "178"),
        (b"v100..193", "178"),
        (b"v100..99999", "178"),
        (b"v178..300", "178"),
        (b"v100..100", "100"),
        (b"v176", "176"),
        (b"v100..157 +PACEAPI", "157"),
        (b"v1..101", "101"),
    ],
)
async def test_the_lower_of_both_highest_versions_is_spoken(versions: bytes, agreed: str) -> None:
    async with running_gateway() as gateway:
        session, sink = opened(gateway)
        session.data_received(hello(versions))
        await turn()
        ((version, when),) = sink.messages()
        assert (version, when[-4:]) == (agreed, " GMT")


@pytest.mark.parametrize(
    ("versions", "code"),
    [(b"v1..99", "506"), (b"v99", "506"), (b"v178..157", "506"), (b"v179..200", "503")],
)
async def test_a_client_of_another_age_is_told_and_hung_up_on(versions: bytes, code: str) -> None:
    async with running_gateway() as gateway:
        session, sink = opened(gateway)
        session.data_received(hello(versions))
        await turn()
        ((kind, _, request, told, _text),) = sink.messages()
        assert (kind, request, told, sink.cut) == ("4", "-1", code, True)


@pytest.mark.parametrize("text", [b"66\0", b"66\0" + b"7\0", b"1\0"])
async def test_a_client_from_before_frames_is_told_a_version_it_refuses(text: bytes) -> None:
    async with running_gateway() as gateway:
        session, sink = opened(gateway)
        for byte in text:
            session.data_received(bytes([byte]))
        assert (bytes(sink.written), sink.cut) == (OLD_CLIENT_ANSWER, True)


@pytest.mark.parametrize(
    "text", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"APX", b"API ", b"99999999\0", hello(b"hi")]
)
async def test_a_stranger_is_cut_off_without_a_word(text: bytes) -> None:
    async with running_gateway() as gateway:
        session, sink = opened(gateway)
        session.data_received(text)
        await turn()
        assert (bytes(sink.written), sink.cut) == (b"", True)


async def test_a_second_handshake_is_an_unknown_message_or_the_end() -> None:
    async with running_gateway() as gateway:
        session, sink = started(gateway, 5)
        session.data_received(frame(b"v100..178"))
        await turn()
        assert (sink.messages()[-1][3], sink.cut) == ("505", False)
        session.data_received(hello(b"v100..178"))
        assert sink.cut


async def test_nothing_but_the_start_is_answered_before_the_start() -> None:
    async with running_gateway() as gateway:
        session, sink = opened(gateway)
        session.data_received(hello(b"v157..176") + encode_fields([49, 1]))
        await turn()
        assert sink.messages()[1][:4] == ["4", "2", "-1", "504"]
        session.data_received(START + encode_fields([49, 1]))
        await turn()
        assert [message[0] for message in sink.messages()][2:] == ["15", "9", "4", "4", "4", "49"]


@pytest.mark.parametrize("fields", [[71, 2, 5], [71, 2, 5, ""], [71, 2, 5, "+PACEAPI", "more"]])
async def test_the_start_is_taken_with_and_without_capabilities(fields: list[object]) -> None:
    async with running_gateway() as gateway:
        session, _ = opened(gateway)
        session.data_received(hello(b"v157..176") + encode_fields(fields))
        assert gateway.sessions == {5: session}


async def test_a_client_id_in_use_is_refused_and_the_first_client_stays() -> None:
    async with running_gateway() as gateway:
        first, calm = started(gateway, 5)
        _, sink = started(gateway, 5)
        await turn()
        assert (sink.messages()[-1][3], sink.cut) == ("326", True)
        assert (gateway.sessions, calm.cut) == ({5: first}, False)


# -- pieces ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 2, 3, 7, 4_096])
async def test_any_split_of_the_stream_says_the_same(step: int) -> None:
    stream = hello(b"v157..176") + START + encode_fields([49, 1]) * 3
    async with running_gateway() as gateway:
        session, sink = opened(gateway)
        for at in range(0, len(stream), step):
            session.data_received(stream[at : at + step])
        await turn()
        assert [message[0] for message in sink.messages()][-3:] == ["49", "49", "49"]


async def test_half_a_message_is_waited_for_and_forgotten_with_its_connection() -> None:
    async with running_gateway() as gateway:
        session, sink = started(gateway, 5)
        whole = encode_fields([49, 1])
        session.data_received(whole[:-1])
        await turn()
        assert sink.messages()[-1][0] != "49"
        session.connection_lost(None)
        assert gateway.sessions == {}
        again, sink = started(gateway, 5)
        again.data_received(whole)
        await turn()
        assert sink.messages()[-1][0] == "49"


@pytest.mark.parametrize("length", [0, MAX_FRAME_BYTES + 1, 0xFFFFFFFF])
async def test_an_impossible_length_ends_that_connection_alone(length: int) -> None:
    async with running_gateway() as gateway:
        _, calm = started(gateway, 1)
        session, sink = started(gateway, 5)
        session.data_received(struct.pack(">I", length))
        assert (sink.cut, calm.cut) == (True, False)


# -- bounds ----------------------------------------------------------------------------------------


async def test_a_client_that_does_not_read_is_dropped() -> None:
    async with running_gateway() as gateway:
        session, sink = started(gateway, 5)
        await turn()
        sink.unread = outbox.BACKLOG_BYTES_MAX + 1
        session.data_received(encode_fields([49, 1]))
        await turn()
        assert sink.cut


async def test_one_burst_does_not_gather_more_than_the_backlog() -> None:
    async with running_gateway() as gateway:
        session, sink = started(gateway, 5)
        word: list[object] = [4, 2, -1, 399, "x" * 100_000]
        for _ in range(outbox.BACKLOG_BYTES_MAX // 100_000 + 2):
            session.write(list(word))
        assert sink.cut


async def test_what_waits_to_be_sent_is_bounded() -> None:
    async with running_gateway() as gateway:
        session, sink = started(gateway, 5)
        build: sessions.Build = lambda _version: [49, 1, 0]  # noqa: E731 - typed as one
        session.post(60.0, *[build] * (sessions.POSTED_MAX + 1))
        assert sink.cut


async def test_a_connection_that_never_starts_is_closed_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "START_SECONDS", 0.05)
    async with running_gateway() as gateway:
        _, mute = opened(gateway)
        half, greeted = opened(gateway)
        half.data_received(hello(b"v157..176"))
        _, live = started(gateway, 5)
        await eventually_async(lambda: mute.cut and greeted.cut)
        assert not live.cut


async def test_connections_are_counted_and_one_too_many_is_closed() -> None:
    async with running_gateway() as gateway:
        kept = [started(gateway, client) for client in range(gateway.limits.connections)]
        _, refused = opened(gateway)
        assert refused.cut
        assert not any(sink.cut for _, sink in kept)
        kept[0][0].connection_lost(None)
        _, taken = opened(gateway)
        assert not taken.cut


# -- sockets ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_junk_on_sockets_leaves_a_client_beside_them_alone(
    start: Callable[..., ThreadedSimulator],
) -> None:
    simulator = start(*POLITE, "broker.pacing=false")
    junk = Junk(9)
    random = Random(9)
    with TwsSocket(simulator.port, 1, version=178) as client:
        for number in range(1_500):
            _, pieces = junk.case(number)
            with socket.create_connection(("127.0.0.1", simulator.port), 5) as raw:
                _send(raw, pieces)
                if random.random() < 0.3:
                    raw.shutdown(socket.SHUT_WR)
            if number % 100 == 0:
                client.send(49, 1)
                assert next(body for body in client.bodies() if body.startswith(b"49\0"))


def _send(raw: socket.socket, pieces: list[bytes]) -> None:
    """Send what the other side still takes."""
    try:
        for piece in pieces:
            raw.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        return


@pytest.mark.slow
async def test_a_slow_reader_is_dropped_and_others_are_served(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    simulator = start(*POLITE, "broker.pacing=false")
    client = await connect(simulator, 1)
    with socket.create_connection(("127.0.0.1", simulator.port), 5) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        raw.sendall(hello(b"v157..176") + START)
        for _ in range(60):
            try:
                raw.sendall(WHOLE_CHAIN)
            except (BrokenPipeError, ConnectionResetError):
                break
            assert await client.reqCurrentTimeAsync()
        else:
            pytest.fail("a client that reads nothing was served for ever")
