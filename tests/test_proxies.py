"""The proxies of docs/DEPLOYMENT.md, as that page configures them, before a daemon: what passes, what is refused."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import evolve, frozen
from conftest import ROBIN, TOOL_TOKEN, WEBHOOK_SECRET, Platform, sample, started
from test_service import Door, restarts

from elaaoms.cli import live
from elaaoms.config import Config
from elaaoms.webhooks import sign

PAGE = (Path(__file__).parent.parent / "docs" / "DEPLOYMENT.md").read_text("utf-8")
SITE = "voice.example.com"
START_S = 20.0
RESTARTS = int(os.environ.get("ELAAOMS_TEST_RESTARTS", "1"))
MIB = 1 << 20


def told(proxy: str) -> str:
    """What the page says that the proxy's configuration is."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.partition(f"**{proxy}**")[2], re.DOTALL | re.MULTILINE)
    return next(text for language, text in blocks if not language)


def changed(text: str, **changes: str) -> str:
    """The text with what a page cannot know; every replaced piece must be there."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def caddyfile(folder: Path, port: int, upstream: int, limit: str) -> list[str]:
    site = changed(
        told("Caddy"),
        **{
            f"{SITE} {{": f"https://{SITE}:{port} {{\n\ttls {folder}/cert.pem {folder}/key.pem",
            "127.0.0.1:8000": f"127.0.0.1:{upstream}",
            "320MiB": f"{int(limit) + 64}MiB",
        },
    )
    (folder / "Caddyfile").write_text("{\n    admin off\n    auto_https disable_redirects\n}\n" + site)
    return ["caddy", "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]


def nginx(folder: Path, port: int, upstream: int, limit: str) -> list[str]:
    site = changed(
        told("nginx"),
        **{
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "    listen [::]:443 ssl;\n": "",
            f"/etc/letsencrypt/live/{SITE}/fullchain.pem": f"{folder}/cert.pem",
            f"/etc/letsencrypt/live/{SITE}/privkey.pem": f"{folder}/key.pem",
            "127.0.0.1:8000": f"127.0.0.1:{upstream}",
            "256m": f"{limit}m",
        },
    )
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{places}{site}}}\n"
    )
    return ["nginx", "-c", f"{folder}/nginx.conf", "-e", "stderr"]


def here(name: str) -> pytest.MarkDecorator:
    """Skips where the program is not; Debian's nginx is in a folder that only root has in the PATH."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") and shutil.which("openssl")
    return pytest.mark.skipif(not found, reason=f"{name} or openssl is not installed")


Configure = Callable[[Path, int, int, str], list[str]]
both = pytest.mark.parametrize(
    "configure",
    [
        pytest.param(caddyfile, id="caddy", marks=here("caddy")),
        pytest.param(nginx, id="nginx", marks=here("nginx")),
    ],
)


@frozen
class Proxy:
    """A proxy that runs, and how its site is reached."""

    port: int
    trust: ssl.SSLContext

    def connector(self) -> aiohttp.TCPConnector:
        """Connections to the site by its name, wherever it listens."""
        return aiohttp.TCPConnector(ssl=self.trust, resolver=_Here(), force_close=True)

    @property
    def url(self) -> str:
        return f"https://{SITE}:{self.port}"


class _Here(aiohttp.abc.AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        flags = socket.AI_NUMERICHOST
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": port,
                "family": family,
                "proto": 0,
                "flags": flags,
            }
        ]

    async def close(self) -> None:
        return None


