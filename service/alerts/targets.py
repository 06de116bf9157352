"""Which addresses a webhook may reach: the guard against requests forged towards the inside (SSRF).

It judges twice. At registration, so that a mistake is told at once; and at every connect, where the very address
that was judged is the one connected to, so that a name which changes its answer in between (DNS rebinding) gains
nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from service.alerts.errors import TargetRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_URL_CHARS = 2048

# Beyond what `ipaddress` itself knows as not global: reserved ranges on which Python's versions differ, ranges that
# embed another address, and a cloud's host agent that answers on a public one.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:0:0:0/96",  # IPv4 translated (RFC 2765)
        "64:ff9b:1::/48",  # NAT64 for private use
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",  # 6to4, which embeds an IPv4 address
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
# What a host name may be written with. Browsers' leniency (percent-encoding, other scripts) is what tricks live on.
_HOST = re.compile(r"[a-z0-9]([a-z0-9_.-]*[a-z0-9_])?", re.ASCII)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook's URL, taken apart once, so that no second parser can read it otherwise."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def is_public(address: Address) -> bool:
    """True if the address is on the public internet, whatever notation carries it (IPv4 mapped or translated into
    IPv6 included)."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    if any(address in network for network in _REFUSED if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def parse_address(raw_host: str) -> Address | None:
    """The address that a host denotes without DNS: dotted, IPv6, or one of the old forms (`2130706433`, `0x7f.1`);
    else None."""
    try:
        return ipaddress.ip_address(raw_host)
    except ValueError:
        pass
    if raw_host and all(char in "0123456789abcdefxABCDEFX." for char in raw_host):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(raw_host))
        except OSError:
            return None
    return None


def host_of(raw_url: str) -> str:
    """The host that a URL names, for people to read: a webhook's path may be a secret."""
    try:
        return urlsplit(raw_url).hostname or ""
    except ValueError:
        return ""


class TargetGuard:
    """Judges the targets of webhooks.

    `allow_private` lifts the rule on addresses: for all of them (True), or by a list whose items are networks
    (`10.1.0.0/16`), addresses, or host names, the latter compared with the URL's host as it is written. The rules
    on the URL's form always hold.
    """

    def __init__(self, allow_private: bool | Collection[str] = False, *, resolver: Resolver | None = None) -> None:
        self._allow_all = allow_private is True
        items = [] if isinstance(allow_private, bool) else [item.strip().strip("[]").lower() for item in allow_private]
        networks = [_parse_network(item) for item in items]
        self._allowed_networks = tuple(network for network in networks if network is not None)
        self._allowed_hosts = frozenset(item for item, network in zip(items, networks, strict=True) if network is None)
        self._resolver = resolver or SystemResolver()

    def parse(self, raw_url: str) -> Target:
        """The URL, taken apart and in order as to its form; an address in it judged too. Raises `TargetRefused`
        that says what is wrong."""
        if len(raw_url) > MAX_URL_CHARS:
            raise TargetRefused(raw_url[:100], f"the URL is longer than {MAX_URL_CHARS} characters")
        if not raw_url.isascii() or any(char <= " " or char in '\\"<>^`{|}\x7f' for char in raw_url):
            raise TargetRefused(raw_url, "the URL may hold only what URLs allow: percent-encode other characters")
        try:
            parts = urlsplit(raw_url)
            port = parts.port
        except ValueError as error:
            raise TargetRefused(raw_url, f"not a URL: {error}") from None
        if parts.scheme not in ("http", "https"):
            raise TargetRefused(raw_url, "the URL must start with http:// or https://")
        if parts.username is not None or parts.password is not None:
            raise TargetRefused(raw_url, "the URL must not carry a user name or password")
        host = (parts.hostname or "").rstrip(".").lower()
        if not host or len(host) > 253 or port == 0:
            raise TargetRefused(raw_url, "the URL needs a host, and a port other than 0")
        if ":" not in host and not (_HOST.fullmatch(host) and ".." not in host):
            raise TargetRefused(raw_url, "the host may hold letters, digits, dots, - and _ alone")
        if "[" in parts.netloc and (":" not in host or "%" in host or parse_address(host) is None):
            raise TargetRefused(raw_url, "in brackets the URL needs an IPv6 address, without a zone")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target = Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)
        address = parse_address(host)
        if address is not None:
            self._judge(host, [address])
        return target

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of a host, every one of them allowed. Raises `TargetRefused` if one is not, or if there is
        none."""
        literal = parse_address(host)
        if literal is not None:
            addresses = [literal]
        else:
            try:
                found = await self._resolver(host, port)
            except OSError as error:
                reason = f"the host {host} does not resolve: {error.strerror or error}"
                raise TargetRefused(host, reason, lasting=False) from None
            addresses = [ipaddress.ip_address(one.partition("%")[0]) for one in found]
        if not addresses:
            raise TargetRefused(host, f"the host {host} does not resolve", lasting=False)
        self._judge(host, addresses)
        return addresses

    def _judge(self, host: str, addresses: Sequence[Address]) -> None:
        if self._allow_all or host in self._allowed_hosts:
            return
        for address in addresses:
            if not is_public(address) and not self._is_allowed(address):
                raise TargetRefused(
                    host,
                    f"{host} leads to the private or reserved address {address}; if the receiver is yours, "
                    "name it in FOREWARN_WEBHOOK_ALLOW",
                )

    def _is_allowed(self, address: Address) -> bool:
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._allowed_networks if network.version == address.version)


def _parse_network(item: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(item)
    except ValueError:
        return None


class SystemResolver:
    """Names resolved by the system, in threads of its own, so that slow names hold up nothing else of the process. A
    name is looked up once at a time: one that never answers holds one thread, however often it is asked for."""

    def __init__(self, threads: int = 128, timeout_s: float = 5.0) -> None:
        self._threads = threads
        self._timeout_s = timeout_s
        self._executor: ThreadPoolExecutor | None = None
        self._lookups: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> list[str]:
        """The host's addresses as texts. Raises `OSError` when it does not resolve in time."""
        lookup = self._lookups.get((host, port)) or self._begin(host, port)
        try:
            return await asyncio.wait_for(asyncio.shield(lookup), self._timeout_s)
        except TimeoutError:
            raise OSError(f"no answer within {self._timeout_s:g} s") from None
        except UnicodeError as error:
            raise OSError(f"not a host name: {error}") from None

    def _begin(self, host: str, port: int) -> asyncio.Future[list[str]]:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="webhook-dns")
        lookup = asyncio.get_running_loop().run_in_executor(self._executor, _addresses, host, port)
        self._lookups[host, port] = lookup

        def forget(done: asyncio.Future[list[str]]) -> None:
            del self._lookups[host, port]
            if not done.cancelled():
                done.exception()  # nobody may be waiting any more

        lookup.add_done_callback(forget)
        return lookup


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
