"""A lean HTTP/1.1 client for one connection, kept open: on a machine that also serves, the client's cost is the
service's loss.

Left out: redirects, proxies, cookies, compression. One request at a time; as many connections as there are runs in
flight.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

from monitors.errors import ForewarnError


class ServiceUnreachableError(ForewarnError):
    """The service at the URL does not answer, or is no forewarn."""


class RefusedError(ForewarnError):
    """The service refused a request: `status` and `detail` are what it said, `path` where it was asked, if known."""

    def __init__(self, status: int, detail: str, *, what: str = "", path: str = "") -> None:
        super().__init__(f"the service refused {what}: {status} {detail}" if what else detail)
        self.status = status
        self.detail = detail
        self.path = path


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `retry_after_s` is None where the header is missing or a date."""

    status: int
    body: bytes
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a service is, and what every request to it says."""

    host: str
    port: int
    tls: bool
    path: str
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_url(cls, url: str, api_key: str | None = None) -> Origin:
        """The origin in a URL. Raises `ServiceUnreachableError` if it is none."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError as error:
            raise ServiceUnreachableError(f"{url} is no URL: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ServiceUnreachableError(f"{url} is no address of a service: give http://HOST:PORT")
        tls = parts.scheme == "https"
        headers = (("Authorization", f"Bearer {api_key}"),) if api_key else ()
        return cls(parts.hostname, port or (443 if tls else 80), tls, parts.path.rstrip("/"), headers)

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}{self.path}"


class Connection:
    """One connection to a service, opened when first needed and again when the service has closed it."""

    def __init__(self, origin: Origin, *, timeout_s: float = 60.0) -> None:
        self._origin = origin
        self._timeout_s = timeout_s
        self._protocol: _Protocol | None = None
        fixed = [("Host", f"{origin.host}:{origin.port}"), ("Content-Type", "application/json"), *origin.headers]
        self._head = "".join(f"{name}: {value}\r\n" for name, value in fixed)

    async def request(self, method: str, path: str, body: bytes = b"", extra_head: str = "") -> Answer:
        """The answer to one request; `extra_head` holds further header lines, each ended by CRLF. Raises
        `ServiceUnreachableError` after the second failed attempt to get one.

        A request may have taken effect although its connection broke: give steps an id, so that sending them again
        is safe.
        """
        head = f"{method} {self._origin.path}{path} HTTP/1.1\r\n{self._head}{extra_head}"
        message = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        for again in (True, False):
            try:
                return await self._exchange(message)
            except (OSError, TimeoutError, httptools.HttpParserError) as error:
                self.close()
                if not again:
                    reason = str(error) or type(error).__name__
                    raise ServiceUnreachableError(f"{self._origin} does not answer: {reason}") from None
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        if self._protocol is not None and self._protocol.transport is not None:
            self._protocol.transport.close()
        self._protocol = None

    async def _exchange(self, message: bytes) -> Answer:
        async with asyncio.timeout(self._timeout_s):
            if self._protocol is None or self._protocol.closed:
                context = ssl.create_default_context() if self._origin.tls else None
                loop = asyncio.get_running_loop()
                _, self._protocol = await loop.create_connection(
                    _Protocol, self._origin.host, self._origin.port, ssl=context
                )
            return await self._protocol.exchange(message)


class _Protocol(asyncio.Protocol):
    """Bytes to answers; the `on_…` methods are called by httptools."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._waiter: asyncio.Future[Answer] | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._retry_after_s: float | None = None

    async def exchange(self, message: bytes) -> Answer:
        """The answer to the message. Raises ConnectionError if the other end closes before it is complete."""
        assert self.transport is not None
        self._begin()
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(message)
        return await self._waiter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._fail(exc or ConnectionError("the connection was closed"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after" and value.strip().isdigit():
            self._retry_after_s = float(value)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.closed = True
        if self._waiter is not None and not self._waiter.done():
            answer = Answer(self._parser.get_status_code(), b"".join(self._body), self._retry_after_s)
            self._waiter.set_result(answer)

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
