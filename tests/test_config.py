from __future__ import annotations

import copy
import pickle
import traceback
from itertools import pairwise
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elaaoms import config
from elaaoms.config import Config, Secrets, load, load_secrets, render
from elaaoms.errors import ConfigError

REPOSITORY = Path(__file__).parent.parent


def _load(folder: Path, text: str) -> Config:
    (folder / "elaaoms.toml").write_text(text, "utf-8")
    return load(folder / "elaaoms.toml")


def _problems(folder: Path, text: str) -> list[str]:
    """The problems of a file, each without the file's name."""
    with pytest.raises(ConfigError) as caught:
        _load(folder, text)
    prefix = f"{folder / 'elaaoms.toml'}: "
    lines = str(caught.value).split("\n")
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix) for line in lines]


def _toml(path: str, value: str) -> str:
    *tables, key = path.split(".")
    return (f"[{'.'.join(tables)}]\n" if tables else "") + f"{key} = {value}\n"


# -- the file ------------------------------------------------------------------------


def test_the_file_in_the_repository_is_what_the_code_renders() -> None:
    assert (REPOSITORY / "elaaoms.toml").read_text("utf-8") == render()


def test_loading_the_rendered_file_gives_the_defaults(tmp_path: Path) -> None:
    assert _load(tmp_path, render()) == Config() == _load(tmp_path, "")


def test_every_setting_is_rendered_below_its_comment() -> None:
    lines = render().splitlines()
    settings = [(before, line) for before, line in pairwise(lines) if " = " in line]
    settings = [(before, line) for before, line in settings if not line.startswith("#")]
    assert all(before.startswith("# ") for before, _ in settings)
    assert len(settings) == 99
    assert max(map(len, lines)) <= 110


