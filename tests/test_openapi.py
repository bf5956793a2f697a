"""The OpenAPI document tells the truth: every route, its parameters, its answers, and nothing that breaks the server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from conftest import AGENT, OUR_NUMBER, ROBIN, Platform, call
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from elaaoms.server import ADMIN, PUBLIC
from elaaoms.server.border import Auth
from elaaoms.server.openapi import SAID, document

EXAMPLES = os.environ.get("ELAAOMS_SCHEMATHESIS", "2")  # for each operation; CI may afford more

VENDORED = {  # of npm's swagger-ui-dist 5.35.0
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
    "swagger-ui-bundle.js.LICENSE.txt": "37eb6e7e59aed57b2c1acf076574b818ea07b74265717e0bd67b59e0baf9abbb",
    "LICENSE": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
    "NOTICE": "0d20d1adef18aee3f40dd258172155521ce702ac445cb5f7b7d60ed32dad2fb2",
}


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document(*PUBLIC, *ADMIN))
    return found


def closed(node: Any) -> Any:
    """A schema that allows nothing but what it names."""
    if isinstance(node, list):
        return [closed(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    shut = {key: closed(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict):
        shut.setdefault("additionalProperties", False)
    return shut


def answers(spec: dict[str, Any], method: str, path: str, status: int) -> Draft202012Validator:
    """A validator of one documented answer that refuses what the document does not name."""
    response = spec["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" in response:
        response = spec["components"]["responses"][response["$ref"].rpartition("/")[2]]
    (content,) = response["content"].values()
    whole = {**closed(content["schema"]), "components": closed(spec["components"])}
    return Draft202012Validator(whole)


def test_the_document_is_valid_openapi(spec: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(spec).iter_errors()) == []


@pytest.mark.parametrize(
    "route", dict.fromkeys([*PUBLIC, *ADMIN]), ids=lambda route: f"{route.method} {route.path}"
)
def test_no_route_is_missing(spec: dict[str, Any], route: Any) -> None:
    assert route.handler in SAID, "say what it takes and answers in server/openapi.py"
    operation = spec["paths"][route.path][route.method.lower()]
    assert operation["summary"]
    assert bool(operation["security"]) == (route.auth is not Auth.NONE)
    assert ("401" in operation["responses"]) == (route.auth is not Auth.NONE)
    named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
    assert named == set(re.findall(r"\{(\w+)\}", route.path))


def test_a_bound_stands_in_the_document_as_the_model_checks_it(spec: dict[str, Any]) -> None:
    new = spec["components"]["schemas"]["NewMemory"]
    assert new["additionalProperties"] is False
    assert new["required"] == ["caller", "content"]
    assert new["properties"]["importance"] == {"type": "integer", "default": 5, "minimum": 1, "maximum": 10}
    limit = spec["components"]["schemas"]["Search"]["properties"]["limit"]
    assert limit["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 20}


async def test_both_listeners_give_the_same_document_to_everybody(platform: Platform) -> None:
    public = await platform.request("GET", f"{platform.url}/openapi.json")
    admin = await platform.request("GET", f"{platform.admin_url}/openapi.json")
    assert public.status == admin.status == 200
    assert public.json == admin.json
    assert public.json["openapi"].startswith("3.1")


async def test_every_query_parameter_that_a_route_knows_is_in_the_document(
    platform: Platform, spec: dict[str, Any]
) -> None:
    seen = 0
    for route in ADMIN:
        if route.method != "GET" or route.auth is not Auth.ADMIN or "{" in route.path:
            continue
        answer = await platform.api("GET", f"{route.path}?nonsense=1")
        assert answer.status == 400, route.path
        known = re.search(r"known are (.*) @", answer.json["message"])
        assert known is not None
        documented = spec["paths"][route.path]["get"].get("parameters", [])
        assert [parameter["name"] for parameter in documented] == [
            name for name in known[1].split(", ") if name
        ]
        seen += 1
    assert seen >= 7


async def test_what_is_answered_is_what_the_document_says(platform: Platform, spec: dict[str, Any]) -> None:
    event = call(
        "My name is Robin and my order XYZ-789 has not arrived.",
        "Please e-mail me.",
        conversation_id="conv_a",
    )
    posted = await platform.send(event)
    await platform.processed("conv_a")
    await platform.takes(call("Please call me instead of e-mailing.", conversation_id="conv_b"))
    await platform.send(b'{"type": "nothing we know"')
    first = (await platform.memories())[0]
    job = posted.data["job_id"]
    told = [
        ("GET", "/api/memories", "/api/memories", None),
        ("GET", "/api/memories", f"/api/memories?caller=%2B{ROBIN[1:]}&q=order", None),
        ("POST", "/api/memories", "/api/memories", {"caller": ROBIN, "content": "The caller likes tea."}),
        ("POST", "/api/memories/import", "/api/memories/import", {"caller": ROBIN, "content": "A cat."}),
        ("GET", "/api/memories/{id}", f"/api/memories/{first['id']}", None),
        ("PATCH", "/api/memories/{id}", f"/api/memories/{first['id']}", {"pinned": True}),
        ("GET", "/api/callers", "/api/callers", None),
        ("GET", "/api/callers/{caller}", f"/api/callers/{first['caller']}", None),
        ("GET", "/api/callers/{caller}/export", f"/api/callers/{first['caller']}/export", None),
        ("GET", "/api/calls", "/api/calls", None),
        ("GET", "/api/calls/{conversation_id}", "/api/calls/conv_a", None),
        ("POST", "/api/replay", "/api/replay", {"conversation_id": "conv_a"}),
        ("POST", "/api/calls/{conversation_id}/reprocess", "/api/calls/conv_a/reprocess", None),
        ("GET", "/api/held", "/api/held", None),
        ("GET", "/api/usage", "/api/usage", None),
        ("GET", "/api/jobs", "/api/jobs", None),
        ("GET", "/api/jobs/{id}", f"/api/jobs/{job}", None),
        ("POST", "/api/jobs/retry", "/api/jobs/retry", None),
        ("GET", "/health", "/health", None),
        ("DELETE", "/api/memories/{id}", f"/api/memories/{first['id']}", None),
        ("DELETE", "/api/callers/{caller}", f"/api/callers/{first['caller']}", None),
        ("GET", "/api/erasures", "/api/erasures", None),
    ]
    answers(spec, "POST", "/webhook/post-call", 200).validate(posted.json)
    initiation = {"caller_id": ROBIN, "agent_id": AGENT, "called_number": OUR_NUMBER}
    answers(spec, "POST", "/webhook/client-data", 200).validate(
        (await platform.tool("client-data", initiation)).json
    )
    found = (await platform.search("order XYZ-789")).json
    assert found["found"]
    answers(spec, "POST", "/webhook/search-memory", 200).validate(found)
    for method, path, target, body in told:
        answer = await platform.api(method, target, body)
        assert answer.status == 200, (target, answer.body)
        answers(spec, method, path, 200).validate(answer.json)
    refused = await platform.api("GET", "/api/memories/mem_none")
    answers(spec, "GET", "/api/memories/{id}", refused.status).validate(refused.json)


# -- Swagger UI -----------------------------------------------------------------------


def test_the_vendored_files_are_those_of_the_pinned_release() -> None:
    folder = resources.files("elaaoms.server").joinpath("swagger")
    for name, digest in VENDORED.items():
        assert hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() == digest, name


async def test_the_page_asks_nobody_else_for_anything(platform: Platform) -> None:
    for url in (platform.url, platform.admin_url):
        page = await platform.request("GET", f"{url}/docs")
        assert page.status == 200
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "//" not in page.body.decode().replace("<!doctype", "")
        for reference in re.findall(r'(?:src|href)="(docs/[^"]+)"', page.body.decode()):
            part = await platform.request("GET", f"{url}/{reference}")
            assert part.status == 200, reference
    assert "validatorUrl: null" in (await platform.request("GET", f"{url}/docs/start.js")).body.decode()


async def test_only_the_files_of_the_page_are_served(platform: Platform) -> None:
    for name in ("nothing.js", "..%2fapi.py", "%2e%2e", "swagger-ui.css%00"):
        assert (await platform.request("GET", f"{platform.url}/docs/{name}")).status in (400, 404), name


# -- everything that the document allows, and much that it does not ----------------------


@pytest.mark.parametrize("listener", ["public", "admin"])
async def test_schemathesis_finds_no_5xx_and_nothing_undocumented(
    platform: Platform, listener: str, tmp_path: Path
) -> None:
    await platform.knows({"content": "The caller's order XYZ-789 is late."})
    url = platform.url if listener == "public" else platform.admin_url
    token = platform.tool_token if listener == "public" else platform.admin_token
    ours = "webhook|echo" if listener == "public" else "/api|/health|/docs|/openapi"
    checks = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "ignored_auth",
        "unsupported_method",
    ]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        f"{url}/openapi.json",
        f"--header=Authorization: Bearer {token}",
        f"--checks={','.join(checks)}",
        f"--max-examples={EXAMPLES}",
        "--phases=coverage,fuzzing",
        f"--include-path-regex={ours}",
        "--generation-deterministic",
        "--warnings=off",
        "--no-color",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-4000:]
