"""The one way out: what it refuses, what it limits, and what a fault says about whether anything was done."""

from __future__ import annotations

import ast
import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from onhand.flow.addresses import is_public
from onhand.flow.transport import Transport
from onhand.sdk.http import AddressRefused, AnswerLost, NotTrusted, Request, Unreachable

SOURCE = Path(__file__).parents[2] / "src" / "onhand"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def server(
    reply: bytes | None = OK, *, trust: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers one request with these bytes, or hangs up (None). Gives its address and what it heard."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            if reply is not None:
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=trust)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if trust else 'http'}://127.0.0.1:{port}/x", heard
    finally:
        listening.close()


def get(url: str, **more: object) -> Request:
    return Request(method="GET", url=url, **{"allow_private_addresses": True, "timeout_s": 5, **more})  # type: ignore[arg-type]


async def test_an_answer_comes_back_whole_with_its_headers() -> None:
    async with server() as (url, heard), Transport() as transport:
        answer = await transport.call(get(url, headers={"x-y": "z"}))
    assert (answer.status, answer.body, answer.header("Content-Length"), answer.cut) == (200, b"ok", "2", False)
    assert b"x-y: z" in heard[0]
    assert b"onhand/" in heard[0]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104
        "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:7f00:1::", "not an address",
    ],
)  # fmt: skip
def test_private_loopback_and_link_local_addresses_are_told_from_public_ones(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "2130706433", "0x7f.1", "localhost"])
async def test_a_private_address_is_not_called_however_it_is_written(host: str) -> None:
    async with server() as (url, heard), Transport() as transport:
        port = url.rpartition(":")[2].partition("/")[0]
        with pytest.raises((AddressRefused, Unreachable)) as caught:
            await transport.call(get(f"http://{host}:{port}/", allow_private_addresses=False, timeout_s=2))
    assert heard == []
    if host in {"127.0.0.1", "[::1]", "169.254.169.254", "localhost"}:
        assert isinstance(caught.value, AddressRefused)


async def test_a_name_that_leads_inside_is_refused_after_it_was_resolved() -> None:
    async def resolve(_host: str, _port: int) -> list[tuple[str, int]]:
        return [("93.184.216.34", int(socket.AF_INET)), ("10.0.0.7", int(socket.AF_INET))]

    async with Transport(resolve=resolve) as transport:
        with pytest.raises(AddressRefused, match=r"shop\.example leads to 10\.0\.0\.7"):
            await transport.call(get("http://shop.example/", allow_private_addresses=False))


async def test_a_name_that_changes_its_mind_is_resolved_once_and_that_answer_is_connected_to() -> None:
    """DNS rebinding: a second resolution between the check and the connection would lead somewhere else."""
    async with server() as (url, heard):
        answers = [[("127.0.0.1", int(socket.AF_INET))], [("203.0.113.9", int(socket.AF_INET))]]

        async def resolve(_host: str, _port: int) -> list[tuple[str, int]]:
            return answers.pop(0)

        async with Transport(resolve=resolve) as transport:
            port = url.rpartition(":")[2].partition("/")[0]
            answer = await transport.call(get(f"http://shop.example:{port}/"))
    assert answer.status == 200
    assert b"Host: shop.example" in heard[0]
    assert len(answers) == 1


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with server() as (inside, heard):
        reply = f"HTTP/1.1 302 Found\r\nlocation: {inside}\r\ncontent-length: 0\r\n\r\n".encode()
        async with server(reply) as (url, _), Transport() as transport:
            answer = await transport.call(get(url))
    assert (answer.status, answer.header("location"), heard) == (302, inside, [])


async def test_an_answer_that_is_too_long_is_cut() -> None:
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 1_000_000
    async with server(reply) as (url, _), Transport() as transport:
        answer = await transport.call(get(url, answer_bytes_max=1000))
    assert (len(answer.body), answer.cut) == (1000, True)


async def test_nobody_there_means_that_nothing_was_done() -> None:
    async with server() as (url, _):
        pass
    async with Transport() as transport:
        with pytest.raises(Unreachable):
            await transport.call(get(url))


