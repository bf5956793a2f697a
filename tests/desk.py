"""A browser's side of the dashboard without a browser: cookies, forms with their proofs, and a house full of calls."""

from __future__ import annotations

import base64
import re
import time
from html.parser import HTMLParser
from urllib.parse import urlencode

from attrs import define, field
from conftest import ADMIN_TOKEN, ROBIN, Answer, Platform, call, varied

HOSTILE = "<img src=x onerror=alert(1)>"
LONG = "All work and no play makes a very dull memory indeed, said the caller. " * 30  # 2,130 characters
MP3 = (b"\xff\xfb\x90\x00" + bytes(413)) * 600  # silent frames of 26 ms: 15 seconds
ANNA, MIA = "+12025550177", "+12025550199"


class Forms(HTMLParser):
    """The forms of a page: where each goes, and its fields."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append((named.get("action", ""), {}))
        elif tag == "input" and self.found and "name" in named:
            self.found[-1][1][named["name"]] = named.get("value", "")


@define
class Visitor:
    """Somebody with a cookie jar before the dashboard."""

    platform: Platform
    jar: dict[str, str] = field(factory=dict)

    async def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        answer = await self.platform.request(
            method, f"{self.platform.admin_url}{path}", body, **{"Cookie": cookies, **headers}
        )
        for line in answer.headers.getall("Set-Cookie", []):
            name, value = re.match(r'([^=]+)="?([^;"]*)', line).groups()  # type: ignore[union-attr]
            if value:
                self.jar[name] = value
            else:
                self.jar.pop(name, None)
        return answer

    async def get(self, path: str = "", **headers: str) -> Answer:
        return await self.ask("GET", f"/dashboard{path}", **headers)

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        named = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return await self.ask("POST", f"/dashboard{path}", urlencode(fields).encode(), **named)

    async def submit(self, page: str, action: str, **fields: str) -> Answer:
        """Fill in the form of a page that goes to `action`, and send it."""
        shown = await self.get(page)
        assert shown.status == 200, shown.body
        forms = [given for where, given in Forms(shown.body.decode()).found if where.endswith(action)]
        assert forms, f"no form of {page} goes to {action}"
        return await self.post(action, forms[0] | fields)

    async def log_in(self, token: str = ADMIN_TOKEN) -> Answer:
        return await self.submit("/login", "/login", token=token)


async def full_house(platform: Platform) -> dict[str, str]:
    """Callers with a history: changes, a contradiction, a recording, hostile words, a failed job; their keys."""
    await platform.takes(
        call(
            "Hi, my name is Robin Baker. My order XYZ-789 still hasn't arrived.",
            "I prefer email. And I'm allergic to peanuts.",
            "I live in Leeds.",
            conversation_id="conv_first",
            at=time.time() - 7 * 86400,
        )
    )
    audio = varied("audio", conversation_id="conv_first")
    audio["data"]["full_audio"] = base64.b64encode(MP3).decode()
    await platform.settled((await platform.send(audio)).data["job_id"])
    await platform.takes(
        call(
            "Actually, please call me instead of emailing. And I've moved to York.",
            "No, I'm not allergic to peanuts.",
            conversation_id="conv_second",
        )
    )
    await platform.takes(call("I live in Oslo.", conversation_id="conv_anna", number=ANNA))
    await platform.knows({"content": f"The caller's name is {HOSTILE}."}, caller=MIA)
    await platform.knows({"content": HOSTILE + " is what they like best."}, caller=MIA)
    await platform.takes(call(f"My name is {HOSTILE}. {LONG}", conversation_id="conv_hostile", number=MIA))
    await platform.knows({"content": "Somebody with an odd id."}, caller=HOSTILE)
    broken = varied("audio", conversation_id="conv_broken")
    broken["data"]["full_audio"] = base64.b64encode(b"no MP3 at all").decode()
    failed = (await platform.send(broken)).data["job_id"]
    await platform.settled(failed)
    keys = {}
    for name, number in (("robin", ROBIN), ("anna", ANNA), ("mia", MIA)):
        keys[name] = (await platform.api("GET", f"/api/callers/%2B{number[1:]}")).data["caller"]
    keys["job"] = str(failed)
    return keys
