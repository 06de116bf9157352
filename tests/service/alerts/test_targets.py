from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from service.alerts.errors import TargetRefused
from service.alerts.sending import Sender
from service.alerts.targets import SystemResolver, TargetGuard, is_public
from service.alerts.webhook import Webhook, new_secret

PRIVATE_URLS = [
    "http://127.0.0.1/",
    "http://127.1:8080/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data",
    "http://169.254.169.254/latest/meta-data",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[::ffff:0:7f00:1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[2001:0:a9fe:a9fe::1]/",
    "http://[fd20:ce::254]/",
    "http://[3fff::1]/",
    "http://127.0.0.1./",
    "http://0x7f.0.0.1/",
    "http://017700000001/",
    "http://0xA9FEA9FE/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://127.0.0.1:8080/",
    "HTTP://127.0.0.1/",
]
MALFORMED_URLS = [
    "",
    "example.com/hook",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "http://",
    "http:///hook",
    "http://user:secret@example.com/",
    "http://example.com:0/",
    "http://example.com:99999/",
    "http://example.com\\@127.0.0.1/",
    "http://exa mple.com/",
    "http://example.com/\r\nHost: other",
    "http://exämple.com/",
    "https://example.com/" + "x" * 3000,
    "http://@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://127%2e0.0.1/",
    "http://%31%32%37.0.0.1/",
    "http://example.com%00.evil/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://example..com/",
    "http://.example.com/",
    "http://example.com;127.0.0.1/",
    "http://exam*ple.com/",
    "http://[fe80::1%25eth0]/",
    "http://[::1",
    "http://[hook.example]/",
    "http://[v1.fe80]/",
    "http://example.com:80:443/",
    "http://example.com:+80/",
    "http://example.com:８０/",
    "http://example.com:0x50/",
    "//example.com/",
    "https:example.com/",
    "javascript:alert(1)",
]
ORDINARY_URLS = [
    ("https://hooks.slack.com/services/T0/B0/x", "hooks.slack.com", 443),
    ("http://hook.example:8080/a?b=c#d", "hook.example", 8080),
    ("https://Hook.Example./", "hook.example", 443),
    ("https://xn--exmple-cua.example/", "xn--exmple-cua.example", 443),
    ("https://my_hook.example/", "my_hook.example", 443),
    ("https://93.184.216.34/", "93.184.216.34", 443),
    ("https://[2606:2800:220:1::1]:8443/", "2606:2800:220:1::1", 8443),
    ("https://0xyz.example/", "0xyz.example", 443),
    ("https://hook.example:/", "hook.example", 443),
]


def resolving(*answers: Sequence[str]) -> Any:
    """A resolver that gives these answers in turn, the last one for good."""
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@pytest.mark.parametrize("url", PRIVATE_URLS)
def test_an_address_inside_is_refused_in_any_notation(url: str) -> None:
    with pytest.raises(TargetRefused, match="private or reserved"):
        TargetGuard().parse(url)


@pytest.mark.parametrize("url", MALFORMED_URLS, ids=lambda url: url[:30])
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(TargetRefused):
        TargetGuard(True).parse(url)


@pytest.mark.parametrize(("url", "host", "port"), ORDINARY_URLS)
def test_an_ordinary_url_is_taken_apart(url: str, host: str, port: int) -> None:
    target = TargetGuard().parse(url)
    assert (target.host, target.port) == (host, port)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "::ffff:93.184.216.34"]
)
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


async def test_a_name_that_leads_inside_is_refused() -> None:
    guard = TargetGuard(resolver=resolving(["10.0.0.8"]))
    with pytest.raises(TargetRefused, match=r"hook\.example leads to the private or reserved address 10\.0\.0\.8"):
        await guard.resolve("hook.example", 443)


async def test_a_name_with_one_address_inside_among_public_ones_is_refused() -> None:
    guard = TargetGuard(resolver=resolving(["93.184.216.34", "::1"]))
    with pytest.raises(TargetRefused):
        await guard.resolve("hook.example", 443)


async def test_a_name_that_does_not_resolve_is_refused_for_now() -> None:
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(TargetRefused, match="does not resolve") as refused:
        await TargetGuard(resolver=nowhere).resolve("hook.example", 443)
    assert refused.value.lasting is False


async def test_the_name_localhost_is_refused_by_the_real_resolver() -> None:
    with pytest.raises(TargetRefused):
        await TargetGuard().resolve("localhost", 80)


@pytest.mark.parametrize("allowed", [["hook.internal"], ["10.0.0.0/8"], ["10.1.2.3"], True])
async def test_an_allowed_host_or_network_may_be_inside(allowed: Any) -> None:
    guard = TargetGuard(allowed, resolver=resolving(["10.1.2.3"]))
    assert [str(address) for address in await guard.resolve("hook.internal", 80)] == ["10.1.2.3"]


