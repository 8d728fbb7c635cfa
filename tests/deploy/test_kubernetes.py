"""k8s/: manifests that Kubernetes' own schemas accept, one StatefulSet a stage, nothing allowed that is not needed."""

from __future__ import annotations

import shutil
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from fillstream.libs.common.process.settings import Settings, load_settings
from tests.deploy.house import (
    BASE,
    COMPONENTS,
    CONFIG,
    CONFIG_FILES,
    OVERLAYS,
    ROOT,
    UNITS,
    Unit,
    compose,
    documents,
    manifests,
    of_kind,
    shared_environment,
)

VERSIONS = ("1.28", kubernetes_validate.latest_version())
"""The oldest that has the pod-index label, and the newest that the schemas know."""
NAME, COMPONENT, PART = (f"app.kubernetes.io/{each}" for each in ("name", "component", "part-of"))
IDS = [unit.k8s for unit in UNITS]
SETS = sorted(of_kind("StatefulSet"))
(FEED,) = documents(COMPONENTS / "feed" / "feed.yaml")
WORKLOADS = {**of_kind("StatefulSet"), "feed": FEED}
(IMAGES,) = documents(COMPONENTS / "images" / "kustomization.yaml")


def label(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def pod(name: str) -> dict[str, Any]:
    """Return the pod's spec of a StatefulSet, or of the feed."""
    return dict(WORKLOADS[name]["spec"]["template"]["spec"])


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    return dict(only)


def environment(name: str) -> dict[str, Any]:
    """Return a container's variables: the value, or where it comes from."""
    assert container(name)["envFrom"] == [{"configMapRef": {"name": "fillstream-env"}}]
    own = {each["name"]: each.get("value", each.get("valueFrom")) for each in container(name)["env"]}
    assert not own.keys() & shared_environment().keys(), "told in one place"
    return {**shared_environment(), **own}


# ------------------------------------------------------------------------------------------------------- schemas


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", [*manifests(), FEED], ids=label)
def test_every_manifest_is_strictly_valid(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_key_would_be_noticed() -> None:
    manifest = deepcopy(of_kind("StatefulSet")["signals"])
    manifest["spec"]["replica"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


def test_the_kustomization_names_every_manifest() -> None:
    (kustomization,) = documents(BASE / "kustomization.yaml")
    here = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == here | {"../../config", "../../deploy"}
    assert kustomization["configMapGenerator"] == [{"name": "fillstream-env", "envs": ["fillstream.env"]}]


# ------------------------------------------------------------------------------------------------ the five and redis


def test_there_is_a_set_for_each_service_and_for_redis() -> None:
    assert set(SETS) == {unit.k8s for unit in UNITS} | {"redis"}


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_set_runs_the_same_command_as_compose(unit: Unit) -> None:
    assert tuple(container(unit.k8s)["args"]) == unit.command
    assert "command" not in container(unit.k8s), "tini is the image's entry point"
    assert container(unit.k8s)["ports"] == [{"name": "http", "containerPort": unit.port}]


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_understands_its_environment_and_its_configmap(
    unit: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {name: value for name, value in environment(unit.k8s).items() if isinstance(value, str)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in CONFIG_FILES:  # nothing else is in the ConfigMap
        (tmp_path / name).write_bytes((CONFIG / name).read_bytes())
    inside = Path(given["CONFIG_PATH"])

    settings = load_settings(tmp_path / inside.name)

    settings.require_supported()
    assert settings.redis_url == "redis://redis:6379/0"
    assert settings.service.url == f"http://{unit.k8s}:{unit.port}"
    assert (settings.service.host, settings.service.port) == ("0.0.0.0", unit.port)
    assert (settings.database.data_dir, settings.database.path.parent) == (Path("/data"), Path("/data"))
    mounts = {each["mountPath"] for each in container(unit.k8s)["volumeMounts"]}
    assert mounts == {"/data", "/tmp", str(inside.parent)}


def test_a_set_has_a_pod_for_every_partition() -> None:
    topology = load_settings(CONFIG / "local.yaml").topology()
    wanted = {
        "signals": 1,
        "orders": topology.account_partitions,
        "matching-engine": topology.symbol_partitions,
        "position-service": topology.account_partitions,
        "analytics": 1,
        "redis": 1,
    }
    assert {name: each["spec"]["replicas"] for name, each in of_kind("StatefulSet").items()} == wanted


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.compose != "analytics"], ids=IDS[:-1])
def test_a_stage_takes_its_partition_from_the_number_of_its_pod(unit: Unit) -> None:
    path = "metadata.labels['apps.kubernetes.io/pod-index']"
    assert environment(unit.k8s)["FILLSTREAM_PARTITION"] == {"fieldRef": {"fieldPath": path}}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_password_is_an_optional_reference_and_nowhere_a_value(name: str) -> None:
    def reference(key: str) -> dict[str, Any]:
        return {"secretKeyRef": {"name": "fillstream-redis", "key": key, "optional": True}}

    if name == "redis":
        wanted = {"FILLSTREAM_REDIS_PASSWORD": reference("password")}
    else:
        wanted = {"FILLSTREAM_MESSAGING__PASSWORD": reference("password"), "REDIS_URL": reference("url")}
    found = {key: value for key, value in environment(name).items() if "PASSWORD" in key or key == "REDIS_URL"}
    assert found == wanted
    assert not of_kind("Secret")


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name != "redis"])
def test_a_person_may_ask_for_orders_in_every_pod(name: str) -> None:
    services = of_kind("Service")
    assert environment(name)["FILLSTREAM_ANALYTICS_URL"] == "http://analytics:8008"
    assert services["analytics"]["spec"]["ports"][0]["port"] == 8008
    labels = WORKLOADS[name]["spec"]["template"]["metadata"]["labels"]
    calling = of_kind("NetworkPolicy")["to-analytics"]["spec"]
    assert labels[COMPONENT] in calling["podSelector"]["matchExpressions"][0]["values"]
    assert calling["egress"][0]["to"] == [{"podSelector": {"matchLabels": {NAME: "analytics"}}}]
    let_in = of_kind("NetworkPolicy")["analytics"]["spec"]["ingress"][0]["from"]
    assert {"podSelector": calling["podSelector"]} in let_in


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_is_probed_for_being_up_and_for_being_ready(unit: Unit) -> None:
    probes = {name: container(unit.k8s)[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert probes == {
        "startup": {"path": "/health", "port": "http"},  # it may wait for Redis for as long as it likes
        "readiness": {"path": "/ready", "port": "http"},
        "liveness": {"path": "/health", "port": "http"},
    }


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_prometheus_finds_a_service_by_its_annotations(unit: Unit) -> None:
    template = of_kind("StatefulSet")[unit.k8s]["spec"]["template"]
    assert template["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(unit.port),
        "prometheus.io/path": "/metrics",
    }


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_pod_is_confined(name: str) -> None:
    spec, only = pod(name), container(name)
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"].get("fsGroup") == (None if name == "feed" else spec["securityContext"]["runAsGroup"])
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_runs_as_the_user_of_the_image(unit: Unit) -> None:
    user = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("USER "))
    context = pod(unit.k8s)["securityContext"]
    assert user == f"USER {context['runAsUser']}:{context['runAsGroup']}"


@pytest.mark.parametrize("name", SETS)
def test_every_pod_reserves_and_limits_and_has_time_to_stop(name: str) -> None:
    resources = container(name)["resources"]
    assert set(resources["requests"]) == {"cpu", "memory", "ephemeral-storage"}
    assert set(resources["limits"]) == {"memory", "ephemeral-storage"}
    assert pod(name)["terminationGracePeriodSeconds"] >= 60


def millicores(text: str) -> int:
    assert text.endswith("m")
    return int(text.removesuffix("m"))


def mebibytes(text: str) -> int:
    assert text.endswith("Mi")
    return int(text.removesuffix("Mi"))


def test_the_desk_and_a_feed_fit_a_node_of_two_cores() -> None:
    requests = {name: container(name)["resources"]["requests"] for name in WORKLOADS}
    cpu = sum(millicores(each["cpu"]) for each in requests.values())
    memory = sum(mebibytes(each["memory"]) for each in requests.values())
    assert cpu <= 1200, "of 2 000, a cluster's own pods have up to 800"
    assert memory <= 2048
    told = (ROOT / "k8s" / "README.md").read_text()
    own = requests["feed"]
    assert f"{cpu - millicores(own['cpu'])} m of CPU and {memory - mebibytes(own['memory'])} MiB" in told
    assert f"{cpu} m and {memory} MiB" in told


@pytest.mark.parametrize("name", SETS)
def test_every_pod_has_a_volume_of_its_own(name: str) -> None:
    (claim,) = of_kind("StatefulSet")[name]["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"
    assert {"name": "data", "mountPath": "/data"} in container(name)["volumeMounts"]


def test_every_image_gets_its_version_in_one_place() -> None:
    named = {container(name)["image"] for name in WORKLOADS}
    pins = {each["name"]: each.get("digest") or each["newTag"] for each in IMAGES["images"]}
    assert set(pins) == named == {"fillstream", "fillstream-analytics", "redis"}
    assert all(tag and tag != "latest" for tag in pins.values())
    for folder in (BASE, OVERLAYS / "demo"):
        (kustomization,) = documents(folder / "kustomization.yaml")
        assert any(path.endswith("components/images") for path in kustomization["components"])
    builds = {service["image"].partition(":")[0] for service in compose()["services"].values() if "build" in service}
    assert builds == named - {"redis"}, "what compose builds"


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_only_analytics_has_the_image_with_duckdb(unit: Unit) -> None:
    assert container(unit.k8s)["image"] == ("fillstream-analytics" if unit.compose == "analytics" else "fillstream")


@pytest.mark.parametrize("name", SETS)
def test_every_set_has_a_headless_service_a_service_and_a_disruption_budget(name: str) -> None:
    stateful, services = of_kind("StatefulSet")[name], of_kind("Service")
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    selector = {NAME: name, PART: "fillstream"}
    assert selector.items() <= labels.items()
    assert stateful["spec"]["selector"]["matchLabels"] == selector

    headless = services[stateful["spec"]["serviceName"]]["spec"]
    assert (headless["clusterIP"], headless["selector"]) == ("None", selector)
    assert services[name]["spec"]["selector"] == selector
    (port,) = services[name]["spec"]["ports"]
    assert {"name": port["targetPort"], "containerPort": port["port"]} in container(name)["ports"]

    budget = of_kind("PodDisruptionBudget")[name]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": selector}}


# ------------------------------------------------------------------------------------------------------- network


def test_nothing_is_allowed_unless_it_is_said() -> None:
    assert of_kind("NetworkPolicy")["deny-all"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_redis_lets_in_stages_analytics_and_clients_and_calls_nobody() -> None:
    spec = of_kind("NetworkPolicy")["redis"]["spec"]
    (rule,) = spec["ingress"]
    source, _ = rule["from"]
    assert source == {
        "podSelector": {
            "matchExpressions": [{"key": COMPONENT, "operator": "In", "values": ["stage", "analytics", "client"]}]
        }
    }
    assert rule["ports"] == [{"protocol": "TCP", "port": 6379}]
    assert spec["policyTypes"] == ["Ingress"]


def test_who_may_call_redis_is_whom_redis_lets_in() -> None:
    calling = of_kind("NetworkPolicy")["to-redis"]["spec"]["podSelector"]
    let_in = of_kind("NetworkPolicy")["redis"]["spec"]["ingress"][0]["from"][0]["podSelector"]
    assert calling == let_in


@pytest.mark.parametrize("policy", ["redis", "analytics"])
def test_a_namespace_with_the_label_that_the_readme_names_is_let_in(policy: str) -> None:
    (rule,) = of_kind("NetworkPolicy")[policy]["spec"]["ingress"]
    assert rule["from"][1:] == [{"namespaceSelector": {"matchLabels": {"fillstream-client": "true"}}}]
    assert "kubectl label namespace strategies fillstream-client=true" in (ROOT / "k8s" / "README.md").read_text()


def test_there_is_one_feed_and_it_is_a_client() -> None:
    assert (FEED["spec"]["replicas"], FEED["spec"]["strategy"]) == (1, {"type": "Recreate"})
    assert FEED["spec"]["template"]["metadata"]["labels"][COMPONENT] == "client"
    assert container("feed")["args"][:3] == ["fillstream", "feed", "synthetic"]
    assert (
        container("feed")["readinessProbe"]["exec"]["command"]
        == compose()["services"]["feed"]["healthcheck"]["test"][1:]
    )
    assert "livenessProbe" not in container("feed"), "without Redis it waits"


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_every_service_carries_a_component_that_may_call_redis(unit: Unit) -> None:
    labels = of_kind("StatefulSet")[unit.k8s]["spec"]["template"]["metadata"]["labels"]
    assert labels[COMPONENT] == ("analytics" if unit.compose == "analytics" else "stage")


def test_only_the_monitoring_namespace_may_scrape() -> None:
    (rule,) = of_kind("NetworkPolicy")["metrics"]["spec"]["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]


# ----------------------------------------------------------------------------------------------------- kustomize


def test_the_configmaps_are_made_of_the_files_that_everything_else_reads() -> None:
    (config,) = documents(CONFIG / "Kustomization")
    assert config["configMapGenerator"] == [{"name": "fillstream-config", "files": list(CONFIG_FILES)}]
    (redis,) = documents(ROOT / "deploy" / "Kustomization")
    assert redis["configMapGenerator"] == [{"name": "fillstream-redis-conf", "files": ["redis.conf", "redis.sh"]}]


def build(folder: Path) -> list[dict[str, Any]]:
    """Return what kustomize makes of a folder."""
    if kubectl := shutil.which("kubectl"):
        command = [kubectl, "kustomize", str(folder)]
    elif kustomize := shutil.which("kustomize"):
        command = [kustomize, "build", str(folder)]
    else:
        pytest.skip("neither kubectl nor kustomize is on PATH")
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    return [each for each in yaml.safe_load_all(made.stdout) if each]


@pytest.mark.deploy
@pytest.mark.parametrize("folder", [BASE, *sorted(each for each in OVERLAYS.iterdir() if each.is_dir())], ids=str)
def test_kustomize_builds_what_kubernetes_accepts(folder: Path) -> None:
    built = build(folder)
    for each in built:
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)
    more = 4 if folder.name == "demo" else 3
    assert len(built) == len(manifests()) + more, "every manifest, three ConfigMaps and, in the demo, a feed"
    pins = {each["name"]: each["newTag"] for each in IMAGES["images"]}
    for each in built:
        if each["kind"] in {"StatefulSet", "Deployment"}:
            image = each["spec"]["template"]["spec"]["containers"][0]["image"]
            assert image == f"{image.partition(':')[0]}:{pins[image.partition(':')[0]]}"
    assert all(each["metadata"].get("namespace") == "fillstream" for each in built if each["kind"] != "Namespace")


@pytest.mark.deploy
@pytest.mark.parametrize("folder", [BASE, OVERLAYS / "demo"], ids=str)
def test_a_configmap_holds_the_very_bytes_of_the_files_and_pods_mount_it_by_its_hash(folder: Path) -> None:
    built = build(folder)
    maps = {each["metadata"]["name"].rpartition("-")[0]: each for each in built if each["kind"] == "ConfigMap"}
    assert maps["fillstream-config"]["data"] == {name: (CONFIG / name).read_text() for name in CONFIG_FILES}
    files = ("redis.conf", "redis.sh")
    assert maps["fillstream-redis-conf"]["data"] == {name: (ROOT / "deploy" / name).read_text() for name in files}
    assert maps["fillstream-env"]["data"] == shared_environment()
    pods = [each["spec"]["template"]["spec"] for each in built if each["kind"] in {"StatefulSet", "Deployment"}]
    mounted = {volume["configMap"]["name"] for each in pods for volume in each["volumes"] if "configMap" in volume}
    told = {each["containers"][0]["envFrom"][0]["configMapRef"]["name"] for each in pods}
    assert mounted | told == {each["metadata"]["name"] for each in maps.values()}, (
        "a change of the files rolls the pods"
    )
    assert len(told) == 1


@pytest.mark.deploy
def test_the_overlay_that_the_readme_shows_builds(tmp_path: Path) -> None:
    for name in ("k8s", "config", "deploy"):
        shutil.copytree(ROOT / name, tmp_path / name)
    section = (ROOT / "k8s" / "README.md").read_text().split("## Your own overlay")[1].split("\n## ")[0]
    shown = "".join(line[4:] for line in section.splitlines(keepends=True) if line.startswith("    "))
    own = tmp_path / "k8s" / "overlays" / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(shown)

    built = build(own)

    pods = [each["spec"]["template"]["spec"] for each in built if each["kind"] in {"StatefulSet", "Deployment"}]
    assert {each["containers"][0]["image"] for each in pods} == {
        "registry.example.com/fillstream:0.1.0",
        "registry.example.com/fillstream-analytics@sha256:0123…",
        "valkey/valkey:9",
    }
    (told,) = [each for each in built if each["metadata"]["name"].startswith("fillstream-env-")]
    assert told["data"] == {**shared_environment(), "FILLSTREAM_LOG_FORMAT": "plain"}
    assert {each["containers"][0]["envFrom"][0]["configMapRef"]["name"] for each in pods} == {told["metadata"]["name"]}


@pytest.mark.deploy
def test_the_local_overlay_requests_what_the_readme_says() -> None:
    sets = [each for each in build(OVERLAYS / "local") if each["kind"] == "StatefulSet"]
    requests = [each["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"] for each in sets]
    sums = (sum(millicores(each["cpu"]) for each in requests), sum(mebibytes(each["memory"]) for each in requests))
    assert "`overlays/local/` requests {} m and {} MiB".format(*sums) in (ROOT / "k8s" / "README.md").read_text()


@pytest.mark.deploy
def test_the_local_overlay_pulls_none_of_our_images() -> None:
    sets = {each["metadata"]["name"]: each for each in build(OVERLAYS / "local") if each["kind"] == "StatefulSet"}
    policies = {
        name: each["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] for name, each in sets.items()
    }
    assert policies == {**{unit.k8s: "Never" for unit in UNITS}, "redis": "IfNotPresent"}


def test_settings_of_the_pods_are_the_ones_tested_above() -> None:
    """The names this module sets must be the settings' own: a section that vanished would be passed over otherwise."""
    sections = {name.removeprefix("FILLSTREAM_").partition("__")[0].lower() for name in environment("signals")}
    single = {"config_path", "redis_url", "partition", "analytics_url", "log_format", "redis_maxmemory"}
    assert sections - single <= set(Settings.model_fields)
