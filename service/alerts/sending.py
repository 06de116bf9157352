"""One signed HTTP request to a webhook, and what came of it.

httpcore is used directly, which knows neither redirects, proxies nor cookies. Its connections are opened by
`GuardedBackend`: the name is resolved once, every address judged, and the connection made to a judged address; Host
header, SNI and certificate check keep the name.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import httpcore
from standardwebhooks.webhooks import Webhook as Signer

from service.alerts.errors import TargetRefused
from service.alerts.policy import Attempt, parse_retry_after
from service.alerts.targets import TargetGuard
from service.alerts.webhook import Webhook

MAX_RESPONSE_BYTES = 16_384


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections to judged addresses only."""

    def __init__(self, guard: TargetGuard) -> None:
        self._guard = guard
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A stream to the first address of the host that answers. Raises `TargetRefused` if any of them is
        forbidden."""
        failure: Exception | None = None
        for address in (await self._guard.resolve(host, port))[:4]:
            try:
                return _ClosingStream(
                    await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002 - the signature is httpcore's
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Never: a webhook has no business with local sockets."""
        raise TargetRefused(path, "local sockets are no webhook targets")

    async def sleep(self, seconds: float) -> None:
        """As httpcore asks of a backend."""
        await asyncio.sleep(seconds)


class _ClosingStream(httpcore.AsyncNetworkStream):
    """A stream that is closed too if its TLS handshake is given up: httpcore leaves it open when it is cancelled, and a
    receiver that never finishes handshakes would cost a socket a try until the garbage collector comes by."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self._inner.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._inner.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class Sender:
    """Sends signed messages. Keeps connections open between them; `aclose` closes these."""

    def __init__(
        self,
        guard: TargetGuard,
        *,
        timeout_ms: int = 10_000,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._guard = guard
        self._timeout_s = timeout_ms / 1000
        self._ssl_context = ssl_context
        self._clock = clock
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def send(self, webhook: Webhook, message_id: str, body: bytes) -> Attempt:
        """What one try came to; failures are values here, never exceptions. Bounded in time and in what is read of
        the answer."""
        began = time.perf_counter()
        status: int | None = None
        retry_after_ms: int | None = None
        error = ""
        try:
            async with asyncio.timeout(self._timeout_s):
                target = self._guard.parse(webhook.url)
                url = httpcore.URL(
                    scheme=target.scheme.encode(),
                    host=target.host.encode(),
                    port=target.port,
                    target=target.path.encode(),
                )
                headers = self._headers(webhook, message_id, body, target.authority)
                async with self._open().stream("POST", url, headers=headers, content=body) as response:
                    status = response.status
                    retry_after_ms = self._retry_after(response)
                    await _read_bounded(response)
        except TimeoutError:
            error = f"no answer within {self._timeout_s:g} s"
        except TargetRefused as refused:
            error = str(refused)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as failed:
            error = f"{type(failed).__name__}: {failed}" if str(failed) else type(failed).__name__
        except (OSError, ssl.SSLError) as failed:
            error = f"{type(failed).__name__}: {failed}"
        if status is not None:  # once the status is here, trouble with the rest of the answer changes nothing
            error = "" if 200 <= status < 300 else _status_error(status)
        return Attempt(status, error[:500], (time.perf_counter() - began) * 1000, retry_after_ms)

    async def warm(self) -> None:
        """Reads the certificates that TLS trusts, in a thread: the first alert need not wait for that."""
        if self._ssl_context is None:
            self._ssl_context = await asyncio.to_thread(httpcore.default_ssl_context)

    async def aclose(self) -> None:
        """Closes what connections are open."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    def _open(self) -> httpcore.AsyncConnectionPool:
        if self._pool is None:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=self._ssl_context or httpcore.default_ssl_context(),
                max_connections=None,
                max_keepalive_connections=64,
                keepalive_expiry=30.0,
                network_backend=GuardedBackend(self._guard),
            )
        return self._pool

    def _headers(self, webhook: Webhook, message_id: str, body: bytes, authority: str) -> list[tuple[bytes, bytes]]:
        now = int(self._clock())
        text, at = body.decode(), datetime.fromtimestamp(now, UTC)
        in_force = webhook.signing_secrets(now * 1000)
        signatures = " ".join(Signer(secret).sign(message_id, at, text) for secret in in_force)
        return [
            (b"Host", authority.encode()),
            (b"Content-Type", b"application/json"),
            (b"Content-Length", str(len(body)).encode()),
            (b"User-Agent", b"forewarn"),
            (b"webhook-id", message_id.encode()),
            (b"webhook-timestamp", str(now).encode()),
            (b"webhook-signature", signatures.encode()),
        ]

    def _retry_after(self, response: httpcore.Response) -> int | None:
        for name, value in response.headers:
            if name.lower() == b"retry-after":
                return parse_retry_after(value.decode("latin-1"), int(self._clock() * 1000))
        return None


async def _read_bounded(response: httpcore.Response) -> None:
    # Read to the end, so that the connection can be used again; a longer answer costs its connection instead.
    read = 0
    async for chunk in response.aiter_stream():
        read += len(chunk)
        if read > MAX_RESPONSE_BYTES:
            return


def _status_error(status: int) -> str:
    if 300 <= status < 400:
        return f"HTTP {status}: redirects are not followed"
    return f"HTTP {status}"
