"""`elaaoms serve`, `check` and `send`: the daemon, whether it can run, and a letter to it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import aiohttp
import click
from attrs import frozen

from elaaoms import daemon, logs
from elaaoms.budget import Tally
from elaaoms.cli.desk import settings
from elaaoms.config import Config, Secrets, load, load_secrets
from elaaoms.database import migrations, translated
from elaaoms.datadir import whereabouts
from elaaoms.errors import ConfigError, ElaaomsError, ProviderBlocked, ServiceRejected, ServiceUnavailable
from elaaoms.llm import LanguageModel, Message, Refusal, Spent, Truncated
from elaaoms.webhooks import sign

MIB = 1 << 20
_MEND = "; if the disk is sound, `elaaoms recover` sets it aside and makes a new one from the archive"


def run(config_path: Path) -> None:
    """Run the daemon until it is told to stop."""
    config = load(config_path)
    secrets = load_secrets(config.folder, os.environ)
    wanted = config.logging
    files = logs.Files(
        folder=config.data / "logs",
        largest=wanted.file_mb * MIB,
        kept=wanted.files,
        errors=wanted.levels.errors,
    )
    logs.configure(wanted.level, wanted.format, wanted.areas, files if wanted.file else None)
    for warning in secrets.warnings():
        click.echo(f"Warning: {warning}", err=True)

    def announce(up: daemon.Running) -> None:
        click.echo(f"listening on {up.url}")
        click.echo(f"admin on {up.admin_url}")

    asyncio.run(daemon.serve(config, secrets, announce))


async def recover(config_path: Path, backup: Path | None) -> None:
    """Rebuild the database and say what came back."""
    config = load(config_path)
    secrets = load_secrets(config.folder, os.environ)
    logs.configure("error", config.logging.format)

    def progress(text: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{text:<60}", nl=False, err=True)

    done = await daemon.recover(config, secrets, backup=backup, progress=progress)
    progress("")
    click.echo(f"{done.adopted} archived bodies were recorded again.")
    click.echo(f"{done.statements} statements of operators were brought back.")
    found = done.scrubbed
    if found.owners or found.conversations:
        click.echo(f"{len(found.owners)} callers and {len(found.conversations)} calls had damaged rows.")
    if found.lost:
        click.echo(f"{found.lost} damaged facts stand in no archive and are lost.")
    if left := done.jobs["available"]:
        click.echo(f"{left} jobs wait for `elaaoms serve`.")
    if failed := done.jobs["failed"]:
        click.echo(f"{failed} jobs failed; see `elaaoms jobs list --state failed`.")


# -- check -----------------------------------------------------------------------------


@frozen
class Finding:
    """One line of `check`: ok, warn or fail, what about, and the mend."""

    status: str
    subject: str
    text: str


async def check(
    config_path: Path, *, as_json: bool, live: bool = False, agent_id: str | None = None, fix: bool = False
) -> bool:
    """Print what stands in the way of running here; False if anything fails. `live` asks the services too."""
    findings = [finding async for finding in _findings(config_path, live)]
    if live and all(finding.subject != "configuration" or finding.status == "ok" for finding in findings):
        from elaaoms.cli.live import examine  # noqa: PLC0415

        config = load(config_path)
        findings += [finding async for finding in _language_models(config)]
        findings += [
            Finding(*found)
            async for found in examine(config, agent_id, fix=fix, say=lambda line: click.echo(line, err=True))
        ]
    if as_json:
        rows = [{"status": f.status, "subject": f.subject, "text": f.text} for f in findings]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.status:<4}  {finding.subject:<13}  {finding.text}")
    return all(finding.status != "fail" for finding in findings)


async def _findings(config_path: Path, live: bool) -> AsyncIterator[Finding]:
    try:
        config = load(config_path)
    except ConfigError as error:
        for line in str(error).splitlines():
            yield Finding("fail", "configuration", line)
        return
    yield Finding("ok", "configuration", str(config_path))
    for finding in (*_secrets(config), *_public_url(config), *_disk(config)):
        yield finding
    place = whereabouts(config.data)
    for finding in _database(config):
        yield finding
    for finding in await _ports(config, place):
        yield finding
    if config.embeddings.provider != "builtin":
        yield await _embeddings(config, live)
    if config.openmemory.url:
        yield await _openmemory(config, live)


def _secrets(config: Config) -> Iterator[Finding]:
    try:
        secrets = load_secrets(config.folder, os.environ)
        secrets.require(*daemon.SECRETS)
    except ConfigError as error:
        for line in str(error).splitlines():
            yield Finding("fail", "secrets", line)
        return
    for warning in secrets.warnings():
        yield Finding("warn", "secrets", warning)
    yield Finding("ok", "secrets", f"{', '.join(daemon.SECRETS)} are set")
    try:
        daemon.extractor_of(config, secrets, Tally())
    except ConfigError as error:
        yield Finding("fail", "extraction", str(error))
    else:
        hint = "; a language model understands more" if config.llm.provider == "rules" else ""
        yield Finding("ok", "extraction", f"llm.provider is {config.llm.provider}{hint}")


def _public_url(config: Config) -> Iterator[Finding]:
    url = config.server.public_url
    if not url:
        yield Finding(
            "warn", "public url", "server.public_url is empty: set it to where ElevenLabs reaches this server"
        )
        return
    for name, path in (
        ("post-call", "/webhook/post-call"),
        ("client-data", "/webhook/client-data"),
        ("search-memory", "/webhook/search-memory"),
    ):
        yield Finding("ok", name, f"{url}{path}")


def _disk(config: Config) -> Iterator[Finding]:
    folder = config.data
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            "fail", "data", f"{folder} cannot be written by this user: change its owner or data_dir"
        )
        return
    free = shutil.disk_usage(folder).free // MIB
    reserve = config.storage.min_free_mb
    if free < reserve:
        yield Finding(
            "fail",
            "disk",
            f"{free} MiB are free, storage.min_free_mb is {reserve}: make room, or calls get 503",
        )
    elif free < 4 * reserve:
        yield Finding("warn", "disk", f"{free} MiB are free; below {reserve} calls get 503")
    else:
        yield Finding("ok", "disk", f"{free} MiB are free in {folder}")


def _database(config: Config) -> Iterator[Finding]:
    path = config.data / "elaaoms.db"
    if not path.exists():
        yield Finding("ok", "database", f"{path} will be made when `elaaoms serve` starts")
        return
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        reason = str(translated(error))
        broken = "damaged" in reason or "not an SQLite" in reason
        mend = _MEND if broken else f"; this user must be able to write in {path.parent}"
        yield Finding("fail", "database", f"{path}: {reason}{mend}")
        return
    newest = migrations()[-1][0]
    if verdict != "ok":
        yield Finding("fail", "database", f"{path} is damaged ({verdict}){_MEND}")
    elif version > newest:
        yield Finding(
            "fail",
            "database",
            f"{path} has schema {version}, this program knows {newest}: install a newer elaaoms",
        )
    else:
        yield Finding("ok", "database", f"{path} is sound, schema {version}")


async def _ports(config: Config, place: dict[str, str] | None) -> list[Finding]:
    if place is not None:
        return [await _alive(place)]
    at = config.server
    findings = []
    for subject, host, port in (("port", at.host, at.port), ("admin port", at.admin_host, at.admin_port)):
        if port == 0:
            findings.append(Finding("ok", subject, f"any free port on {host}"))
            continue
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            text = (
                f"cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}; free it or change it"
            )
            findings.append(Finding("fail", subject, text))
        else:
            findings.append(Finding("ok", subject, f"{host} port {port} is free"))
    return findings


async def _embeddings(config: Config, live: bool) -> Finding:
    try:
        embedder = daemon.embedder_of(config, load_secrets(config.folder, os.environ))
    except ConfigError as error:
        return Finding("fail", "embeddings", str(error))
    if embedder is None or not live:
        return Finding("ok", "embeddings", f"{config.embeddings.provider} is configured; --live asks it")
    began = time.monotonic()
    try:
        (vector,) = await embedder.embed(["This is a test of the connection."])
    except (ServiceUnavailable, ServiceRejected, ProviderBlocked) as error:
        return Finding("fail", "embeddings", f"{error}; look at [embeddings]")
    finally:
        await embedder.close()
    took = (time.monotonic() - began) * 1000
    late = took > config.embeddings.live_timeout_ms
    slow = f", later than embeddings.live_timeout_ms ({config.embeddings.live_timeout_ms})" if late else ""
    told = f"{embedder.model} answered {len(vector)} numbers in {took:.0f} ms{slow}"
    return Finding("warn" if late else "ok", "embeddings", told)


async def _openmemory(config: Config, live: bool) -> Finding:
    url = config.openmemory.url
    if not live:
        return Finding("ok", "openmemory", f"{url} is configured; --live asks it")
    try:
        found = await daemon.openmemory_found(config, load_secrets(config.folder, os.environ))
    except ElaaomsError as error:
        return Finding("fail", "openmemory", str(error))
    return Finding("ok", "openmemory", found)


async def _alive(place: dict[str, str]) -> Finding:
    url = place.get("admin_url", "")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(f"{url}/health") as response,
        ):
            answer = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Finding(
            "fail", "daemon", f"it holds the data but does not answer at {url} ({type(error).__name__})"
        )
    state = answer["message"]
    poor = [
        f"{name}: {part.get('reason', part['status'])}"
        for name, part in answer["data"]["dependencies"].items()
        if part["status"] != "ok"
    ]
    status = {"healthy": "ok", "degraded": "warn"}.get(state, "fail")
    return Finding(status, "daemon", "; ".join([f"running at {place['url']}, {state}", *poor]))


# -- check --live ----------------------------------------------------------------------

PROBE_TOKENS = 16  # the least that the Responses API takes
PROBE = (
    Message("system", "Answer with the JSON that is asked for and nothing else."),
    Message("user", "This is a test of the connection. Say that it is ok."),
)
PROBE_SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
_MENDS = {
    "key": "put a valid one into secrets/{name}_api_key",
    "credit": "top the account up or raise its limit at {name}",
    "model": "llm.{name}.model is {model}, name one that is there, and look at llm.{name}.base_url",
    "address": "llm.{name}.base_url must be the API itself",
    "network": "look at llm.{name}.base_url, the network and the firewall",
    "time": "look at the network, or raise llm.timeout_s",
    "answer": "another program, a proxy or a login page answers: look at llm.{name}.base_url",
    "busy": "it knows the key but takes no more now; jobs wait and try again",
    "down": "wait, or name another one in llm.fallback; jobs wait and try again",
    "request": "llm.{name}.model may not know JSON schemas or an option in [llm.{name}]",
}


async def _language_models(config: Config) -> AsyncIterator[Finding]:
    """One small real request to each configured provider."""
    try:
        secrets = load_secrets(config.folder, os.environ)
        models = daemon.models_of(config, secrets, max_output_tokens=PROBE_TOKENS)
    except ConfigError:
        return  # told already
    for model in models:
        yield await _asked(model)
        await model.close()


async def _asked(model: LanguageModel) -> Finding:
    began = time.monotonic()
    spent: list[Spent] = []
    try:
        await model.complete(PROBE, schema=PROBE_SCHEMA, schema_name="probe", paid=spent.append)
    except (ServiceUnavailable, ServiceRejected, ProviderBlocked) as error:
        if not isinstance(error, Truncated | Refusal):  # these are answers
            mend = _MENDS.get(error.about, "").format(name=model.name, model=model.model)
            status = "warn" if error.about == "busy" else "fail"
            return Finding(status, model.name, f"{error}; {mend}" if mend else str(error))
    took = (time.monotonic() - began) * 1000
    named = next((paid.model for paid in spent), model.model)
    return Finding("ok", model.name, f"{named} answered in {took:.0f} ms")


# -- send ------------------------------------------------------------------------------


async def send(config_path: Path, file: IO[bytes], url: str | None) -> bool:
    """Sign a body, post it and print the answer; False unless it was 200."""
    config = settings(config_path)
    secrets = load_secrets(config.folder, os.environ)
    body = await asyncio.to_thread(file.read)
    status, answer = await post(_target(config, url), body, secrets)
    click.echo(f"{status} {answer}")
    return status == 200


async def post(url: str, body: bytes, secrets: Secrets) -> tuple[int, str]:
    """Post a signed event; the answer's status and text."""
    headers = {
        "Content-Type": "application/json",
        "ElevenLabs-Signature": sign(secrets.webhook_secrets[0], body, now=time.time()),
    }

    async def pieces() -> AsyncIterator[bytes]:  # large bodies go out piece by piece, chunked
        for start in range(0, len(body), MIB):
            yield body[start : start + MIB]

    data = body if len(body) <= MIB else pieces()
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session,
            session.post(url, data=data, headers=headers, allow_redirects=False) as response,
        ):
            return response.status, (await response.text()).strip()
    except (aiohttp.ClientError, ValueError, OSError) as error:
        raise ElaaomsError(f"cannot post to {url}: {error or type(error).__name__}") from error


def _target(config: Config, url: str | None) -> str:
    if url is None:
        place = whereabouts(config.data) or {}
        url = place.get("url") or f"http://{config.server.host}:{config.server.port}"
    elif urlsplit(url).scheme not in ("http", "https"):
        raise ElaaomsError(f"{url} is not an http or https address")
    return url if urlsplit(url).path not in ("", "/") else f"{url.rstrip('/')}/webhook/post-call"
