"""Files with partners: what a path can reach, what a fault says, and a real OpenSSH server at the other end."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncssh
import pytest
import pytest_asyncio

from onhand.domain.endpoint import Endpoint
from onhand.domain.outcome import Transient, Unauthorised, Unknown
from onhand.flow.remote_files import files_of
from onhand.ops import limits
from onhand.sdk.answers import outcome_of_fault
from onhand.sdk.files import AccessRefused, FileMissing, FileTooLarge, LoginRefused
from onhand.sdk.http import AddressRefused, AnswerLost, NotTrusted, Unreachable
from onhand.sdk.link import Files
from tests.connectors.files.sshd import Server, cut_line, sshd


def files(url: str, credentials: str = "{}", **policy: object) -> Files:
    fields = {"allow_private_addresses": True, "timeout_s": 10, **policy}
    endpoint = Endpoint(code="drop", system="supplier", base_url=url, **fields)  # type: ignore[arg-type]
    return files_of(endpoint, lambda: json.loads(credentials))


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with sshd(tmp_path / "sshd") as running:
        yield running


@pytest.fixture(params=["folder", "sftp"])
def both(request: pytest.FixtureRequest) -> Iterator[str]:
    """The same promises over a local folder and over SFTP."""
    return request.param  # type: ignore[no-any-return]


@pytest_asyncio.fixture
async def place(both: str, tmp_path: Path) -> AsyncIterator[tuple[Files, Path]]:
    if both == "folder":
        (tmp_path / "files").mkdir()
        yield files(f"file://{tmp_path}/files"), tmp_path / "files"
    else:
        async with sshd(tmp_path / "sshd") as running:
            yield files(running.url, running.credentials()), running.files


async def test_a_file_is_listed_read_written_and_moved(place: tuple[Files, Path]) -> None:
    remote, folder = place
    (folder / "incoming").mkdir()
    (folder / "incoming" / "b.csv").write_bytes(b"sku\r\n\x00\xff")
    (folder / "incoming" / "a.csv").write_bytes(b"")
    (folder / "incoming" / "folder").mkdir()
    os.utime(folder / "incoming" / "b.csv", (1_790_000_000, 1_790_000_000))

    listed = await remote.list("incoming")

    assert [(file.path, file.size) for file in listed] == [("incoming/a.csv", 0), ("incoming/b.csv", 7)]
    assert listed[1].modified_at.timestamp() == 1_790_000_000
    assert await remote.read("incoming/b.csv") == b"sku\r\n\x00\xff"
    await remote.move("incoming/b.csv", "done/b.csv")
    assert (folder / "done" / "b.csv").read_bytes() == b"sku\r\n\x00\xff"
    await remote.write("out/x.csv", b"1")
    await remote.write("out/x.csv", b"2")
    assert [file.name for file in (folder / "out").iterdir()] == ["x.csv"], "no temporary file is left"
    assert (folder / "out" / "x.csv").read_bytes() == b"2"


async def test_a_move_replaces_what_lies_there_and_a_second_one_finds_nothing(place: tuple[Files, Path]) -> None:
    remote, folder = place
    (folder / "a").write_text("new")
    (folder / "b").write_text("old")
    await remote.move("a", "b")
    assert (folder / "b").read_text() == "new"
    with pytest.raises(FileMissing):
        await remote.move("a", "b")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a\0b", "a\\b", "x" * 2_000, "a\nb"])
async def test_no_path_leads_out_of_the_folder(place: tuple[Files, Path], path: str) -> None:
    remote, _ = place
    for asked in (remote.read(path), remote.list(path), remote.write(path, b""), remote.move(path, "y")):
        with pytest.raises(AddressRefused):
            await asked


async def test_what_is_missing_and_what_is_too_large_is_told(
    place: tuple[Files, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    remote, folder = place
    with pytest.raises(FileMissing) as caught:
        await remote.read("nothing.csv")
    assert isinstance(outcome_of_fault(caught.value), Transient)
    with pytest.raises(FileMissing):
        await remote.list("nowhere")
    (folder / "big.csv").write_bytes(b"x" * 1_001)
    monkeypatch.setattr(limits, "FILE_BYTES_MAX", 1_000)
    with pytest.raises(FileTooLarge):
        await remote.read("big.csv")
    assert (folder / "big.csv").exists()


async def test_links_are_neither_listed_nor_followed_out_of_a_local_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "files" / "up").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "files" / "pipe")
    remote = files(f"file://{tmp_path}/files")

    assert await remote.list("") == []
    for path in ("link", "up/secret", "pipe"):
        with pytest.raises(AddressRefused):
            await remote.read(path)
    with pytest.raises(AddressRefused):
        await remote.write("up/new", b"")
    with pytest.raises(AddressRefused):
        await remote.move("up/secret", "taken")
    assert (tmp_path / "secret").read_text() == "s3cret"


@pytest.mark.parametrize("url", ["file:///a/../etc", "https://partner.example/x"])
async def test_an_address_without_files_or_with_a_way_up_is_refused(url: str) -> None:
    with pytest.raises((AddressRefused, Unreachable)):
        files(url)


async def test_a_folder_that_this_account_may_not_read_is_about_rights(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o000)
    remote, me = files(f"file://{tmp_path}/closed"), os.geteuid()
    if me == 0:
        os.seteuid(65_534)  # root may read everything
    try:
        with pytest.raises(AccessRefused):
            await remote.list("")
    finally:
        os.seteuid(me)


# ---------------------------------------------------------------------------------------------- the server's identity


async def test_a_server_with_another_host_key_is_told_nothing(server: Server, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    with pytest.raises(NotTrusted) as caught:
        await files(server.url, server.credentials(host_key=other)).list("")
    assert not isinstance(caught.value, LoginRefused)


async def test_a_key_of_another_kind_than_the_pinned_one_is_not_trusted_either(server: Server) -> None:
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    with pytest.raises(NotTrusted):
        await files(server.url, server.credentials(host_key=other)).list("")


@pytest.mark.parametrize("host_key", ["", "not a key"])
async def test_without_a_host_key_nothing_is_connected_to(server: Server, host_key: str) -> None:
    with pytest.raises(NotTrusted, match="host key"):
        await files(server.url, server.credentials(host_key=host_key)).list("")


async def test_the_host_key_may_stand_in_the_settings_or_among_known_hosts(server: Server) -> None:
    (server.files / "x").write_text("x")
    unpinned = server.credentials(host_key="")
    assert await files(server.url, unpinned, settings={"host_key": server.host_key}).list("")
    known = f"[127.0.0.1]:{server.port} {server.host_key}\n"
    assert await files(server.url, server.credentials(host_key="", known_hosts=known)).list("")
    with pytest.raises(NotTrusted):
        await files(
            server.url, server.credentials(host_key="", known_hosts=known.replace("127.0.0.1", "9.9.9.9"))
        ).list("")


# ---------------------------------------------------------------------------------------------------------- the login


async def test_a_wrong_password_is_a_refused_login_and_shows_nothing_of_itself(server: Server) -> None:
    wrong = json.dumps({"user": "nobody-here", "password": "s3cret-wrong", "host_key": server.host_key})
    with pytest.raises(LoginRefused) as caught:
        await files(server.url, wrong).list("")
    assert "s3cret" not in str(caught.value)
    assert isinstance(outcome_of_fault(caught.value), Unauthorised)


async def test_a_key_that_the_server_does_not_know_is_a_refused_login(server: Server) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    with pytest.raises(LoginRefused):
        await files(server.url, server.credentials(private_key=stranger)).list("")


@pytest.mark.parametrize("changed", [{"user": ""}, {"private_key": ""}, {"private_key": "-----BEGIN s3cret"}])
async def test_a_secret_that_is_none_is_refused_before_the_login(server: Server, changed: dict[str, str]) -> None:
    with pytest.raises(LoginRefused) as caught:
        await files(server.url, server.credentials(**changed)).list("")
    assert "s3cret" not in str(caught.value)


async def test_a_password_opens_the_door_and_a_locked_key_does_not(tmp_path: Path) -> None:
    """OpenSSH asks the system for passwords; this server is asyncssh's own, and knows one."""
    host, user = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x").write_text("x")

    class Door(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("almond", "s3cret")

    keys = asyncssh.import_authorized_keys(user.export_public_key().decode())
    listening = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Door, server_host_keys=[host], sftp_factory=True, authorized_client_keys=keys
    )
    async with listening:
        url = f"sftp://127.0.0.1:{listening.get_port()}{tmp_path}/files"
        pinned = {"user": "almond", "host_key": host.export_public_key().decode()}
        assert await files(url, json.dumps({**pinned, "password": "s3cret"})).read("x") == b"x"
        with_key = json.dumps({**pinned, "private_key": user.export_private_key().decode()})
        assert await files(url, with_key).read("x") == b"x"
        locked = user.export_private_key("pkcs8-pem", passphrase="pass").decode()  # noqa: S106
        with pytest.raises(LoginRefused, match="private key"):
            await files(url, json.dumps({**pinned, "private_key": locked})).read("x")