def test_the_ranges_of_the_checks_stand_in_the_comments() -> None:
    assert "(1 to 64)" in render()
    assert '("debug", "info", "warning", "error")' in render()


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("data_dir", '"/var/lib/elaaoms"', "/var/lib/elaaoms"),
        ("server.port", "0", 0),
        ("server.public_url", '"https://voice.example.com/"', "https://voice.example.com"),
        (
            "server.public_url",
            '"https://voice.example.com:8443/eleven"',
            "https://voice.example.com:8443/eleven",
        ),
        ("server.public_url", '"http://127.0.0.1:8000"', "http://127.0.0.1:8000"),
        ("server.public_url", '"http://[::1]:8000"', "http://[::1]:8000"),
        ("server.public_url", '"http://localhost"', "http://localhost"),
        (
            "server.cors_origins",
            '["https://a.example", "http://localhost:3000", "*"]',
            ("https://a.example", "http://localhost:3000", "*"),
        ),
        ("server.body_timeout_s", "0.5", 0.5),
        ("identity.default_region", '"GB"', "GB"),
        ("identity.variables", '["customer_id"]', ("customer_id",)),
        ("memory.relevance_threshold", "1", 1.0),
        ("greeting.stranger", '"Grüß Gott! 👋"', "Grüß Gott! 👋"),
        ("greeting.stranger", f'"{"a" * 220}"', "a" * 220),
        ("openmemory.url", '"http://openmemory:8080/"', "http://openmemory:8080"),
        ("openmemory.url", '"http://192.168.1.9:8080"', "http://192.168.1.9:8080"),
        ("openmemory.url", '"https://memory.example.com/om"', "https://memory.example.com/om"),
        ("openmemory.store", '"shared"', "shared"),
        ("worker.concurrency", "64", 64),
        ("worker.retry_delays_s", "[]", ()),
        ("worker.retry_delays_s", "[0.01, 5]", (0.01, 5.0)),
        ("storage.min_free_mb", "0", 0),
        ("logging.level", '"debug"', "debug"),
        ("logging.format", '"json"', "json"),
    ],
)
def test_a_setting_is_taken_as_written(tmp_path: Path, path: str, value: str, expected: object) -> None:
    found: object = _load(tmp_path, _toml(path, value))
    for step in path.split("."):
        found = getattr(found, step)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("data_dir", '" "', "data_dir must name a folder"),
        ("data_dir", '"a\\u0000b"', "data_dir must name a folder"),
        ("data_dir", '"~/data"', "~ is not expanded"),
        ("data_dir", "1979-05-27", "expected a string, got a date"),
        ("server.host", '""', "host must be a host name or an IP address"),
        ("server.admin_host", '"http://x/"', "admin_host must be a host name or an IP address"),
        ("openmemory.url", '"http://memory.example.com"', "must begin with https://"),
        ("openmemory.url", '"https://u:p@memory.example.com"', "must have no user, query or fragment"),
        ("openmemory.url", '"https://memory.example.com/%E0%A4%A"', "must have no user, query or fragment"),
        ("openmemory.url", '"memory:8080"', "must be like http://127.0.0.1:8080"),
        ("openmemory.store", '"mine"', "known are all, shared, none"),
        ("openmemory.live_timeout_ms", "5", "must be 10 to 5000"),
        ("server.port", '"8000"', "expected an integer, got a string"),
        ("server.port", "8000.0", "expected an integer, got the number 8000.0"),
        ("server.port", "true", "expected an integer, got true or false"),
        ("server.port", "65536", "port must be 0 to 65535, not 65536"),
        ("server.admin_port", "-1", "admin_port must be 0 to 65535, not -1"),
        ("server.public_url", '"http://example.com"', "must begin with https://"),
        ("server.public_url", '"ftp://example.com"', "must be like https://voice.example.com"),
        ("server.public_url", '"example.com"', "must be like https://voice.example.com"),
        ("server.public_url", '"https://"', "must be like https://voice.example.com"),
        ("server.public_url", '"https://u:p@example.com"', "must have no user, query or fragment"),
        ("server.public_url", '"https://example.com?a=1"', "must have no user, query or fragment"),
        ("server.public_url", '"https://example.com:99999"', "is not an address"),
        ("server.public_url", '"https://[::1"', "is not an address"),
        ("server.cors_origins", '"*"', "expected an array, got a string"),
        ("server.cors_origins", '["https://a.example/"]', "without a path"),
        ("server.cors_origins", '["a.example"]', "must each be like https://app.example.com"),
        ("server.signature_tolerance_s", "0", "signature_tolerance_s must be 1 to 86400, not 0"),
        ("server.max_transcript_mb", "0", "max_transcript_mb must be 1 to 1024, not 0"),
        ("server.max_audio_mb", "0", "max_audio_mb must be 1 to 4096, not 0"),
        ("server.body_timeout_s", "nan", "body_timeout_s must be 0.1 to 3600, not nan"),
        ("server.body_timeout_s", "inf", "body_timeout_s must be 0.1 to 3600, not inf"),
        ("server.live_timeout_ms", "1", "live_timeout_ms must be 10 to 30000, not 1"),
        ("identity.default_region", '"UK"', "two capital letters"),
        ("identity.default_region", '"de"', "two capital letters"),
        ("identity.variables", '["{{name}}"]', "without braces or blanks"),
        ("identity.variables", '[""]', "without braces or blanks"),
        ("llm.provider", '"groq"', "provider is 'groq'; known are rules, openai, anthropic"),
        ("memory.relevance_threshold", "1.1", "relevance_threshold must be 0 to 1, not 1.1"),
        ("memory.relevance_threshold", "true", "expected a number, got true or false"),
        ("memory.duplicate_threshold", '"0.8"', "expected a number, got a string"),
        ("memory.share_importance", "11", "share_importance must be 1 to 10, not 11"),
        ("greeting.override_first_message", '"false"', "expected true or false, got a string"),
        ("greeting.override_first_message", "0", "expected true or false, got the number 0"),
        ("greeting.expires_days", "0", "expires_days must be 1 to 3650, not 0"),
        ("greeting.stranger", '""', "stranger must be 1 to 220 characters, not 0"),
        ("greeting.stranger", '"   "', "stranger must be 1 to 220 characters, not 0"),
        ("greeting.stranger", f'"{"a" * 221}"', "stranger must be 1 to 220 characters, not 221"),
        ("greeting.stranger", '"Hi {{name}}"', "must not contain {{ or }}"),
        ("greeting.stranger", '"Hi\\nthere"', "one line without control characters"),
        ("worker.concurrency", "0", "concurrency must be 1 to 64, not 0"),
        ("worker.concurrency", "65", "concurrency must be 1 to 64, not 65"),
        ("worker.retry_delays_s", "[60, 0]", "must each be more than 0"),
        ("worker.retry_delays_s", "[nan]", "must each be more than 0"),
        ("worker.retry_delays_s", str([1] * 11), "must have at most 10 entries, not 11"),
        ("worker.keep_days", "-1", "keep_days must be 0 to 3650, not -1"),
        ("storage.min_free_mb", "-1", "min_free_mb must be 0 to 1048576, not -1"),
        ("logging.level", '"loud"', "level is 'loud'; known are debug, info, warning, error"),
        ("logging.format", '"xml"', "format is 'xml'; known are auto, text, json"),
        ("server", "3", "expected a table, got the number 3"),
    ],
)
def test_a_wrong_value_is_refused_with_its_limit_and_path(
    tmp_path: Path, path: str, value: str, problem: str
) -> None:
    (found,) = _problems(tmp_path, _toml(path, value))
    assert problem in found
    assert found.endswith(f" @ {path}")


