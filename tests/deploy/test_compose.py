"""docker-compose.yml: the units, a feed, Redis and who watches them, closed to the network and able to restart."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from fillstream.libs.common.messages.access import USERS, variable_of
from fillstream.libs.common.process.settings import load_settings
from tests.support.deploy.files import COMPOSE, CONFIG, ROOT, compose, scraped
from tests.support.deploy.units import UNITS, Unit, port_variable

SERVICES: dict[str, dict[str, Any]] = compose()["services"]
NAMES = sorted(SERVICES)
IDS = [unit.name for unit in UNITS]
OURS = [*IDS, "feed"]
OTHERS = ("redis", "redis_exporter", "prometheus")
UNREACHABLE = {"feed", "redis_exporter"}
"""Nobody outside the compose network has to reach these."""
SERVERS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "servers.yml").read_text())["services"]
VARIABLE = re.compile(r"\$\{(\w+)")
ENV_EXAMPLE = (ROOT / ".env.example").read_text()


def substituted(text: str, **given: str) -> str:
    """Return what compose makes of `${A:-b}` and `${A:+b}`, one inside the other as well."""
    while found := re.search(r"\$\{(\w+):([-+])([^${}]*)\}", text):
        name, kind, other = found.groups()
        value = given.get(name) or other if kind == "-" else other if given.get(name) else ""
        text = text[: found.start()] + value + text[found.end() :]
    return text


def directives() -> dict[str, str]:
    """Return deploy/redis.conf as names and values."""
    lines = (ROOT / "deploy" / "redis.conf").read_text().splitlines()
    pairs = (line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return {name: value.strip('"') for name, value in pairs}


def test_the_containers_are_the_units_a_feed_redis_and_who_watches_them() -> None:
    assert set(SERVICES) == {*OURS, *OTHERS}
    assert len(SERVICES) == len(OURS) + len(OTHERS), "no name twice"


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_runs_a_module_that_exists(unit: Unit) -> None:
    service = SERVICES[unit.name]
    assert tuple(service["command"]) == unit.command
    assert find_spec(f"{unit.command[2]}.__main__") is not None


def test_each_image_is_built_by_one_service_and_pulled_by_none() -> None:
    built = {name: SERVICES[name]["build"]["target"] for name in OURS if "build" in SERVICES[name]}
    assert built == {"signals": "${FILLSTREAM_TARGET:-runtime}", "analytics": "analytics"}
    for name in OURS:
        image = "fillstream-analytics" if name == "analytics" else "fillstream"
        assert SERVICES[name]["image"] == f"{image}:${{FILLSTREAM_VERSION:-0.2.0}}"
        assert SERVICES[name]["pull_policy"] == "never"


def test_the_market_is_made_up_only_when_asked_for() -> None:
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "feed": ["demo"]
    }
    assert SERVICES["feed"]["command"][:3] == ["fillstream", "feed", "synthetic"]
    file = SERVICES["feed"]["command"][-1]
    assert SERVICES["feed"]["healthcheck"]["test"][-3:] == ["--touched", file, "30"]


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_understands_its_environment(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {name: substituted(value) for name, value in SERVICES[unit.name]["environment"].items()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    inside = Path(environment["CONFIG_PATH"])
    assert inside.parent == Path("/app/config")

    settings = load_settings(CONFIG / inside.name)

    settings.require_supported()
    assert settings.redis_url == "redis://redis:6379/0"
    assert settings.service.url == f"http://127.0.0.1:{unit.port}"
    assert (settings.service.host, settings.service.port) == ("0.0.0.0", unit.port)
    assert settings.database.data_dir == Path("/data")
    assert settings.database.path.parent == Path("/data")


def test_a_password_and_a_certificate_reach_whoever_connects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"FILLSTREAM_REDIS_PASSWORD": 'p@ss/"word', "FILLSTREAM_REDIS_CA_FILE": "./ca.crt"}
    (tmp_path / "ca.crt").touch()
    for name in OURS:
        environment = {key: substituted(value, **given) for key, value in SERVICES[name]["environment"].items()}
        assert environment["FILLSTREAM_MESSAGING__TLS_CA_FILE"] == "/run/fillstream/ca.crt"
        for key, value in environment.items():
            monkeypatch.setenv(key, value.replace("/run/fillstream", str(tmp_path)))
        url = load_settings(CONFIG / "local.yaml").redis_url
        assert url == f"rediss://:p%40ss%2F%22word@redis:6379/0?ssl_ca_certs={tmp_path}/ca.crt"
    exporter = {key: substituted(value, **given) for key, value in SERVICES["redis_exporter"]["environment"].items()}
    assert exporter == {
        "REDIS_ADDR": "rediss://redis:6379",
        "REDIS_PASSWORD": 'p@ss/"word',
        "REDIS_EXPORTER_TLS_CA_CERT_FILE": "/run/fillstream/ca.crt",
    }


def test_a_service_whose_user_has_a_password_is_that_user_and_redis_knows_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {"FILLSTREAM_REDIS_PASSWORD": "all", **{variable_of(name): f"{name}-1" for name in USERS}}
    for name in OURS:
        for key, value in SERVICES[name]["environment"].items():
            monkeypatch.setenv(key, substituted(value, **given))
        assert load_settings(CONFIG / "local.yaml").redis_url == f"redis://{name}:{name}-1@redis:6379/0"
    told = {key: substituted(value, **given) for key, value in SERVICES["redis"]["environment"].items()}
    assert {key: value for key, value in told.items() if "PASSWORD" in key} == given
    folder = "/usr/local/etc/redis"
    assert f"./deploy/users.acl:{folder}/users.acl:ro" in SERVICES["redis"]["volumes"]


def test_a_redis_elsewhere_goes_before_the_one_here(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "rediss://me:secret@redis.example.com:6380/0"
    for name in OURS:
        for key, value in SERVICES[name]["environment"].items():
            monkeypatch.setenv(key, substituted(value, REDIS_URL=url))
        assert load_settings(CONFIG / "local.yaml").redis_url == url
    assert substituted(SERVICES["redis_exporter"]["environment"]["REDIS_ADDR"], REDIS_URL=url) == url
    assert SERVICES["redis"]["deploy"]["replicas"] == "${FILLSTREAM_REDIS_REPLICAS:-1}"


def test_no_password_is_in_a_command_line() -> None:
    for service in SERVICES.values():
        assert "PASSWORD" not in str(service.get("command", "")) + str(service["healthcheck"])


def test_whatever_can_be_set_is_in_the_example_and_nothing_else_with_the_same_default() -> None:
    text = COMPOSE.read_text() + (ROOT / "deploy" / "servers.yml").read_text()
    said = dict(re.findall(r"^#([A-Z_]+)=(.*)$", ENV_EXAMPLE, re.MULTILINE))
    assert set(said) == set(VARIABLE.findall(text)) | {"COMPOSE_PROFILES"}
    for name, default in re.findall(r"\$\{(\w+):-([^${}]+)\}", text):
        if default != "/dev/null":  # stands for no file at all
            assert said[name] == default
    assert not re.search(r"^[A-Z]", ENV_EXAMPLE, re.MULTILINE), "copied as it is, it changes nothing"


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_starts_after_redis_is_healthy_and_says_when_it_is_ready(unit: Unit) -> None:
    service = SERVICES[unit.name]
    assert service["depends_on"] == {"redis": {"condition": "service_healthy", "required": False}}
    assert service["healthcheck"]["test"] == ["CMD", "python", "-I", "-S", "/app/healthcheck.py", "/ready"]


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_is_reached_from_this_machine_only_and_on_its_own_port(unit: Unit) -> None:
    published = f"${{{unit.port_variable}:-{unit.port}}}"
    assert SERVICES[unit.name]["ports"] == [f"127.0.0.1:{published}:{unit.port}"]
    environment = SERVICES[unit.name]["environment"]
    assert environment["FILLSTREAM_SERVICE__PORT"] == str(unit.port)
    assert environment["FILLSTREAM_SERVICE__PUBLIC_URL"] == f"http://127.0.0.1:{published}"


def test_the_variables_for_ports_are_those_of_what_is_published() -> None:
    said = set(re.findall(r"^#(FILLSTREAM_\w+_PORT)=", ENV_EXAMPLE, re.MULTILINE))
    assert said == {port_variable(name) for name in {*NAMES} - UNREACHABLE}


@pytest.mark.parametrize("name", sorted({*NAMES} - UNREACHABLE))
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
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}
    assert service["restart"] == "unless-stopped"
    assert re.fullmatch(r"\d+s", service["stop_grace_period"])
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_every_container_that_has_data_keeps_it_in_a_volume_of_its_own() -> None:
    used = {
        (name, volume.partition(":")[0])
        for name, service in SERVICES.items()
        for volume in service["volumes"]
        if isinstance(volume, str) and not volume.startswith("./")
    }
    assert used == {(name, f"{name}-data") for name in {*NAMES} - UNREACHABLE}
    assert set(compose()["volumes"]) == {volume for _, volume in used}


def test_a_volume_is_named_after_the_server_and_the_unit() -> None:
    names = {unit.name: compose()["volumes"][f"{unit.name}-data"]["name"] for unit in UNITS}
    assert {unit: substituted(name) for unit, name in names.items()} == {
        unit.name: f"fillstream_redis-{unit.name}" for unit in UNITS
    }


def test_no_two_servers_share_a_volume_and_no_two_desks_do() -> None:
    def names(**given: str) -> set[str]:
        volumes = {name: each for name, each in compose()["volumes"].items() if name != "prometheus-data"}
        return {substituted(each["name"], **given) for each in volumes.values()}

    assert set(SERVERS) == {"redis", "valkey"}
    found = [names(FILLSTREAM_REDIS_SERVER=server) for server in SERVERS]
    found.append(names(COMPOSE_PROJECT_NAME="another"))
    assert len(set().union(*found)) == sum(map(len, found)) == 3 * (len(UNITS) + 1)


def test_what_is_mounted_from_the_checkout_is_there_and_read_only() -> None:
    mounts = [
        each
        for service in SERVICES.values()
        for each in service["volumes"]
        if isinstance(each, str) and each.startswith("./")
    ]
    assert mounts
    for mount in mounts:
        source, _, mode = mount.split(":")
        assert (ROOT / source).is_file()
        assert mode == "ro"


def test_what_is_mounted_from_elsewhere_is_read_only_and_nothing_by_default() -> None:
    mounts = [each for service in SERVICES.values() for each in service["volumes"] if isinstance(each, dict)]
    assert {each["target"] for each in mounts} == {"/run/fillstream/ca.crt", "/tls"}
    for mount in mounts:
        assert (mount["type"], mount["read_only"]) == ("bind", True)
        assert substituted(mount["source"]) == "/dev/null"


@pytest.mark.parametrize(
    "image", [each["image"] for each in [*SERVICES.values(), *SERVERS.values()] if "image" in each]
)
def test_every_image_is_pinned_by_a_tag(image: str) -> None:
    assert re.fullmatch(r"[a-z0-9/_-]+:v?\d[\w.-]*", substituted(image))


def test_no_password_stands_in_the_file() -> None:
    given = [pair for service in SERVICES.values() for pair in service.get("environment", {}).items()]
    passwords = [value for name, value in given if re.search("PASSWORD|KEY|SECRET", name)]
    assert passwords
    assert all(re.fullmatch(r"\$\{\w+:-\}", value) for value in passwords), "a variable without a default"


# -------------------------------------------------------------------------------------------------------- redis


def test_one_variable_chooses_redis_or_valkey() -> None:
    assert SERVICES["redis"]["extends"] == {
        "file": "deploy/servers.yml",
        "service": "${FILLSTREAM_REDIS_SERVER:-redis}",
    }
    script = SERVICES["redis"]["command"][:2]
    assert script == SERVICES["redis"]["healthcheck"]["test"][1:3]
    assert f"./deploy/redis.sh:{script[1]}:ro" in SERVICES["redis"]["volumes"]


def test_the_log_is_on_disk_before_anybody_is_told() -> None:
    found = directives()
    assert (found["appendonly"], found["appendfsync"]) == ("yes", "always")
    assert found["maxmemory-policy"] == "noeviction"


def test_a_real_server_knows_every_line_of_redis_conf(client: redis.Redis) -> None:
    known: Any = client.config_get("*")
    assert set(directives()) <= set(known)


# --------------------------------------------------------------------------------------------------- prometheus


def test_prometheus_scrapes_every_unit_and_nobody_else_under_that_name() -> None:
    assert sorted(scraped()["fillstream"]) == sorted(f"{unit.name}:{unit.port}" for unit in UNITS)
    assert "depends_on" not in SERVICES["prometheus"], "it must be there when the services are not"


def test_the_second_venue_that_the_comment_shows_is_an_engine_like_the_first() -> None:
    text = COMPOSE.read_text()
    shown = re.search(r"^  # engine-sim2:\n(?:  #   .*\n)+", text, re.MULTILINE)
    assert shown
    made = yaml.safe_load(text.replace(shown[0], shown[0].replace("  # ", "  ")))["services"]
    own = yaml.safe_dump(made["engine-sim2"]).replace("engine-sim2", "engine").replace("8016", "8006")
    first = yaml.safe_dump(SERVICES["engine"]).replace("${FILLSTREAM_ENGINE_PORT:-8006}", "8006")
    assert yaml.safe_load(own.replace("- --venue\n- SIM2\n", "")) == yaml.safe_load(first)
    assert "8016" not in text.replace(shown[0], ""), "a port of its own"
