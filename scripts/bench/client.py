"""A small HTTP client of the bench: one connection kept open, little between the measure and the socket."""

from __future__ import annotations

import asyncio
from types import TracebackType
from urllib.parse import urlsplit

ANSWER_S = 90.0
TRIES = 60


class Connection:
    """One HTTP/1.1 connection. One request at a time."""

    def __init__(self, url: str, key: str = "") -> None:
        """`key` goes with every request, where there is one."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._key_line = f"Authorization: Bearer {key}\r\n" if key else ""
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def post(self, path: str, body: bytes, content_type: str = "application/json") -> tuple[int, bytes]:
        """Status and body of the answer. Raises TimeoutError, ConnectionError."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nContent-Type: {content_type}\r\n"
            f"{self._key_line}Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        async with asyncio.timeout(ANSWER_S):
            try:
                raw_head = await self._reader.readuntil(b"\r\n\r\n")
                status_line, *lines = raw_head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                answer = await self._reader.readexactly(int(headers.get("content-length", "0")))
            except asyncio.IncompleteReadError as error:
                raise ConnectionError("the service closed the connection") from error
        return int(status_line.split(" ")[1]), answer

    async def must_post(self, path: str, body: bytes, content_type: str = "application/json") -> bytes:
        """The answer's body. Waits and tries again while the service is overloaded. Raises ConnectionError for any
        other refusal."""
        for _ in range(TRIES):
            status, answer = await self.post(path, body, content_type)
            if status in {200, 202}:
                return answer
            if status not in {429, 503}:
                break
            await asyncio.sleep(0.5)
        raise ConnectionError(f"{path} was answered {status}: {answer[:200]!r}")