def test_an_entry_of_a_list_is_named_by_its_number(tmp_path: Path) -> None:
    assert _problems(tmp_path, '[worker]\nretry_delays_s = [60, "300"]\n') == [
        "expected a number, got a string @ worker.retry_delays_s[1]"
    ]


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        '[server]\nport = "x"\nhsot = "y"\nmax_audio_mb = 0\n'
        '[llm]\nprovider = "groq"\nchunk_tokens = 5\n'
        "[sever]\n"
    )
    assert sorted(_problems(tmp_path, text)) == [
        "chunk_tokens must be 500 to 200000, not 5 @ llm.chunk_tokens",
        "expected an integer, got a string @ server.port",
        "max_audio_mb must be 1 to 4096, not 0 @ server.max_audio_mb",
        "provider is 'groq'; known are rules, openai, anthropic @ llm.provider",
        "unknown key 'hsot', did you mean host? @ server",
        "unknown key 'sever', did you mean server?",
    ]


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("date_dir", '"x"', "unknown key 'date_dir', did you mean data_dir?"),
        ("embedings.model", '""', "unknown key 'embedings', did you mean embeddings?"),
        ("llm.fallbak", "[]", "unknown key 'fallbak', did you mean fallback? @ llm"),
        ("embeddings.provder", '"builtin"', "unknown key 'provder', did you mean provider? @ embeddings"),
        ("limits.zzz", "3", "unknown key 'zzz' @ limits"),
        ("server.zzz", "3", "unknown key 'zzz' @ server"),
        ("folder", '"x"', "unknown key 'folder'"),
        (
            "tool_token",
            '"x"',
            "unknown key 'tool_token'; secrets do not stand in this file, put it into secrets/",
        ),
        (
            "llm.openai.api_key",
            '"x"',
            "unknown key 'api_key'; secrets do not stand in this file, put it into secrets/ @ llm.openai",
        ),
    ],
)
def test_an_unknown_key_is_refused_and_a_close_one_suggested(
    tmp_path: Path, path: str, value: str, problem: str
) -> None:
    assert _problems(tmp_path, _toml(path, value)) == [problem]


@pytest.mark.parametrize(
    ("host", "admin_host", "clashes"),
    [("127.0.0.1", "127.0.0.1", True), ("0.0.0.0", "127.0.0.1", True), ("10.0.0.1", "127.0.0.1", False)],  # noqa: S104
)
def test_two_listeners_cannot_share_a_port(tmp_path: Path, host: str, admin_host: str, clashes: bool) -> None:
    text = f'[server]\nhost = "{host}"\nadmin_host = "{admin_host}"\nport = 9000\nadmin_port = 9000\n'
    if clashes:
        assert _problems(tmp_path, text) == ["port and admin_port must differ, both are 9000 @ server"]
    else:
        assert _load(tmp_path, text).server.port == 9000


def test_both_ports_may_be_any_free_one(tmp_path: Path) -> None:
    assert _load(tmp_path, "[server]\nport = 0\nadmin_port = 0\n").server.admin_port == 0


# -- sections ------------------------------------------------------------------------