@asynccontextmanager
async def proxied(
    configure: Configure, folder: Path, upstream: int, limit: str = "256"
) -> AsyncIterator[Proxy]:
    """The proxy with a certificate of its own before a port of the loopback."""
    await asyncio.to_thread(certify, folder)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = configure(folder, port, upstream, limit)
    environment = os.environ | {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
    }
    log = folder / "log"
    with log.open("wb") as output:
        running = subprocess.Popen(  # noqa: ASYNC220, S603
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        until = time.monotonic() + START_S
        while not reached(port):
            assert running.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            await asyncio.sleep(0.02)
        yield Proxy(port, ssl.create_default_context(cafile=str(folder / "cert.pem")))
    finally:
        running.terminate()
        await asyncio.to_thread(running.wait)


def reached(port: int) -> bool:
    with closing(socket.socket()) as visitor:
        found = visitor.connect_ex(("127.0.0.1", port)) == 0
        return found and visitor.getsockname() != visitor.getpeername()  # it may have met itself


def certify(folder: Path) -> None:
    folder.mkdir()
    subject = ["-subj", f"/CN={SITE}", "-addext", f"subjectAltName=DNS:{SITE}"]
    keys = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    subprocess.run(  # noqa: S603
        ["openssl", "req", "-x509", "-days", "2", *keys, *subject, *files],  # noqa: S607
        check=True,
        capture_output=True,
    )


@asynccontextmanager
async def behind(
    configure: Configure, config: Config, folder: Path, limit: str = "256"
) -> AsyncIterator[Platform]:
    """A platform that reaches a daemon through the proxy."""
    async with started(config) as direct:
        port = int(direct.url.rpartition(":")[2])
        async with (
            proxied(configure, folder / "proxy", port, limit) as proxy,
            aiohttp.ClientSession(
                connector=proxy.connector(), timeout=aiohttp.ClientTimeout(total=60)
            ) as session,
        ):
            yield evolve(direct, url=proxy.url, session=session)


@pytest.mark.parametrize("name", ["caddy", "nginx"])
def test_the_page_and_the_settings_agree(name: str) -> None:
    server = Config().server
    text = told({"caddy": "Caddy"}.get(name, name))
    assert f"127.0.0.1:{server.port}" in text
    assert str(server.admin_port) not in text
    waits = [int(number) for number in re.findall(r"(?:read_timeout|header_timeout) (\d+)s", text)]
    assert waits
    assert min(waits) > server.body_timeout_s


@both
async def test_a_call_from_before_to_after(configure: Configure, config: Config, tmp_path: Path) -> None:
    async with behind(configure, config, tmp_path) as platform:
        async with platform.session.get(f"{platform.url}/health") as answer:
            assert not answer.headers["Server"].startswith("elaaoms")
            assert await live._ours(answer)
        stranger = await platform.initiation()
        assert (stranger.status, stranger.variables["caller_known"]) == (200, False)
        name = str(uuid.uuid4())
        sent = await platform.send(sample("inbound_twilio"), X_Request_ID=name)
        assert sent.status == 200, sent
        assert (sent.headers["X-Request-ID"], sent.json["request_id"]) == (name, name)
        event = json.loads(sample("inbound_twilio"))["data"]
        await platform.until(
            f"/api/calls/{event['conversation_id']}", lambda data: data["extraction_status"] == "completed"
        )
        known = await platform.initiation()
        assert (known.status, known.variables["caller_known"]) == (200, True)
        bearer = await platform.request(
            "POST",
            f"{platform.url}/webhook/search-memory",
            {"query": "order", "caller_id": ROBIN, "agent_id": event["agent_id"]},
            Authorization=f"Bearer {TOOL_TOKEN}",
        )
        assert (bearer.status, bearer.json["found"]) == (200, True)


@both
async def test_who_may_not_is_refused_and_what_is_inside_stays_inside(
    configure: Configure, config: Config, tmp_path: Path
) -> None:
    async with behind(configure, config, tmp_path) as platform:
        forged = await platform.send(sample("web"), secret="wsec_of_somebody_else_0123456789")
        assert (forged.status, forged.json["status"]) == (401, "error")
        nobody = await platform.request("POST", f"{platform.url}/webhook/client-data", {})
        assert nobody.status == 401
        for path in ("/metrics", "/dashboard", "/api/memories", "/api/events"):
            assert (await platform.request("GET", f"{platform.url}{path}")).status == 404, path
        packed = await platform.send(sample("web"), Content_Encoding="gzip")
        assert packed.status == 415


def recording(megabytes: int) -> bytes:
    event = json.loads(sample("audio"))
    sound = base64.b64decode(event["data"]["full_audio"]) + os.urandom(megabytes * 1_000_000)
    event["data"]["full_audio"] = base64.b64encode(sound).decode()
    return json.dumps(event).encode()


@pytest.mark.parametrize(
    ("configure", "chunked"),
    [
        pytest.param(caddyfile, False, id="caddy, of a length", marks=here("caddy")),
        pytest.param(nginx, True, id="nginx, in chunks", marks=here("nginx")),
    ],
)
async def test_a_long_recording_passes(
    configure: Configure, config: Config, tmp_path: Path, chunked: bool
) -> None:
    body = recording(50)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), MIB):
            yield body[start : start + MIB]

    async with behind(configure, config, tmp_path) as platform:
        headers = {
            "Content-Type": "application/json",
            "ElevenLabs-Signature": sign(WEBHOOK_SECRET, body, now=time.time()),
        }
        data = pieces() if chunked else io.BytesIO(body)
        url = f"{platform.url}/webhook/post-call"
        async with platform.session.post(url, data=data, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            await platform.settled((await answer.json())["data"]["job_id"])
        sound = base64.b64decode(json.loads(body)["data"]["full_audio"])
        (kept,) = (content for name, content in platform.files().items() if name.endswith("_audio.mp3"))
        assert kept == sound


async def refused(platform: Platform, body: Any) -> bool:
    """Whether a body meets 413, or a door that closes while the rest of it is still on its way."""
    headers = {
        "Content-Type": "application/json",
        "ElevenLabs-Signature": sign(WEBHOOK_SECRET, b"", now=time.time()),
    }
    url = f"{platform.url}/webhook/post-call"
    try:
        async with platform.session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 413, (answer.status, await answer.text(), dict(answer.headers))
            return True
    except aiohttp.ClientError:
        return True


@both
async def test_a_larger_body_than_allowed_is_refused(
    configure: Configure, config: Config, tmp_path: Path
) -> None:
    small = evolve(config, server=evolve(config.server, max_audio_mb=4, max_transcript_mb=4))
    async with behind(configure, small, tmp_path, limit="4") as platform:
        assert (await platform.send(recording(2))).status == 200
        assert await refused(platform, io.BytesIO(recording(4)))

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield b"x" * MIB

        assert await refused(platform, endless())
        async with asyncio.timeout(START_S):  # until the daemon has heard that nothing more comes
            while os.listdir(config.data / "incoming"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@both
@pytest.mark.timeout(600)  # with many restarts, on a busy machine
async def test_restarts_behind_it_refuse_no_request_and_lose_no_call(
    configure: Configure, tmp_path: Path
) -> None:
    @asynccontextmanager
    async def before(port: int) -> AsyncIterator[Door]:
        async with proxied(configure, tmp_path / "proxy", port) as proxy:
            yield Door(proxy.url, proxy.connector)

    load, found = await restarts(tmp_path / "etc", times=RESTARTS, before=before)
    assert load.refused == []
    assert len(load.acknowledged) >= 5 * RESTARTS
    assert load.acknowledged <= found


@both
async def test_a_body_that_stalls_is_told_so(configure: Configure, config: Config, tmp_path: Path) -> None:
    hasty = evolve(config, server=evolve(config.server, body_timeout_s=0.5))
    gate = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield b"{"
        await gate.wait()

    async with behind(configure, hasty, tmp_path) as platform:
        async with platform.session.post(
            f"{platform.url}/webhook/post-call",
            data=stalling(),
            headers={
                "Content-Type": "application/json",
                "ElevenLabs-Signature": sign(WEBHOOK_SECRET, b"{", now=time.time()),
            },
        ) as answer:
            assert answer.status == 408
        gate.set()
