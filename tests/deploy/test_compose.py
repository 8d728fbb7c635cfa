"""docker-compose.yml: five services, Redis and Prometheus, closed to the network and able to restart."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from fillstream.libs.common.settings import load_settings
from tests.deploy.house import COMPOSE, CONFIG, ROOT, UNITS, Unit, compose

SERVICES: dict[str, dict[str, Any]] = compose()["services"]
NAMES = sorted(SERVICES)
IDS = [unit.compose for unit in UNITS]


def directives() -> dict[str, str]:
    """Return deploy/redis.conf as names and values."""
    lines = (ROOT / "deploy" / "redis.conf").read_text().splitlines()
    pairs = (line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return {name: value.strip('"') for name, value in pairs}


def test_the_containers_are_the_five_services_redis_and_prometheus() -> None:
    assert set(SERVICES) == {unit.compose for unit in UNITS} | {"redis", "prometheus"}


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_runs_a_module_that_exists_from_the_one_image(unit: Unit) -> None:
    service = SERVICES[unit.compose]
    assert tuple(service["command"]) == unit.command
    assert find_spec(f"{unit.command[2]}.__main__") is not None
    assert service["image"] == "fillstream:${FILLSTREAM_VERSION:-0.1.0}"
    assert service["build"]["context"] == "."


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_understands_its_environment(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = SERVICES[unit.compose]["environment"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    inside = Path(environment["CONFIG_PATH"])
    assert inside.parent == Path("/app/config")

    settings = load_settings(CONFIG / inside.name)

    settings.require_supported()
    assert settings.redis_url == "redis://redis:6379"
    assert (settings.service.host, settings.service.port) == ("0.0.0.0", unit.port)
    assert settings.database.data_dir == Path("/data")
    assert settings.database.path.parent == Path("/data")


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_starts_after_redis_is_healthy_and_says_when_it_is_ready(unit: Unit) -> None:
    service = SERVICES[unit.compose]
    assert service["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert service["healthcheck"]["test"] == ["CMD", "python", "-I", "-S", "/app/healthcheck.py", "/ready"]


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_is_reached_from_this_machine_only_and_on_its_own_port(unit: Unit) -> None:
    variable = f"FILLSTREAM_{unit.compose.upper()}_PORT"
    assert SERVICES[unit.compose]["ports"] == [f"127.0.0.1:${{{variable}:-{unit.port}}}:{unit.port}"]


@pytest.mark.parametrize("name", NAMES)
def test_every_port_is_bound_to_loopback(name: str) -> None:
    assert SERVICES[name]["ports"]
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


@pytest.mark.parametrize("name", NAMES)
def test_every_container_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}


def test_only_redis_gets_capabilities_back_and_only_those_it_needs_to_become_its_own_user() -> None:
    assert {name: service["cap_add"] for name, service in SERVICES.items() if "cap_add" in service} == {
        "redis": ["CHOWN", "DAC_OVERRIDE", "SETGID", "SETPCAP", "SETUID"]
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_container_is_checked_started_again_and_given_time_to_stop(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert re.fullmatch(r"\d+s", service["stop_grace_period"])
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_every_container_keeps_its_data_in_a_volume_of_its_own() -> None:
    declared = set(compose()["volumes"])
    used = [
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service["volumes"]
        if not volume.startswith("./")
    ]
    assert sorted(used) == sorted(declared)
    assert len(declared) == len(SERVICES)


def test_what_is_mounted_from_the_checkout_is_there_and_read_only() -> None:
    mounts = [each for service in SERVICES.values() for each in service["volumes"] if each.startswith("./")]
    assert mounts
    for mount in mounts:
        source, _, mode = mount.split(":")
        assert (ROOT / source).is_file()
        assert mode == "ro"


@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_pinned_by_a_tag(name: str) -> None:
    image = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", SERVICES[name]["image"])
    assert re.fullmatch(r"[a-z/]+:v?\d[\w.-]*", image)


def test_no_password_stands_in_the_file() -> None:
    assert not re.search(r"password|requirepass|api_key", COMPOSE.read_text(), re.IGNORECASE)


# -------------------------------------------------------------------------------------------------------- redis


def test_one_variable_chooses_redis_or_valkey() -> None:
    assert SERVICES["redis"]["image"] == "${REDIS_IMAGE:-redis:8}"
    # Both images take a .conf as first argument for their own server, whatever it is called.
    assert SERVICES["redis"]["command"][0].endswith(".conf")
    assert "redis-cli || command -v valkey-cli" in SERVICES["redis"]["healthcheck"]["test"][1]


def test_the_log_is_on_disk_before_anybody_is_told() -> None:
    found = directives()
    assert (found["appendonly"], found["appendfsync"]) == ("yes", "always")
    assert found["maxmemory-policy"] == "noeviction"


def test_a_real_server_knows_every_line_of_redis_conf(client: redis.Redis) -> None:
    known: Any = client.config_get("*")
    assert set(directives()) <= set(known)


# --------------------------------------------------------------------------------------------------- prometheus


def test_prometheus_scrapes_all_five() -> None:
    jobs = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    assert targets["fillstream"] == [f"{unit.compose}:{unit.port}" for unit in UNITS]
    assert "depends_on" not in SERVICES["prometheus"], "it must be there when the services are not"