AT_DEFAULT = """
[llm]
fallback = []
chunk_tokens = 10000
daily_budget_usd = 0.0
[embeddings]
provider = "builtin"
model = ""
base_url = ""
[openmemory]
url = ""
store = "all"
live_timeout_ms = 300
[elevenlabs]
api_url = "https://api.elevenlabs.io"
agent_profile_ttl_hours = 24
reconcile_minutes = 60
[greeting]
writer = "template"
[limits]
[privacy]
[security]
[alerts]
"""


def test_a_provider_may_be_configured_with_its_fallback(tmp_path: Path) -> None:
    text = (
        '[llm]\nprovider = "openai"\nfallback = ["anthropic"]\n'
        '[llm.openai]\nmodel = "qwen"\nbase_url = "http://127.0.0.1:11434/v1/"\nprice_in = 1\n'
    )
    llm = _load(tmp_path, text).llm
    assert (llm.openai.base_url, llm.openai.price_in, llm.fallback) == (
        "http://127.0.0.1:11434/v1",
        1,
        ("anthropic",),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            'provider = "openai"\nfallback = ["openai"]',
            "fallback names openai, which is the provider already",
        ),
        ('fallback = ["openai"]', "fallback needs a provider that can fail, not rules"),
        ('provider = "openai"\nfallback = ["rules"]', "fallback names 'rules'; known are openai, anthropic"),
        ('provider = "openai"\nfallback = ["anthropic", "anthropic"]', "fallback names a provider twice"),
    ],
)
def test_a_fallback_that_makes_no_sense_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert any(problem in line for line in _problems(tmp_path, f"[llm]\n{text}\n"))


def test_a_file_that_names_settings_at_their_default_loads(tmp_path: Path) -> None:
    assert _load(tmp_path, AT_DEFAULT) == Config()
    assert _load(tmp_path, "[llm]\ndaily_budget_usd = 0\n") == Config()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('provider = "cohere"', "provider is 'cohere'; known are builtin, openai @ embeddings.provider"),
        ('base_url = "http://example.com/v1"', "base_url must begin with https://"),
        (
            'provider = "openai"\nbase_url = "http://127.0.0.1:11434/v1"',
            "model must name one of the models of base_url",
        ),
    ],
)
def test_an_embedding_endpoint_that_cannot_work_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert any(problem in line for line in _problems(tmp_path, f"[embeddings]\n{text}\n"))


def test_a_setting_of_a_provider_that_is_not_used_is_checked_too(tmp_path: Path) -> None:
    assert _problems(tmp_path, "[llm.openai]\nmodel = 5\n") == [
        "expected a string, got the number 5 @ llm.openai.model"
    ]


# -- files that cannot be read, and folders ------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist; `elaaoms init` writes one"),
        (b"[server", "is not TOML: "),
        (b"a = 1\na = 2\n", "is not TOML: "),
        (b'data_dir = "\xff"', "is not UTF-8 (byte 12)"),
        (b"a = " + b"9" * 5000, "is not TOML: "),
        (b"a = " + b"[" * 5000, "elaaoms.toml is n"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "elaaoms.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_is_not_a_settings_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "elaaoms.toml").write_bytes(b"\xef\xbb\xbf[server]\r\nport = 9000\r\n")
    assert load(tmp_path / "elaaoms.toml").server.port == 9000


def test_the_data_folder_is_relative_to_the_file_not_to_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded = _load(tmp_path, 'data_dir = "state"')
    assert loaded.data == tmp_path / "state"
    assert loaded.folder == tmp_path
    assert _load(tmp_path, 'data_dir = "/srv/state"').data == Path("/srv/state")
    assert Config().data == tmp_path / "elsewhere" / "data"


def test_the_data_folder_is_absolute_when_the_file_is_named_relatively(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _load(tmp_path, "")
    monkeypatch.chdir(tmp_path)
    assert load(Path("elaaoms.toml")).data == tmp_path / "data"


def test_a_config_made_in_code_is_checked_too() -> None:
    with pytest.raises(ValueError, match="port must be 0 to 65535"):
        config.Server(port=70000)


def test_a_config_has_no_field_for_a_secret() -> None:
    names = set(attrs.asdict(Config())) | {
        key for value in attrs.asdict(Config()).values() if isinstance(value, dict) for key in value
    }
    assert names.isdisjoint(config.NAMES)
    names -= {"chunk_tokens"}
    assert not any("token" in name or "secret" in name or "key" in name.split("_") for name in names)


# -- secrets --------------------------------------------------------------------------------

CANARY = "canary-0123456789-abcdef"


def _put(folder: Path, name: str, content: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "secrets" / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


@pytest.mark.parametrize("name", config.NAMES)
def test_a_secret_is_looked_up_in_four_places_in_order(tmp_path: Path, name: str) -> None:
    variable = f"ELAAOMS_{name.upper()}"
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / name).write_text("from-credentials-directory\n")
    (tmp_path / "file").write_text("from-the-named-file\n")
    _put(tmp_path, name, "from-the-secrets-folder\n")
    environ = {
        "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"),
        f"{variable}_FILE": str(tmp_path / "file"),
        variable: "from-the-variable",
    }
    assert load_secrets(tmp_path, environ).get(name) == "from-credentials-directory"
    del environ["CREDENTIALS_DIRECTORY"]
    assert load_secrets(tmp_path, environ).get(name) == "from-the-named-file"
    del environ[f"{variable}_FILE"]
    assert load_secrets(tmp_path, environ).get(name) == "from-the-variable"
    del environ[variable]
    assert load_secrets(tmp_path, environ).get(name) == "from-the-secrets-folder"
    assert load_secrets(tmp_path / "other", environ).get(name) is None


def test_a_credentials_directory_without_the_file_passes_on(tmp_path: Path) -> None:
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "ELAAOMS_TOOL_TOKEN": CANARY}
    assert load_secrets(tmp_path, environ).tool_token == CANARY


