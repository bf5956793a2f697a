"""`elaaoms check --live`: what ElevenLabs and the public address say about this installation."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

import aiohttp

from elaaoms.cli.platform import secret_file, wish_of
from elaaoms.config import Config, Secrets, load_secrets
from elaaoms.elevenlabs import Body, ElevenLabs, connected
from elaaoms.errors import ConfigError, ElaaomsError
from elaaoms.wiring import (
    Ids,
    Journal,
    Setup,
    Wish,
    differences,
    digest,
    infer,
    tool_config,
    uses_the_workspace,
    wanted,
    warnings,
    webhooks_wanted,
)

Found: TypeAlias = tuple[str, str, str]  # ok, warn or fail; what about; the text with its mend

SKEW_S = 60.0  # signatures stand a clock that is ahead by 300 s
REACH_S = 10.0
HEALTH_BYTES = 64 << 10  # more than /health ever says


async def examine(
    config: Config, agent_id: str | None, *, fix: bool, say: Callable[[str], Any]
) -> AsyncIterator[Found]:
    """Ask, and with `fix` mend first what was wired by `elaaoms setup`."""
    try:
        secrets = load_secrets(config.folder, os.environ)
    except ConfigError:
        return  # `check` has said so already
    if config.server.public_url:
        yield await public(config.server.public_url)
    key = secrets.get("elevenlabs_api_key")
    if key is None:
        text = "there is no elevenlabs_api_key: missed calls are not fetched, and agents cannot be compared"
        yield ("fail" if agent_id else "warn", "elevenlabs", text)
        return
    async with connected(key, config.elevenlabs.api_url) as api:
        try:
            settings = await api.settings()
        except ElaaomsError as error:
            yield "fail", "elevenlabs", f"{error}: check elevenlabs_api_key and elevenlabs.api_url"
            return
        yield "ok", "elevenlabs", f"{config.elevenlabs.api_url} takes the key"
        if api.skew_s is not None and abs(api.skew_s) > SKEW_S:
            text = f"this clock differs from ElevenLabs' by {abs(api.skew_s):.0f} s: set it, or signatures are refused"
            yield "fail", "clock", text
        if agent_id is None:
            return
        try:
            async for found in _agent(api, settings, config, secrets, agent_id, fix, say):
                yield found
        except ElaaomsError as error:
            yield "fail", "agent", str(error)


async def public(url: str) -> Found:
    """Whether the public address leads to an elaaoms, with sound TLS and without a redirect."""
    timeout = aiohttp.ClientTimeout(total=REACH_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(f"{url}/health", allow_redirects=False) as response,
        ):
            if 300 <= response.status < 400:
                target = response.headers.get("Location", "elsewhere")
                return (
                    "fail",
                    "public url",
                    f"{url} redirects to {target}; ElevenLabs does not follow: name the target",
                )
            if not await _ours(response):
                return (
                    "fail",
                    "public url",
                    f"{url}/health is answered ({response.status}), but not by elaaoms",
                )
            return "ok", "public url", f"{url} leads to elaaoms"
    except aiohttp.ClientSSLError as error:
        return (
            "fail",
            "public url",
            f"the certificate of {url} is not valid ({type(error).__name__}): renew it",
        )
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return (
            "fail",
            "public url",
            f"{url} cannot be reached from here ({type(error).__name__}): check DNS and the proxy",
        )


async def _ours(response: aiohttp.ClientResponse) -> bool:
    """Whether an answer is that of /health; its headers may be the proxy's own."""
    body = b""
    async for chunk in response.content.iter_chunked(HEALTH_BYTES):
        body += chunk
        if len(body) > HEALTH_BYTES:
            return False
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    data = answer.get("data") if isinstance(answer, dict) else None
    return isinstance(data, dict) and {"status", "version", "dependencies"} <= data.keys()


async def _agent(
    api: ElevenLabs,
    settings: Body,
    config: Config,
    secrets: Secrets,
    agent_id: str,
    fix: bool,
    say: Callable[[str], Any],
) -> AsyncIterator[Found]:
    journal = Journal.open(config.data)
    wish = wish_of(config, secrets, workspace="workspace" in journal.notes)
    ours = agent_id in journal.agents
    if fix and ours:
        await Setup(api, journal, secret_file=secret_file(config), say=say).wire(agent_id, wish)
        settings = await api.settings()
        secrets = load_secrets(config.folder, os.environ)
    mend = "--fix mends it" if ours else f"`elaaoms setup {agent_id}` mends it"
    agent = await api.agent(agent_id)
    tools, webhooks = await api.tools(), await api.webhooks()
    ids = infer(agent, settings, tools, webhooks, wish, journal)
    if uses_the_workspace(agent, settings, wish):
        wish = wish_of(config, secrets, workspace=True)
    whole = True
    for found in (
        *_tool(wish, ids, tools, mend),
        *_webhook(ids, webhooks, journal, secrets, mend),
        *_paths(agent, settings, wish, ids, tools, mend),
    ):
        whole = whole and found[0] == "ok"
        yield found
    for warning in warnings(agent, wish, await api.branches(agent_id)):
        yield "warn", "agent", warning
    if whole:
        yield "ok", "agent", f"{agent.get('name') or agent_id} is wired as it should be"


def _tool(wish: Wish, ids: Ids, tools: list[Body], mend: str) -> Iterator[Found]:
    config = next((tool.get("tool_config") or {} for tool in tools if tool.get("id") == ids.tool), None)
    if config is None:
        yield "fail", "tool", f"there is no tool for {wish.url('search-memory')}: {mend}"
        return
    if differences({"tool": config}, {("tool",): tool_config(wish, ids.secret)}):
        yield "fail", "tool", f"search_memory ({ids.tool}) is not configured as it should be: {mend}"


def _webhook(
    ids: Ids, webhooks: list[Body], journal: Journal, secrets: Secrets, mend: str
) -> Iterator[Found]:
    one = next((hook for hook in webhooks if hook.get("webhook_id") == ids.webhook), None)
    if one is None:
        yield "fail", "webhook", f"there is no post-call webhook that leads here: {mend}"
        return
    if one.get("is_auto_disabled"):
        yield (
            "fail",
            "webhook",
            f"ElevenLabs disabled it after too many failures: find their cause, then {mend}",
        )
    elif one.get("is_disabled"):
        yield "fail", "webhook", f"it is switched off: {mend}"
    noted = journal.notes.get("webhook", {})
    if noted.get("id") == ids.webhook and noted.get("secret") not in map(digest, secrets.webhook_secrets):
        text = "its secret is not among those of webhook_secret: every event is refused; delete the webhook in the"
        yield "fail", "webhook", f"{text} dashboard and run setup again, which makes one with a known secret"
    failed_at, code = one.get("most_recent_failure_timestamp"), one.get("most_recent_failure_error_code")
    if failed_at and time.time() - failed_at < 86400:
        moment = datetime.fromtimestamp(failed_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        why = (
            "its signature was refused: its secret must stand in secrets/webhook_secret, and `serve` be restarted since"
            if code == 401
            else "see what this server or its proxy logged then"
        )
        yield "warn", "webhook", f"the last delivery that failed was answered {code} ({moment}): {why}"


def _paths(
    agent: Body, settings: Body, wish: Wish, ids: Ids, tools: list[Body], mend: str
) -> Iterator[Found]:
    for difference in differences(agent, wanted(agent, wish, ids, tools)):
        yield "fail", "agent", f"{difference}: {mend}"
    if wish.workspace:
        for difference in differences(settings, webhooks_wanted(settings, wish, ids)):
            yield "fail", "workspace", f"{difference}: {mend}"