# --------------------------------------------------------------------------------------------------- lines and faults


async def test_a_private_address_is_not_connected_to_unless_the_policy_allows_it(server: Server) -> None:
    for host in ("127.0.0.1", "localhost"):
        url = server.url.replace("127.0.0.1", host)
        with pytest.raises(AddressRefused):
            await files(url, server.credentials(), allow_private_addresses=False).list("")
    assert await files(server.url.replace("127.0.0.1", "localhost"), server.credentials()).list("") == []


async def test_nobody_there_and_nobody_who_speaks_are_unreachable() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    secret = json.dumps({"user": "u", "password": "p", "host_key": key})
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable):
            await files(f"sftp://127.0.0.1:{closed.getsockname()[1]}/", secret).list("")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(Unreachable):
            await files(f"sftp://127.0.0.1:{silent.getsockname()[1]}/", secret, timeout_s=0.3).list("")


async def test_a_line_that_is_cut_in_mid_read_is_a_lost_answer_and_the_next_try_works(server: Server) -> None:
    (server.files / "big.csv").write_bytes(os.urandom(4_000_000))
    async with cut_line(server.port, after_bytes=1_000_000) as port:
        remote = files(server.url.replace(str(server.port), str(port)), server.credentials())
        with pytest.raises(AnswerLost) as caught:
            await remote.read("big.csv")
        assert isinstance(outcome_of_fault(caught.value), Unknown)
        (server.files / "small.csv").write_bytes(b"ok")
        assert await remote.read("small.csv") == b"ok", "a lost connection is not used again"
    assert len(await files(server.url, server.credentials()).read("big.csv")) == 4_000_000


