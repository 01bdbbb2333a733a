"""The files of deploy/ agree with the settings, the Dockerfile and one another."""

from __future__ import annotations

import configparser
import re
from typing import Any

import pytest
import yaml

from tests.support.paths import PROJECT
from voicebot.observability.metrics import Metrics
from voicebot.settings.config import SETTINGS
from voicebot.web.port import DEFAULT_PORT

DEPLOY = PROJECT / "deploy"
BOT = f"127.0.0.1:{DEFAULT_PORT}"
PORTABLE = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
"""The variables of Postgres's image that the compose file sets."""


def read(name: str) -> str:
    return (DEPLOY / name).read_text("utf-8")


def compose() -> Any:
    return yaml.safe_load(read("compose.yaml"))


def options_of_coturn() -> list[tuple[str, str]]:
    lines = [line for line in read("turnserver.conf").splitlines() if line and not line.startswith("#")]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile", "prometheus.yml"])
def test_each_server_asks_the_bot_at_its_usual_port_of_this_machine(name: str) -> None:
    assert set(re.findall(r"127\.0\.0\.1:\d+", read(name))) == {BOT}


def test_prometheus_scrapes_the_metrics_of_the_job_that_the_dashboard_can_choose() -> None:
    (job,) = yaml.safe_load(read("prometheus.yml"))["scrape_configs"]
    assert job["job_name"] == "voicebot"
    assert "metrics_path" not in job
    assert Metrics().exposition()


# Compose --------------------------------------------------------------------------------------------------------------


def test_the_compose_file_sets_only_settings_of_the_bot_and_variables_of_postgres() -> None:
    services = compose()["services"]
    assert {name.lower() for name in services["bot"]["environment"]} <= set(SETTINGS)
    assert set(services["postgres"]["environment"]) == PORTABLE
    read_from_the_settings_file = set(re.findall(r"\$\{(\w+)", read("compose.yaml")))
    assert {name.lower() for name in read_from_the_settings_file} - {"postgres_password"} <= set(SETTINGS)


def test_the_compose_file_runs_the_bot_where_browsers_and_only_a_proxy_reach_it() -> None:
    bot = compose()["services"]["bot"]
    assert bot["network_mode"] == "host", "WebRTC uses any UDP port"
    listens = f"{bot['environment']['GRADIO_SERVER_NAME']}:{bot['environment']['GRADIO_SERVER_PORT']}"
    assert listens == BOT
    assert (DEPLOY / bot["build"] / "Dockerfile").exists()


def test_the_bot_of_the_compose_file_keeps_its_data_in_the_volume_of_the_image() -> None:
    bot = compose()["services"]["bot"]
    (volume,) = re.findall(r"^VOLUME (\S+)$", (PROJECT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert bot["volumes"] == [f"data:{volume}"]
    assert f"sqlite:///{volume}/" in bot["environment"]["DATABASE_URL"]


def test_the_volumes_of_the_compose_file_are_declared_or_files_of_deploy() -> None:
    file = compose()
    mounted = [volume.split(":")[0] for service in file["services"].values() for volume in service["volumes"]]
    named = {each for each in mounted if not each.startswith("./")}
    assert named == set(file["volumes"])
    for each in set(mounted) - named:
        assert (DEPLOY / each).is_file(), each


def test_the_first_lines_of_the_compose_file_name_its_profiles() -> None:
    profiles = {each for service in compose()["services"].values() for each in service.get("profiles", ())}
    assert set(re.findall(r"--profile (\w+)", read("compose.yaml"))) == profiles


# coturn ---------------------------------------------------------------------------------------------------------------


def test_the_relay_accepts_only_logins_that_expire_and_contains_no_secret() -> None:
    names = {name for name, _ in options_of_coturn()}
    assert "use-auth-secret" in names
    assert names.isdisjoint({"static-auth-secret", "no-auth", "user", "user-quota"})


def test_the_ports_that_the_relay_uses_are_the_ones_to_open() -> None:
    options = dict(options_of_coturn())
    (ports,) = re.findall(r"^# Ports to open: (.*)$", read("turnserver.conf"), re.MULTILINE)
    named = {"listening-port", "tls-listening-port", "min-port", "max-port"}
    assert set(re.findall(r"\d+", ports)) == {options[name] for name in named}


# systemd --------------------------------------------------------------------------------------------------------------


def test_the_service_starts_the_bot_as_its_own_user_in_a_folder_that_it_may_write_to() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(read("voicebot.service"))
    service = unit["Service"]
    assert service["User"] == "voicebot"
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    python, program = service["ExecStart"].split()
    assert python == "/opt/voicebot/.venv/bin/python"
    assert (PROJECT / program.removeprefix("/opt/voicebot/")).is_file()
