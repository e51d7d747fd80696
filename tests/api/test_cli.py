"""`satomori api` as its operator meets it."""

import socket
from pathlib import Path

import httpx
from click.testing import CliRunner

from satomori_api.cli import api
from satomori_core.errors import SettingsError
from support.api_server import api_server


def test_the_first_start_prints_a_link_that_works(tmp_path: Path) -> None:
    """The whole way on a new state folder: link, password, cookie, and the link is gone at the next start."""
    with api_server(tmp_path, "--no-console") as server:
        said = next(line for line in server.said if line["event"] == "first login")
        token = said["url"].rsplit("=", 1)[1]
        assert said["url"].startswith(server.url)
        assert (tmp_path / "first-login.txt").read_text(encoding="utf-8").strip() == said["url"]
        with httpx.Client(base_url=server.url, headers={"Origin": server.url}) as browser:
            form = {"token": token, "password": "a long enough one", "repeated": "a long enough one"}
            assert browser.post("/login", data=form).status_code == 303
            assert browser.get("/api/v1/me").json()["role"] == "admin"
        assert httpx.get(f"{server.url}/health/ready").json()["ready"]
        assert server.stop() == 0
    assert not (tmp_path / "first-login.txt").exists()
    with api_server(tmp_path, "--no-console") as server:
        assert not [line for line in server.said if line["event"] == "first login"]


def test_a_port_in_use_is_a_clear_settings_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(api, ["--no-console", "--port", str(port), "--state", str(tmp_path)])
    assert isinstance(done.exception, SettingsError)
    assert f"127.0.0.1 port {port}" in str(done.exception)
    assert "--port" in str(done.exception)


def test_whoever_lost_access_gets_a_new_link(tmp_path: Path) -> None:
    with api_server(tmp_path, "--no-console") as server:
        assert server.stop() == 0
    done = CliRunner().invoke(api, ["--state", str(tmp_path), "link", "--user", "admin"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("http://127.0.0.1:8686/login?token=")
    missing = CliRunner().invoke(api, ["--state", str(tmp_path), "link", "--user", "nobody"])
    assert "nobody" in str(missing.exception)
