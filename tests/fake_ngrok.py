"""Stands in for the ngrok program: it reads its configuration, logs as ngrok does and speaks its local API."""

from __future__ import annotations

import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

URL = "https://calm-otter.ngrok.example"


def main() -> None:
    config = Path(sys.argv[sys.argv.index("--config") + 1])
    beside = Path(sys.argv[0]).parent
    (beside / "argv").write_text(json.dumps(sys.argv[1:]))
    found = re.search(r'authtoken: "(.*)"', config.read_text())
    token = found[1] if found else ""
    if "silent" in token:
        time.sleep(60)
    if "wrong" in token:
        said = f"authentication failed: The authtoken you specified is wrong. Your authtoken: {token} ERR_NGROK_105"
        print(
            f't=2026-11-22T10:00:00+0000 lvl=eror msg="session closing" obj=tunnels.session err="{said}"',
            flush=True,
        )
        sys.exit(1)

    class Api(BaseHTTPRequestHandler):
        def answer(self, body: object, status: int = 200) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def do_GET(self) -> None:
            self.answer({"endpoints": []})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            (beside / "upstream").write_text(asked["upstream"]["url"])
            if "refused" in token:
                self.answer({"error_code": 103, "msg": f"no {token}"}, 502)
                return
            self.answer({"id": "ep_1", "name": asked["name"], "url": URL, "upstream": asked["upstream"]}, 201)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Api)
    stamp = "t=2026-11-22T10:00:00+0000 lvl=info"
    print(f'{stamp} msg="starting web service" obj=web addr=127.0.0.1:{server.server_port}', flush=True)
    print(f'{stamp} msg="client session established" obj=csess', flush=True)
    print(f'{stamp} msg="tunnel session started" obj=tunnels.session', flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