@pytest.mark.parametrize("blank", ["", " ", "\n", "\r\n \t\n", "\ufeff"])
@pytest.mark.parametrize("name", config.NAMES)
@pytest.mark.parametrize("place", ["credentials", "file", "variable", "secrets"])
def test_a_blank_secret_is_an_error_that_names_its_place(
    tmp_path: Path, place: str, name: str, blank: str
) -> None:
    variable = f"ELAAOMS_{name.upper()}"
    file = tmp_path / "made" / name
    file.parent.mkdir()
    file.write_text(blank)
    environ = {variable: CANARY}  # never reached, unless it is the blank one itself
    expected = str(file)
    if place == "credentials":
        environ["CREDENTIALS_DIRECTORY"] = str(file.parent)
    elif place == "file":
        environ[f"{variable}_FILE"] = str(file)
        expected = f"{variable}_FILE"
    elif place == "variable":
        environ[variable] = blank.strip("\ufeff")
        expected = variable
    else:
        environ = {}
        expected = str(_put(tmp_path, name, blank))
    with pytest.raises(ConfigError, match="is empty") as caught:
        load_secrets(tmp_path, environ)
    assert expected in str(caught.value)


def test_a_file_variable_that_names_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ELAAOMS_TOOL_TOKEN_FILE is empty"):
        load_secrets(tmp_path, {"ELAAOMS_TOOL_TOKEN_FILE": "", "ELAAOMS_TOOL_TOKEN": CANARY})
    with pytest.raises(ConfigError, match=r"nowhere .named by ELAAOMS_TOOL_TOKEN_FILE. does not exist"):
        load_secrets(
            tmp_path, {"ELAAOMS_TOOL_TOKEN_FILE": str(tmp_path / "nowhere"), "ELAAOMS_TOOL_TOKEN": CANARY}
        )


def test_what_cannot_be_read_is_an_error_not_a_missing_secret(tmp_path: Path) -> None:
    (tmp_path / "secrets" / "tool_token").mkdir(parents=True)
    (tmp_path / "secrets" / "admin_token").symlink_to(tmp_path / "nowhere")
    _put(tmp_path, "openai_api_key", b"\xff\xfe" + CANARY.encode("utf-16-le"))
    _put(tmp_path, "ngrok_authtoken", "x" * 70_000)
    with pytest.raises(ConfigError) as caught:
        load_secrets(tmp_path, {})
    tool, admin, key, ngrok = str(caught.value).split("\n")
    assert tool.startswith("tool_token: ")
    assert tool.endswith("cannot be read: Is a directory")
    assert admin.endswith("is a link to a file that does not exist")
    assert key.endswith("is not UTF-8 text")
    assert ngrok.endswith("is too large for a secret")


