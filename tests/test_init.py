from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from elaaoms import config
from elaaoms.cli import init
from elaaoms.errors import ConfigError

SECRETS = ("webhook_secret", "tool_token", "admin_token")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_new_folder_gets_the_rendered_settings_and_usable_secrets(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "place"
    init.write(folder)
    assert (folder / "elaaoms.toml").read_text("utf-8") == config.render()
    assert config.load(folder / "elaaoms.toml") == config.Config()
    secrets = config.load_secrets(folder, {})
    secrets.require(*SECRETS)
    assert secrets.warnings() == []


def test_secrets_are_for_the_owner_only_and_for_no_repository(tmp_path: Path) -> None:
    init.write(tmp_path)
    assert _mode(tmp_path / "secrets") == 0o700
    assert {_mode(path) for path in (tmp_path / "secrets").iterdir()} == {0o600}
    assert (tmp_path / "secrets" / ".gitignore").read_text() == "*\n"


def test_a_webhook_secret_is_64_hex_digits_and_tokens_are_long(tmp_path: Path) -> None:
    init.write(tmp_path)
    secrets = config.load_secrets(tmp_path, {})
    (webhook,) = secrets.webhook_secrets
    assert webhook.startswith("wsec_")
    assert len(bytes.fromhex(webhook.removeprefix("wsec_"))) == 32
    assert len(secrets.tool_token) == len(secrets.admin_token) == 43


def test_two_folders_never_share_a_secret(tmp_path: Path) -> None:
    init.write(tmp_path / "a")
    init.write(tmp_path / "b")
    contents = [(tmp_path / at / "secrets" / name).read_text() for at in "ab" for name in SECRETS]
    assert len(set(contents)) == 6


def test_a_second_run_keeps_every_byte_and_says_so(tmp_path: Path) -> None:
    first = init.write(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    second = init.write(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert sum(line.startswith("created ") for line in first) == 6
    assert sum(line.startswith("kept ") for line in second) == 6
    assert not any(line.startswith("created ") for line in second)


def test_what_is_there_is_kept_and_what_is_missing_is_made(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir(mode=0o700)
    (tmp_path / "secrets" / "tool_token").write_text("the-one-in-production")
    (tmp_path / "elaaoms.toml").write_text("[server]\nport = 9000\n")
    lines = init.write(tmp_path)
    assert (tmp_path / "secrets" / "tool_token").read_text() == "the-one-in-production"
    assert config.load(tmp_path / "elaaoms.toml").server.port == 9000
    assert f"kept {tmp_path / 'secrets' / 'tool_token'}" in lines
    assert f"created {tmp_path / 'secrets' / 'admin_token'}" in lines


def test_a_secrets_folder_open_to_others_is_kept_and_reported(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets").chmod(0o755)
    assert any("chmod 700" in line for line in init.write(tmp_path))
    assert _mode(tmp_path / "secrets") == 0o755


def test_no_line_shows_a_secret(tmp_path: Path) -> None:
    printed = "\n".join(init.write(tmp_path) + init.write(tmp_path))
    for name in SECRETS:
        assert (tmp_path / "secrets" / name).read_text().strip() not in printed


def test_the_lines_say_what_to_do_next(tmp_path: Path) -> None:
    printed = "\n".join(init.write(tmp_path))
    for word in ("webhook_secret", "public_url", "X-Elaaoms-Token", f"elaaoms check -c {tmp_path}"):
        assert word in printed


def test_in_the_working_directory_no_option_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = init.write(Path())
    assert "created elaaoms.toml" in lines
    assert "  5. elaaoms serve" in lines


@pytest.mark.parametrize("dangling", [True, False])
@pytest.mark.parametrize("name", ["elaaoms.toml", "secrets/tool_token", "secrets/.gitignore"])
def test_a_symbolic_link_in_a_files_place_is_not_followed(tmp_path: Path, name: str, dangling: bool) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    (folder / "secrets").mkdir(parents=True)
    if not dangling:
        elsewhere.write_text("untouched")
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="is a symbolic link"):
        init.write(folder)
    assert not elsewhere.exists() if dangling else elsewhere.read_text() == "untouched"


def test_a_symbolic_link_in_place_of_the_secrets_is_not_followed(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "secrets").symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="secrets is a symbolic link"):
        init.write(folder)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("obstacle", "target", "sentence"),
    [
        ("file", "file", "file is a file, not a folder"),
        ("file", "file/below", "cannot be created: Not a directory"),
        ("folder/secrets", "folder", "secrets is a file, not a folder; move it away"),
    ],
)
def test_a_file_in_the_way_is_one_sentence(tmp_path: Path, obstacle: str, target: str, sentence: str) -> None:
    (tmp_path / obstacle).parent.mkdir(exist_ok=True)
    (tmp_path / obstacle).write_text("in the way")
    with pytest.raises(ConfigError, match=sentence):
        init.write(tmp_path / target)
    assert (tmp_path / obstacle).read_text() == "in the way"


def test_a_folder_in_a_files_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "elaaoms.toml").mkdir()
    with pytest.raises(ConfigError, match=r"elaaoms\.toml is a folder, not a file"):
        init.write(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="Permission denied"):
        init.write(tmp_path / "closed")