async def test_allowing_one_host_allows_no_other() -> None:
    guard = TargetGuard(["hook.internal", "10.0.0.0/8"], resolver=resolving(["127.0.0.1"]))
    with pytest.raises(TargetRefused):
        await guard.resolve("other.internal", 80)


async def test_a_name_whose_lookup_hangs_holds_one_thread_however_often_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_go = threading.Event()
    asked: list[str] = []

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        if host == "slow.example":
            let_go.wait(10)
        return [(0, 0, 0, "", ("93.184.216.34", port))]

    monkeypatch.setattr("service.alerts.targets.socket.getaddrinfo", lookup)
    resolver = SystemResolver(threads=2, timeout_s=0.3)
    slow = [asyncio.create_task(resolver("slow.example", 443)) for _ in range(50)]
    await asyncio.sleep(0.05)
    quick = await resolver("quick.example", 443)
    answers = await asyncio.gather(*slow, return_exceptions=True)
    let_go.set()
    assert quick == ["93.184.216.34"]
    assert all(isinstance(answer, OSError) for answer in answers)
    assert asked == ["slow.example", "quick.example"]


def webhook_to(url: str) -> Webhook:
    return Webhook("wh_1", "default", url, "", new_secret(), 0)


async def test_a_name_that_changes_its_answer_after_the_check_is_refused_at_connect(receiving: Any) -> None:
    guard = TargetGuard(resolver=resolving(["93.184.216.34"], ["127.0.0.1"]))
    async with receiving() as receiver:
        await guard.resolve("rebinding.example", receiver.port)
        sender = Sender(guard)
        attempt = await sender.send(webhook_to(f"http://rebinding.example:{receiver.port}/"), "msg_1", b"{}")
        await sender.aclose()
    assert attempt.status is None
    assert "private or reserved" in attempt.error
    assert receiver.requests == []


async def test_a_private_address_put_into_the_registry_behind_its_back_is_refused_at_connect(receiving: Any) -> None:
    async with receiving() as receiver:
        sender = Sender(TargetGuard())
        attempt = await sender.send(webhook_to(receiver.url), "msg_1", b"{}")
        await sender.aclose()
    assert "private or reserved" in attempt.error
    assert receiver.requests == []


async def test_the_connection_goes_to_the_checked_address_and_the_request_names_the_host(receiving: Any) -> None:
    # The second answer would be another address: the one judged is the one connected to.
    guard = TargetGuard(["hook.example"], resolver=resolving(["127.0.0.1"], ["127.0.0.2"]))
    async with receiving() as receiver:
        sender = Sender(guard)
        attempt = await sender.send(webhook_to(f"http://hook.example:{receiver.port}/a?b=c"), "msg_1", b"{}")
        await sender.aclose()
    assert attempt.status == 204
    assert receiver.requests[0].headers["host"] == f"hook.example:{receiver.port}"
    assert (receiver.requests[0].path, receiver.requests[0].peer) == ("/a?b=c", "127.0.0.1")


async def test_proxy_settings_of_the_environment_are_not_used(receiving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        sender = Sender(TargetGuard(True))
        await sender.send(webhook_to(receiver.url), "msg_1", b"{}")
        await sender.aclose()
    assert (len(proxy.requests), len(receiver.requests)) == (0, 1)


async def post_over_tls(name: str) -> tuple[Any, list[str | None]]:
    """An attempt to reach `name` at a TLS server that has a certificate for hook.example; and the names asked for."""
    certificate = Path(__file__).with_name("hook.example.pem")  # self-signed, for this test alone
    asked: list[str | None] = []
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    server_side.sni_callback = lambda _, server_name, __: asked.append(server_name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    sender = Sender(
        TargetGuard([name], resolver=resolving(["127.0.0.1"])),
        ssl_context=ssl.create_default_context(cafile=str(certificate)),
    )
    attempt = await sender.send(webhook_to(f"https://{name}:{port}/"), "msg_1", b"{}")
    await sender.aclose()
    server.close()
    return attempt, asked


async def test_tls_asks_for_and_checks_the_name_although_the_address_is_pinned() -> None:
    attempt, asked = await post_over_tls("hook.example")
    assert (attempt.status, asked) == (204, ["hook.example"])


async def test_a_certificate_for_another_name_is_refused() -> None:
    attempt, _ = await post_over_tls("other.example")
    assert attempt.status is None
    assert "CERTIFICATE_VERIFY_FAILED" in attempt.error