def test_a_file_in_place_of_the_secrets_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("")
    with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
        load_secrets(tmp_path, {})


@pytest.mark.parametrize("name", [name for name in config.NAMES if name != "webhook_secret"])
@pytest.mark.parametrize("inside", [" ", "\t", "\n", "\r\n", "\x00", "\x7f", "é", "“", "\u2028"])
def test_a_secret_that_cannot_travel_in_a_header_is_refused(tmp_path: Path, name: str, inside: str) -> None:
    with pytest.raises(ConfigError, match="printable ASCII without blanks") as caught:
        load_secrets(tmp_path, {f"ELAAOMS_{name.upper()}": f"{CANARY}{inside}{CANARY}"})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("bad", ["\x00", "\x1b", "\udcff"])
def test_a_webhook_secret_with_control_characters_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(ConfigError, match="control characters"):
        load_secrets(tmp_path, {"ELAAOMS_WEBHOOK_SECRET": f"{CANARY}{bad}"})


def test_a_trailing_newline_is_not_part_of_a_secret(tmp_path: Path) -> None:
    _put(tmp_path, "tool_token", CANARY + "\r\n")
    assert load_secrets(tmp_path, {"ELAAOMS_ADMIN_TOKEN": CANARY + "x\n"}).admin_token == CANARY + "x"
    assert load_secrets(tmp_path, {}).tool_token == CANARY


def test_webhook_secrets_stand_one_per_line(tmp_path: Path) -> None:
    _put(tmp_path, "webhook_secret", f"wsec_{CANARY}1\r\n\n  wsec_{CANARY}2\nwsec_{CANARY}1\n")
    secrets = load_secrets(tmp_path, {})
    assert secrets.webhook_secrets == (f"wsec_{CANARY}1", f"wsec_{CANARY}2")
    assert secrets.get("webhook_secret") == f"wsec_{CANARY}1"


