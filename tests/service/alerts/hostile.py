"""Receivers that misbehave on purpose, each in its own way, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

Behaviour = Callable[[asyncio.StreamWriter, int], Awaitable[None]]
CERTIFICATE = Path(__file__).with_name("hook.example.pem")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def answering(*answers: bytes) -> Behaviour:
    """These answers in turn, the last one for good; then the connection is closed."""

    async def answer(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(answers[min(number, len(answers) - 1)])
        await writer.drain()

    return answer


def dripping(first: bytes, drop: bytes, pause_s: float) -> Behaviour:
    """Drop after drop, for ever."""

    async def drip(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(first)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return drip


async def resetting(writer: asyncio.StreamWriter, number: int) -> None:
    """Resets the connection instead of answering."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def silent(writer: asyncio.StreamWriter, number: int) -> None:
    """Takes everything and says nothing."""
    await asyncio.sleep(60)


def status(code: int, **headers: str) -> bytes:
    """An answer of headers alone."""
    lines = [f"HTTP/1.1 {code} x", "content-length: 0", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def retry_after(value: str) -> Behaviour:
    """Too busy, with these words about when to come again, once."""
    return answering(status(429, **{"retry-after": value}), OK)


BEHAVIOURS: dict[str, Behaviour] = {
    "301 elsewhere": answering(status(301, location="http://127.0.0.1:9/")),
    "302 inside": answering(status(302, location="http://169.254.169.254/latest/meta-data")),
    "307 to itself": answering(status(307, location="/hook")),
    "304": answering(status(304)),
    "headers that drip": dripping(b"HTTP/1.1 200 OK\r\n", b"x", 0.05),
    "a status that drips": dripping(b"", b"H", 0.05),
    "a body that drips": dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", b"x", 0.05),
    "410": answering(status(410)),
    "an endless body": dripping(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n", 0
    ),
    "an endless error": dripping(b"HTTP/1.1 500 No\r\n\r\n", b"x" * 65_536, 0),
    "endless headers": dripping(b"HTTP/1.1 200 OK\r\n", b"x-" + b"y" * 8_000 + b": z\r\n", 0),
    "for ever 100": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.001),
    "a reset": resetting,
    "silence": silent,
    "a hang-up": answering(b""),
    "garbage": answering(b"\x00\xff\x16\x03 lorem ipsum\r\n\r\n" * 50),
    "200 and garbage": answering(b"HTTP/1.1 200 OK\r\n\r\n\x00\xff{not json" * 50),
    "lengths at odds": answering(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\nhello"),
    "a gzip bomb's header": answering(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00"
    ),
    "flapping": answering(status(500), b"", status(503), OK),
    "429 for 31 years": retry_after("999999999"),
    "429 for longer than numbers go": retry_after("9" * 400),
    "429 until the year 9999": retry_after("Fri, 31 Dec 9999 23:59:59 GMT"),
    "429 until long ago": retry_after("Thu, 01 Jan 1970 00:00:00 GMT"),
    "429 minus one": retry_after("-1"),
}
DELIVERED = {
    "a body that drips": 1,
    "an endless body": 1,
    "200 and garbage": 1,
    "a gzip bomb's header": 1,
    "flapping": 4,
    "429 until long ago": 2,
    "429 minus one": 2,
    "429 for longer than numbers go": 2,
}
"""Those that take an alert in the end, and with which attempt."""


@dataclass
class HostileReceiver:
    """One of them, while it runs."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


@asynccontextmanager
async def hostile(behaviour: Behaviour, tls: bool = False) -> AsyncIterator[HostileReceiver]:
    """Runs a receiver; with `tls`, behind a certificate that nobody trusts."""
    receiver = HostileReceiver()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        receiver.tasks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next(int(line.split(b":")[1]) for line in lines if b"content-length" in line)
            await reader.readexactly(length)
            receiver.heads.append(head)
            await behaviour(writer, len(receiver.heads) - 1)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the sender has had enough, or the test is over
        finally:
            receiver.tasks.discard(task)
            with contextlib.suppress(OSError):
                writer.close()

    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(receiver.tasks):
            task.cancel()
        await asyncio.gather(*receiver.tasks, return_exceptions=True)


async def run_all() -> None:
    """Runs one of each in this process, tells their ports in a line of JSON, and goes on until it is killed."""
    async with contextlib.AsyncExitStack() as stack:
        running = {name: await stack.enter_async_context(hostile(one)) for name, one in BEHAVIOURS.items()}
        sys.stdout.write(json.dumps({name: receiver.port for name, receiver in running.items()}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


class Names:
    """A resolver: names of this table, each answer in turn and the last one for good."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {f"{name}.example": list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        left = self._answers.get(host)
        if left is None:
            raise OSError(-2, "Name or service not known")
        return left.pop(0) if len(left) > 1 else left[0]


if __name__ == "__main__":
    asyncio.run(run_all())
