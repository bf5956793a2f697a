"""The tunnel: a token nobody sees, no download unasked, and an agent that comes back whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from click.testing import CliRunner
from fakes_elevenlabs import API_KEY, FakeElevenLabs, agent
from pyngrok import conf
from test_cli import beside
from test_daemon import ENVIRONMENT, command, install, is_one_sentence

from elaaoms import tunnel
from elaaoms.cli import main
from elaaoms.errors import ElaaomsError

AGENT = "agent_0001fictional"
TOKEN = "ngrok-token-of-the-tests"
URL = "https://calm-otter.ngrok.example"


@pytest.fixture
def fake() -> FakeElevenLabs:
    return FakeElevenLabs(agent(AGENT))


@pytest.fixture
async def server(fake: FakeElevenLabs) -> AsyncIterator[str]:
    async with TestServer(fake.app) as running:
        yield str(running.make_url("")).rstrip("/")


@pytest.fixture
def ngrok(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ngrok"
    program.write_text(f"#!{sys.executable}\n{(Path(__file__).parent / 'fake_ngrok.py').read_text()}")
    program.chmod(0o755)
    return program


def configured(folder: Path, server: str = "https://api.elevenlabs.io", token: str = TOKEN) -> Path:
    path = install(folder)
    text = re.sub(r"(?m)^api_url = .*$", f'api_url = "{server}"', path.read_text())
    path.write_text(re.sub(r"(?m)^reconcile_minutes = .*$", "reconcile_minutes = 0", text))
    for name, value in {"elevenlabs_api_key": API_KEY, "ngrok_authtoken": token}.items():
        (folder / "secrets" / name).write_text(value)
        (folder / "secrets" / name).chmod(0o600)
    return path


async def until_open(process: subprocess.Popen[str]) -> list[str]:
    """What the command says until it has named the third address."""
    said: list[str] = []
    assert process.stdout is not None
    while not any("search-memory" in line and line.startswith(URL) for line in said):
        line = await asyncio.to_thread(process.stdout.readline)
        assert line, said
        said.append(line.strip())
    return said


def spawn(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        command(*arguments), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


async def test_the_agent_leads_to_the_tunnel_and_comes_back_also_after_a_crash(
    fake: FakeElevenLabs, server: str, tmp_path: Path, ngrok: Path
) -> None:
    path = configured(tmp_path, server)
    before = fake.state()
    secrets_before = (tmp_path / "secrets" / "webhook_secret").read_text()
    first = spawn("tunnel", "-c", path, "--ngrok", ngrok, "--agent", AGENT)
    said = await until_open(first)
    assert said[-3:] == [f"{URL}/webhook/{name}" for name in ("post-call", "client-data", "search-memory")]
    listening = next(line.split()[-1] for line in said if line.startswith("listening on"))
    assert (ngrok.parent / "upstream").read_text() == listening
    own = fake.agents[AGENT]["platform_settings"]["workspace_overrides"]
    assert own["conversation_initiation_client_data_webhook"]["url"] == f"{URL}/webhook/client-data"
    # The token is nowhere but in a file of its owner's.
    assert TOKEN not in (ngrok.parent / "argv").read_text()
    kept = tmp_path / "data" / "ngrok" / "ngrok.yml"
    assert TOKEN in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    first.kill()  # a crash: ngrok goes on, the agent still leads to it
    await asyncio.to_thread(first.wait)
    assert len(_ngroks(ngrok)) == 1
    assert fake.agents[AGENT]["conversation_config"]["agent"]["prompt"]["tool_ids"] != []
    second = spawn("tunnel", "-c", path, "--ngrok", ngrok)
    said = await until_open(second)
    assert any("was not closed in order" in line for line in said)
    after = fake.state()
    for state in (before, after):
        state["agents"][AGENT].pop("version_id")
    assert after == before
    assert (tmp_path / "secrets" / "webhook_secret").read_text() == secrets_before
    second.send_signal(signal.SIGTERM)
    _, err = await asyncio.to_thread(second.communicate)
    assert second.returncode == 0, err
    assert _ngroks(ngrok) == []  # the one that the crash left was ended too
    first.communicate()


def _ngroks(ngrok: Path) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if str(ngrok).encode() in line and b"elaaoms" not in line:
                found.append(int(folder.name))
    return found


async def test_an_orderly_end_points_the_agent_back_and_ends_ngrok(
    fake: FakeElevenLabs, server: str, tmp_path: Path, ngrok: Path
) -> None:
    path = configured(tmp_path, server)
    before = fake.state()
    running = spawn("tunnel", "-c", path, "--ngrok", ngrok, "--agent", AGENT)
    await until_open(running)
    running.send_signal(signal.SIGINT)
    out, err = await asyncio.to_thread(running.communicate)
    assert running.returncode == 0, err
    assert f"agent {AGENT}: as it was" in out
    after = fake.state()
    for state in (before, after):
        state["agents"][AGENT].pop("version_id")
    assert after == before
    assert _ngroks(ngrok) == []
    assert json.loads((tmp_path / "data" / "elevenlabs" / "tunnel.json").read_text())["agents"] == {}


def opening(folder: Path, ngrok: Path | None, token: str = TOKEN) -> Any:
    return tunnel.opened("http://127.0.0.1:9", token, folder=folder, binary=ngrok, download=False)


async def test_a_token_that_is_refused_is_one_sentence_without_it(tmp_path: Path, ngrok: Path) -> None:
    token = "wrong-token-of-the-tests"
    told = await beside("tunnel", "-c", configured(tmp_path, token=token), "--ngrok", ngrok)
    assert told.returncode == 1
    assert is_one_sentence(told.stderr), told.stderr
    assert "it refuses the token" in told.stderr
    assert token not in told.stderr + told.stdout
    assert _ngroks(ngrok) == []


async def test_a_tunnel_that_ngrok_refuses_leaves_nothing_running(tmp_path: Path, ngrok: Path) -> None:
    with pytest.raises(ElaaomsError, match="its local API answered 502") as caught:
        async with opening(tmp_path, ngrok, "refused-token-of-the-tests"):
            pass
    assert "refused-token" not in str(caught.value)
    assert _ngroks(ngrok) == []


async def test_a_program_that_says_nothing_is_ended(
    tmp_path: Path, ngrok: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "START_S", 1.0)
    with pytest.raises(ElaaomsError, match="did not open a tunnel within 1 s"):
        async with opening(tmp_path, ngrok, "silent-token-of-the-tests"):
            pass
    assert _ngroks(ngrok) == []


async def test_a_program_that_ends_by_itself_ends_the_tunnel(tmp_path: Path, ngrok: Path) -> None:
    async with opening(tmp_path, ngrok) as found:
        assert found.url == URL
        (number,) = _ngroks(ngrok)
        os.kill(number, signal.SIGKILL)
        with pytest.raises(tunnel.Ended):
            await found.ended()


async def test_nothing_is_downloaded_and_nothing_missing_is_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(conf, "DEFAULT_NGROK_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ElaaomsError, match=r"not installed.*--download"):
        async with opening(tmp_path, None):
            pass
    with pytest.raises(ElaaomsError, match="not a program"):
        async with opening(tmp_path, tmp_path / "ngrok.yml"):
            pass


def test_a_token_from_elsewhere_is_not_taken(tmp_path: Path) -> None:
    path = configured(tmp_path)
    (tmp_path / "secrets" / "ngrok_authtoken").unlink()
    told = CliRunner().invoke(main, ["tunnel", "-c", str(path)], env={"NGROK_AUTHTOKEN": "x" * 20})
    assert (told.exit_code, "ngrok_authtoken is missing" in told.stderr) == (1, True)


async def test_a_port_on_which_nothing_listens_is_told() -> None:
    with pytest.raises(ElaaomsError, match="nothing listens on"):
        await tunnel.check_port("http://127.0.0.1:9")