async def test_a_hang_up_after_the_request_means_that_it_may_have_been_done() -> None:
    async with server(None) as (url, heard), Transport() as transport:
        with pytest.raises(AnswerLost):
            await transport.call(get(url))
    assert len(heard) == 1


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", b"nonsense\r\n\r\n", b"HTTP/1.1 200"]
)
async def test_half_an_answer_or_nonsense_is_a_lost_answer(reply: bytes) -> None:
    async with server(reply) as (url, _), Transport() as transport:
        with pytest.raises(AnswerLost):
            await transport.call(get(url))


async def test_silence_ends_at_the_time_limit() -> None:
    async def say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with Transport() as transport:
        with pytest.raises(AnswerLost, match="TimeoutError"):
            await transport.call(get(f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/", timeout_s=0.2))
    silent.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, cert


async def test_a_certificate_that_nobody_vouches_for_is_refused_and_a_trusted_one_is_not(
    certificate: tuple[Path, Path],
) -> None:
    key, cert = certificate
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(cert, key)
    async with server(trust=served) as (url, heard):
        async with Transport() as transport:
            with pytest.raises(NotTrusted):
                await transport.call(get(url))
        assert heard == []
        async with Transport(trust=ssl.create_default_context(cafile=str(cert))) as transport:
            assert (await transport.call(get(url))).status == 200


async def test_no_secret_shows_in_a_repr_or_an_error() -> None:
    request = get("http://127.0.0.1:1/x?token=s3cret", headers={"authorization": "s3cret"}, body=b"s3cret")
    assert "s3cret" not in repr(request)
    async with Transport() as transport:
        with pytest.raises(Unreachable) as caught:
            await transport.call(request)
    assert "s3cret" not in str(caught.value)


# What may open connections, and why. Nothing may be added without a reason.
CONNECTS = {
    "flow/transport.py": "the one way out to partners",
    "flow/addresses.py": "judges addresses for it; names aiohttp's resolver",
    "flow/sftp.py": "files with partners, over SFTP",
    "flow/sftp_login.py": "reads keys for it; opens none",
    "testkit/toxics.py": "a proxy on loopback that makes connections sick",
    "sdk/fake.py": "accepts connections in place of a partner; opens none",
    "client": "stands alone: a program of somebody else's",
    "store/postgres/driver.py": "the database",
    "store/postgres": "runs the embedded server and its programs",
    "sim/api.py": "plays the clients of the API",
    "sim/bench/load.py": "plays the clients of the API, many of them",
    "cli/serve.py": "takes over a socket that listens; opens none",
    "http/server.py": "accepts connections; opens none",
}
NETWORK_MODULES = {
    "aiohttp", "asyncpg", "asyncssh", "ftplib", "http.client", "httpx", "imaplib", "paramiko", "poplib", "psycopg",
    "requests", "smtplib", "telnetlib", "urllib.request", "urllib3", "websockets", "xmlrpc",
}  # fmt: skip
OPENING = {
    "create_connection", "create_datagram_endpoint", "create_unix_connection", "open_connection",
    "open_unix_connection", "sock_connect", "urlopen",
}  # fmt: skip


def opens_connections(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            names = []
        found += [name for name in names if name in NETWORK_MODULES or name.split(".")[0] in NETWORK_MODULES]
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            is_socket = ast.unparse(node.func) == "socket.socket"
            found += [called] if called in OPENING or is_socket else []
    return found


def test_nothing_else_in_the_package_opens_connections() -> None:
    offenders = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith("connectors/") and path.name == "fake.py":
            # A stand-in of a partner answers with aiohttp's server, which opens nothing.
            found = [each for each in opens_connections(ast.parse(path.read_text())) if not each.startswith("aiohttp")]
            assert found == [], name
            assert "ClientSession" not in path.read_text(), name
        elif not any(name == allowed or name.startswith(f"{allowed}/") for allowed in CONNECTS):
            found = opens_connections(ast.parse(path.read_text()))
            if found:
                offenders[name] = found
    assert offenders == {}


@pytest.mark.parametrize(
    "code",
    [
        "import aiohttp",
        "from aiohttp import ClientSession",
        "import urllib.request",
        "from urllib.request import urlopen",
        "import http.client",
        "from http import client",
        "socket.socket()",
        "await asyncio.open_connection(h, p)",
        "socket.create_connection((h, p))",
    ],
)
def test_the_check_sees_what_it_should(code: str) -> None:
    assert opens_connections(ast.parse(f"async def f():\n    {code}"))