@pytest.mark.parametrize(
    "placeholder",
    ["changeme", "CHANGE-ME", "change_me!", "replace_me", "your-secret-here", "<token>", "${TOKEN}",
     "xxxx", "wsec_xxxx", "sk-...", "todo", "***"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["webhook_secret", "tool_token", "openai_api_key"])
def test_a_placeholder_is_refused(tmp_path: Path, name: str, placeholder: str) -> None:
    path = _put(tmp_path, name, placeholder + "\n")
    with pytest.raises(ConfigError, match="is a placeholder") as caught:
        load_secrets(tmp_path, {})
    assert str(path) in str(caught.value)
    assert placeholder not in str(caught.value)


def test_one_placeholder_among_webhook_secrets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a placeholder"):
        load_secrets(tmp_path, {"ELAAOMS_WEBHOOK_SECRET": f"{CANARY}\nchangeme"})


def test_every_bad_secret_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_secrets(tmp_path, {"ELAAOMS_TOOL_TOKEN": "", "ELAAOMS_ADMIN_TOKEN": "changeme"})
    assert [line.split(":")[0] for line in str(caught.value).split("\n")] == ["tool_token", "admin_token"]


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_secret_that_others_can_read_is_used_and_reported(tmp_path: Path, mode: int, warned: bool) -> None:
    path = _put(tmp_path, "tool_token", CANARY, mode)
    secrets = load_secrets(tmp_path, {})
    assert secrets.tool_token == CANARY
    expected = [f"{path} can be read by others than its owner; chmod 600 mends it"]
    assert secrets.warnings() == (expected if warned else [])


@pytest.mark.parametrize(("length", "warned"), [(15, True), (16, False)])
def test_a_short_secret_is_used_and_reported(tmp_path: Path, length: int, warned: bool) -> None:
    secrets = load_secrets(tmp_path, {"ELAAOMS_WEBHOOK_SECRET": f"{CANARY}\n{CANARY[:length]}"})
    assert len(secrets.webhook_secrets) == 2
    expected = ["webhook_secret is shorter than 16 characters and may be guessed"]
    assert secrets.warnings() == (expected if warned else [])


def test_one_token_for_both_doors_is_reported(tmp_path: Path) -> None:
    secrets = load_secrets(tmp_path, {"ELAAOMS_TOOL_TOKEN": CANARY, "ELAAOMS_ADMIN_TOKEN": CANARY})
    (warning,) = secrets.warnings()
    assert "tool_token and admin_token are the same" in warning


def test_requiring_lists_every_missing_secret_and_all_the_ways(tmp_path: Path) -> None:
    secrets = load_secrets(tmp_path, {"ELAAOMS_ADMIN_TOKEN": CANARY})
    secrets.require("admin_token")
    with pytest.raises(ConfigError) as caught:
        secrets.require("tool_token", "admin_token", "openai_api_key")
    assert str(caught.value).split("\n") == [
        "tool_token is missing: `elaaoms init` writes one; or set ELAAOMS_TOOL_TOKEN_FILE, "
        "ELAAOMS_TOOL_TOKEN, or secrets/tool_token beside elaaoms.toml, "
        "or LoadCredential=tool_token in the systemd unit",
        "openai_api_key is missing: set ELAAOMS_OPENAI_API_KEY_FILE, ELAAOMS_OPENAI_API_KEY, "
        "or secrets/openai_api_key beside elaaoms.toml, or LoadCredential=openai_api_key in the systemd unit",
    ]


@pytest.mark.parametrize("name", ["webhook_secrets", "tool_token", "admin_token"])
def test_a_missing_secret_is_an_error_never_an_empty_value(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is missing"):
        getattr(load_secrets(tmp_path, {}), name)


def test_a_secret_of_an_unknown_name_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no secret named"):
        load_secrets(tmp_path, {}).get("tool_tokne")


def test_the_shown_form_says_what_is_set_and_nothing_else(tmp_path: Path) -> None:
    secrets = load_secrets(tmp_path, {"ELAAOMS_WEBHOOK_SECRET": CANARY, "ELAAOMS_TOOL_TOKEN": CANARY})
    assert repr(secrets).startswith(
        "Secrets(webhook_secret=<1 secret>, tool_token=<set>, admin_token=<not set>"
    )
    assert str(secrets) == f"{secrets}" == repr(secrets)


@pytest.mark.parametrize("name", config.NAMES)
def test_a_secret_never_shows(tmp_path: Path, name: str) -> None:
    secrets = load_secrets(tmp_path, {f"ELAAOMS_{name.upper()}": CANARY})
    assert secrets.get(name) == CANARY
    with pytest.raises(ConfigError) as caught:
        secrets.require(*config.NAMES)
    shown = [
        repr(secrets),
        str(secrets),
        f"{secrets!r:s}",
        repr([secrets]),
        *secrets.warnings(),
        str(caught.value),
    ]
    assert not any("canary" in text for text in shown)


def test_secrets_are_neither_copied_nor_pickled_nor_changed(tmp_path: Path) -> None:
    secrets = load_secrets(tmp_path, {"ELAAOMS_TOOL_TOKEN": CANARY})
    for act in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="not copied or pickled"):
            act(secrets)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        secrets._values = {}  # type: ignore[misc]


@given(st.sampled_from(config.NAMES), st.text(max_size=40), st.text(max_size=40))
def test_whatever_a_secret_contains_no_text_of_ours_shows_it(name: str, before: str, after: str) -> None:
    value = before + CANARY + after
    try:
        secrets = load_secrets(Path("/nonexistent"), {f"ELAAOMS_{name.upper()}": value})
    except ConfigError as error:
        shown = "".join(traceback.format_exception(error))
    else:
        assert isinstance(secrets, Secrets)
        shown = repr(secrets) + "".join(secrets.warnings())
        secrets.get(name).encode()  # type: ignore[union-attr]
    assert CANARY not in shown


def test_a_service_that_is_given_credentials_need_not_look_into_the_folder_of_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "openai_api_key").write_text("sk-0123456789abcdef0123")
    given = tmp_path / "credentials"
    given.mkdir()
    (given / "tool_token").write_text("tool-token-0123456789")
    # Permissions hold nobody back who is root, so it is asked what they would say.
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path / "secrets")
    with_credentials = load_secrets(tmp_path, {"CREDENTIALS_DIRECTORY": str(given)})
    assert with_credentials.get("tool_token") == "tool-token-0123456789"
    assert with_credentials.get("openai_api_key") is None
    assert load_secrets(tmp_path, {}).get("openai_api_key") == "sk-0123456789abcdef0123"
