"""What the HTTP library would log never shows a key that stands in a URL."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from engine.http import Http
from engine.testing.server import Request, Response, Sandbox


class Echo(Sandbox):
    def handle(self, request: Request) -> Response:
        return Response(200, {})

    def load(self, seed: object) -> None:
        return None


def test_no_url_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Echo() as box:
        http = Http(box.url)
        assert http.send("GET", "/x", params={"apiId": "plain-4711"}).status == 200
        http.close()
    assert "plain-4711" not in caplog.text


def test_it_stays_so_where_a_program_logs_everything() -> None:
    code = (
        "import logging; logging.basicConfig(level=0)\n"
        "from engine.http import Http; import engine.errors\n"
        "try: Http('http://127.0.0.1:9').send('GET', '/x', params={'apiId': 'plain-4711'})\n"
        "except engine.errors.RetryLater: pass"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "plain-4711" not in ended.stdout + ended.stderr