async def test_a_line_that_is_cut_in_mid_write_leaves_no_half_file_under_the_name(server: Server) -> None:
    async with cut_line(server.port, after_bytes=6_000) as port:
        remote = files(server.url.replace(str(server.port), str(port)), server.credentials())
        with pytest.raises((AnswerLost, Unreachable)):
            for number in range(100):
                await remote.write(f"{number}.csv", b"x" * 100_000)
    whole = [path for path in server.files.iterdir() if not path.name.startswith(".")]
    assert all(path.stat().st_size == 100_000 for path in whole)


async def test_a_big_file_comes_whole_and_many_at_once_share_a_login(server: Server) -> None:
    content = os.urandom(40_000_000)
    (server.files / "big.bin").write_bytes(content)
    remote = files(server.url, server.credentials(), timeout_s=60)
    assert await remote.read("big.bin") == content
    for number in range(20):
        (server.files / f"{number}.csv").write_text(str(number))
    found = await asyncio.gather(*(remote.read(f"{number}.csv") for number in range(20)))
    assert found == [str(number).encode() for number in range(20)]


async def test_a_new_secret_counts_with_the_next_connection(server: Server) -> None:
    secret = {"now": json.dumps({"user": "u", "password": "p", "host_key": server.host_key})}
    endpoint = Endpoint(code="drop", system="s", base_url=server.url, allow_private_addresses=True)
    remote = files_of(endpoint, lambda: json.loads(secret["now"]))
    with pytest.raises(LoginRefused):
        await remote.list("")
    secret["now"] = server.credentials()
    assert await remote.list("") == []
