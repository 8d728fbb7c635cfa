"""k8s/, as kustomize builds it: manifests that Kubernetes' own schemas accept, one StatefulSet a unit, nothing allowed
that is not needed, and nothing written twice."""

from __future__ import annotations

import re
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from fillstream.libs.common.messages.access import USERS
from fillstream.libs.common.process.settings import Settings, load_settings
from tests.support.deploy.files import CONFIG, CONFIG_FILES, ROOT, compose, document
from tests.support.deploy.kustomized import BASE, DEMO, K8S, LOCAL, README, build, of_kind, workloads
from tests.support.deploy.units import UNITS, Unit

pytestmark = pytest.mark.deploy
VERSIONS = ("1.28", kubernetes_validate.latest_version())
"""The oldest that has the pod-index label, and the newest that the schemas know."""
NAME, COMPONENT, PART = (f"app.kubernetes.io/{each}" for each in ("name", "component", "part-of"))
IDS = [unit.name for unit in UNITS]
SETS = (*IDS, "redis")
WORKLOADS = (*SETS, "feed")
"""With the made-up market of the demo overlay."""
FOLDERS = (BASE, DEMO, LOCAL)
IMAGES = {each["name"]: each for each in document(K8S / "components" / "images" / "kustomization.yaml")["images"]}


def pod(name: str) -> dict[str, Any]:
    """Return the pod's spec of a StatefulSet, or of the feed."""
    return dict(workloads()[name]["spec"]["template"]["spec"])


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    return dict(only)


def shared_environment() -> dict[str, str]:
    """Return what k8s/base/fillstream.env tells every pod."""
    lines = (BASE / "fillstream.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def environment(name: str) -> dict[str, Any]:
    """Return a container's variables: the value, or where it comes from."""
    (told,) = container(name)["envFrom"]
    shared = of_kind("ConfigMap", DEMO)[told["configMapRef"]["name"]]["data"]
    assert shared == shared_environment()
    own = {each["name"]: each.get("value", each.get("valueFrom")) for each in container(name)["env"]}
    assert len(own) == len(container(name)["env"]), "no variable twice"
    assert not own.keys() & shared.keys(), "told in one place"
    return {**shared, **own}


# ------------------------------------------------------------------------------------------------------- schemas


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_manifest_is_strictly_valid(folder: Path, version: str) -> None:
    for manifest in build(folder):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_key_would_be_noticed() -> None:
    manifest = deepcopy(of_kind("StatefulSet")["signals"])
    manifest["spec"]["replica"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


# ------------------------------------------------------------------------------------------------ everything once

OWN = {
    "apiVersion", "kind", "metadata.name", "spec.replicas", "spec.volumeClaimTemplates.spec.resources.requests.storage",
    *(f"spec.template.spec.containers.{each}" for each in (
        "name", "image", "args", "ports.name", "ports.containerPort",
        "resources.requests.cpu", "resources.requests.memory", "resources.limits.memory",
    )),
}  # fmt: skip
"""What the file of a unit says; the rest stands in components/service."""


def paths(value: Any, path: str = "") -> set[str]:
    """Return where the values of a document are; a list is where its elements are."""
    if isinstance(value, dict):
        return {found for key, each in value.items() for found in paths(each, f"{path}.{key}" if path else key)}
    if isinstance(value, list):
        return {found for each in value for found in paths(each, path)}
    return {path}


def test_the_kustomization_names_every_unit_and_every_manifest() -> None:
    kustomization = document(BASE / "kustomization.yaml")
    files = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    folders = {path.name for path in BASE.iterdir() if path.is_dir()}
    assert folders == set(IDS)
    assert sorted(kustomization["resources"]) == sorted([*files, *folders, "../../config", "../../deploy"])
    assert kustomization["configMapGenerator"] == [{"name": "fillstream-env", "envs": ["fillstream.env"]}]


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_unit_says_what_is_its_own_and_takes_the_rest_from_the_component(unit: Unit) -> None:
    folder = BASE / unit.name
    assert {path.name for path in folder.iterdir()} == {"kustomization.yaml", "statefulset.yaml"}
    assert paths(document(folder / "statefulset.yaml")) == OWN
    assert document(folder / "kustomization.yaml") == {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["statefulset.yaml"],
        "components": ["../../components/service"],
    }


def test_no_place_was_left_to_be_filled_in() -> None:
    text = yaml.safe_dump_all(each for each in build(DEMO) if each["kind"] != "ConfigMap")
    assert re.search(r"\bpositions\b", text)
    assert not re.search(r"\b(NAME|PORT)\b|port: 0\b", text)


@pytest.mark.parametrize("name", ["notifier", "venue-binance"])
def test_the_service_more_that_the_readme_shows_is_whole(tmp_path: Path, name: str) -> None:
    """Under a name with a hyphen as well: the component takes names apart at hyphens."""
    for folder in ("k8s", "config", "deploy"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    section = README.read_text().split("## One service more")[1].split("\n## ")[0]
    shown = re.findall(r"^    # k8s/base/notifier/(\S+)\n((?:    .*\n)+)", section, re.MULTILINE)
    assert [file for file, _ in shown] == ["kustomization.yaml", "statefulset.yaml"]
    assert sum(text.count("\n") for _, text in shown) <= 25
    more = tmp_path / "k8s" / "base" / name
    more.mkdir()
    for file, text in shown:
        own = re.sub("^    ", "", text, flags=re.MULTILINE)
        (more / file).write_text(own.replace("name: notifier", f"name: {name}"))
    kustomization = tmp_path / "k8s" / "base" / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("  - analytics\n", f"  - analytics\n  - {name}\n"))
    built = build(tmp_path / "k8s" / "base")

    def of(unit: str, port: int) -> list[str]:
        """Return the manifests of a unit without its name, port and arguments."""
        found = [deepcopy(each) for each in built if each["metadata"].get("labels", {}).get(NAME) == unit]
        for each in found:
            kubernetes_validate.validate(each, VERSIONS[-1], strict=True)
            if each["kind"] == "StatefulSet":
                del each["spec"]["template"]["spec"]["containers"][0]["args"]
        return [yaml.safe_dump(each).replace(unit, "<name>").replace(str(port), "<port>") for each in found]

    assert len(of(name, 8010)) == 4, "StatefulSet, two Services, PodDisruptionBudget"
    assert of(name, 8010) == of("signals", 8004)
    assert len(built) == len(build(BASE)) + 4


def test_the_second_venue_that_the_readme_shows_is_an_engine_like_the_first(tmp_path: Path) -> None:
    for folder in ("k8s", "config", "deploy"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    section = README.read_text().split("## A second simulated venue")[1].split("\n## ")[0]
    shown = yaml.safe_load("".join(line[4:] for line in section.splitlines(keepends=True) if line.startswith("    ")))
    base = tmp_path / "k8s" / "base"
    shutil.copytree(base / "engine", base / "engine-sim2")
    file = base / "engine-sim2" / "statefulset.yaml"
    own = yaml.safe_load(file.read_text())
    own["metadata"]["name"] = "engine-sim2"
    own["spec"]["template"]["spec"]["containers"][0] |= shown
    file.write_text(yaml.safe_dump(own))
    kustomization = base / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("  - engine\n", "  - engine\n  - engine-sim2\n"))
    built = build(base)
    (second,) = [each for each in built if each["kind"] == "StatefulSet" and each["metadata"]["name"] == "engine-sim2"]
    kubernetes_validate.validate(second, VERSIONS[-1], strict=True)
    (made,) = second["spec"]["template"]["spec"]["containers"]
    assert made["args"] == [*container("engine")["args"], "--venue", "SIM2"]
    assert not {unit.port for unit in UNITS} & {made["ports"][0]["containerPort"]}
    assert len(built) == len(build(BASE)) + 4


# ------------------------------------------------------------------------------------------------ the units and redis


def test_there_is_a_set_for_each_unit_and_for_redis_and_nothing_else() -> None:
    assert sorted(of_kind("StatefulSet")) == sorted(SETS)
    assert sorted(workloads()) == sorted(WORKLOADS)
    assert sorted(of_kind("PodDisruptionBudget")) == sorted(SETS)
    assert sorted(of_kind("Service")) == sorted(each for name in SETS for each in (name, f"{name}-headless"))


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_container_has_the_name_of_its_unit_and_runs_the_same_command_as_in_compose(unit: Unit) -> None:
    assert container(unit.name)["name"] == unit.name
    assert tuple(container(unit.name)["args"]) == unit.command
    assert "command" not in container(unit.name), "tini is the image's entry point"
    assert container(unit.name)["ports"] == [{"name": "http", "containerPort": unit.port}]


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_understands_its_environment_and_its_configmap(
    unit: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {name: value for name, value in environment(unit.name).items() if isinstance(value, str)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in CONFIG_FILES:  # nothing else is in the ConfigMap
        (tmp_path / name).write_bytes((CONFIG / name).read_bytes())
    inside = Path(given["CONFIG_PATH"])

    settings = load_settings(tmp_path / inside.name)

    settings.require_supported()
    assert settings.redis_url == "redis://redis:6379/0"
    assert settings.service.url == f"http://{unit.name}:{unit.port}"
    assert (settings.service.host, settings.service.port) == ("0.0.0.0", unit.port)
    assert (settings.database.data_dir, settings.database.path.parent) == (Path("/data"), Path("/data"))
    mounts = {each["mountPath"] for each in container(unit.name)["volumeMounts"]}
    assert mounts == {"/data", "/tmp", str(inside.parent)}


def test_a_set_has_a_pod_for_every_partition() -> None:
    topology = load_settings(CONFIG / "local.yaml").topology()
    counts = {"account": topology.account_partitions, "symbol": topology.symbol_partitions, None: 1}
    for unit in UNITS:
        assert of_kind("StatefulSet")[unit.name]["spec"]["replicas"] == counts[unit.partitioned_by]
        told = (BASE / unit.name / "statefulset.yaml").read_text()
        assert f"# messaging.{unit.partitioned_by}_partitions\n" in told or unit.partitioned_by is None
    assert of_kind("StatefulSet")["redis"]["spec"]["replicas"] == 1


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_unit_takes_its_partition_from_the_number_of_its_pod(unit: Unit) -> None:
    path = "metadata.labels['apps.kubernetes.io/pod-index']"
    assert environment(unit.name)["FILLSTREAM_PARTITION"] == {"fieldRef": {"fieldPath": path}}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_password_is_an_optional_reference_and_nowhere_a_value(name: str) -> None:
    def reference(key: str) -> dict[str, Any]:
        return {"secretKeyRef": {"name": "fillstream-redis", "key": key, "optional": True}}

    if name == "redis":
        wanted = {"FILLSTREAM_REDIS_PASSWORD": reference("password")}
        for user in USERS:
            wanted[f"FILLSTREAM_REDIS_{user.upper()}_PASSWORD"] = reference(f"{user}-password")
    else:
        wanted = {
            "FILLSTREAM_MESSAGING__PASSWORD": reference("password"),
            "FILLSTREAM_MESSAGING__USER_PASSWORD": reference(f"{name}-password"),
            "REDIS_URL": reference("url"),
        }
        assert environment(name)["FILLSTREAM_MESSAGING__USERNAME"] == name
        assert name in USERS
    found = {key: value for key, value in environment(name).items() if "PASSWORD" in key or key == "REDIS_URL"}
    assert found == wanted
    assert not of_kind("Secret")


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name != "redis"])
def test_a_person_may_ask_for_orders_in_every_pod(name: str) -> None:
    services = of_kind("Service")
    assert environment(name)["FILLSTREAM_ANALYTICS_URL"] == "http://analytics:8008"
    assert services["analytics"]["spec"]["ports"][0]["port"] == 8008
    labels = workloads()[name]["spec"]["template"]["metadata"]["labels"]
    calling = of_kind("NetworkPolicy")["to-analytics"]["spec"]
    assert labels[COMPONENT] in calling["podSelector"]["matchExpressions"][0]["values"]
    assert calling["egress"][0]["to"] == [{"podSelector": {"matchLabels": {NAME: "analytics"}}}]
    let_in = of_kind("NetworkPolicy")["analytics"]["spec"]["ingress"][0]["from"]
    assert {"podSelector": calling["podSelector"]} in let_in


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_a_service_is_probed_for_being_up_and_for_being_ready(unit: Unit) -> None:
    probes = {name: container(unit.name)[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert probes == {
        "startup": {"path": "/health", "port": "http"},  # it may wait for Redis for as long as it likes
        "readiness": {"path": "/ready", "port": "http"},
        "liveness": {"path": "/health", "port": "http"},
    }


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_prometheus_finds_a_service_by_its_annotations(unit: Unit) -> None:
    template = of_kind("StatefulSet")[unit.name]["spec"]["template"]
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
    context = pod(unit.name)["securityContext"]
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


def test_the_desk_and_a_feed_fit_a_node_of_two_cores_and_the_readme_says_what_each_takes() -> None:
    requests = {name: container(name)["resources"]["requests"] for name in WORKLOADS}
    each_takes = {name: (millicores(each["cpu"]), mebibytes(each["memory"])) for name, each in requests.items()}
    cpu = sum(cpu for cpu, _ in each_takes.values())
    memory = sum(memory for _, memory in each_takes.values())
    assert cpu <= 1200, "of 2 000, a cluster's own pods have up to 800"
    assert memory <= 2048
    told = README.read_text()
    own = each_takes["feed"]
    assert f"{cpu - own[0]} m of CPU and {memory - own[1]} MiB" in told
    assert f"{cpu} m and {memory} MiB" in told
    rows = re.findall(r"^\| ([\w, -]+) \| (\d+) m \| (\d+) MiB \|$", told, re.MULTILINE)
    said = {name: (int(cpu), int(memory)) for names, cpu, memory in rows for name in names.split(", ")}
    assert said == each_takes


@pytest.mark.parametrize("name", SETS)
def test_every_pod_has_a_volume_of_its_own(name: str) -> None:
    (claim,) = of_kind("StatefulSet")[name]["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"
    assert {"name": "data", "mountPath": "/data"} in container(name)["volumeMounts"]


def test_every_image_gets_its_version_in_one_place() -> None:
    named = {container(name)["image"] for name in WORKLOADS}
    pins = {name: each.get("digest") or each["newTag"] for name, each in IMAGES.items()}
    assert all(tag and tag != "latest" for tag in pins.values())
    assert named == {f"{name}:{tag}" for name, tag in pins.items()}
    for unit in UNITS:
        (own,) = document(BASE / unit.name / "statefulset.yaml")["spec"]["template"]["spec"]["containers"]
        assert own["image"] in pins, "without a version"
    for folder in (BASE, DEMO):
        assert any(path.endswith("components/images") for path in document(folder / "kustomization.yaml")["components"])
    builds = {service["image"].partition(":")[0] for service in compose()["services"].values() if "build" in service}
    assert builds == set(pins) - {"redis"}, "what compose builds"


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_only_analytics_has_the_image_with_duckdb(unit: Unit) -> None:
    image, _, _ = container(unit.name)["image"].partition(":")
    assert image == ("fillstream-analytics" if unit.name == "analytics" else "fillstream")


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


def test_redis_lets_in_services_and_clients_and_calls_nobody() -> None:
    spec = of_kind("NetworkPolicy")["redis"]["spec"]
    (rule,) = spec["ingress"]
    source, _ = rule["from"]
    assert source == {
        "podSelector": {"matchExpressions": [{"key": COMPONENT, "operator": "In", "values": ["service", "client"]}]}
    }
    assert rule["ports"] == [{"protocol": "TCP", "port": 6379}]
    assert spec["policyTypes"] == ["Ingress"]


def test_who_may_call_redis_is_whom_redis_lets_in() -> None:
    calling = of_kind("NetworkPolicy")["to-redis"]["spec"]["podSelector"]
    let_in = of_kind("NetworkPolicy")["redis"]["spec"]["ingress"][0]["from"][0]["podSelector"]
    assert calling == let_in


@pytest.mark.parametrize("policy", ["redis", "analytics", "gateway"])
def test_a_namespace_with_the_label_that_the_readme_names_is_let_in(policy: str) -> None:
    (rule,) = of_kind("NetworkPolicy")[policy]["spec"]["ingress"]
    assert rule["from"][1:] == [{"namespaceSelector": {"matchLabels": {"fillstream-client": "true"}}}]
    assert "kubectl label namespace strategies fillstream-client=true" in README.read_text()


def test_who_may_call_the_gateway_is_whom_it_lets_in_and_no_stage() -> None:
    policies = of_kind("NetworkPolicy")
    calling = policies["to-gateway"]["spec"]["podSelector"]
    assert policies["gateway"]["spec"]["ingress"][0]["from"][0]["podSelector"] == calling
    assert calling == {"matchLabels": {COMPONENT: "client"}}
    (reached,) = policies["to-gateway"]["spec"]["egress"][0]["to"]
    assert reached == {"podSelector": policies["gateway"]["spec"]["podSelector"]}


def test_there_is_one_feed_and_it_is_a_client() -> None:
    (feed,) = of_kind("Deployment", DEMO).values()
    assert not of_kind("Deployment")
    assert (feed["spec"]["replicas"], feed["spec"]["strategy"]) == (1, {"type": "Recreate"})
    assert feed["spec"]["template"]["metadata"]["labels"][COMPONENT] == "client"
    assert container("feed")["args"][:3] == ["fillstream", "feed", "synthetic"]
    probe = container("feed")["readinessProbe"]["exec"]["command"]
    assert probe == compose()["services"]["feed"]["healthcheck"]["test"][1:]
    assert "livenessProbe" not in container("feed"), "without Redis it waits"


@pytest.mark.parametrize("unit", UNITS, ids=IDS)
def test_every_service_carries_a_component_that_may_call_redis(unit: Unit) -> None:
    labels = of_kind("StatefulSet")[unit.name]["spec"]["template"]["metadata"]["labels"]
    assert labels[COMPONENT] == "service"


def test_only_the_monitoring_namespace_may_scrape() -> None:
    spec = of_kind("NetworkPolicy")["metrics"]["spec"]
    assert spec["podSelector"] == {"matchLabels": {COMPONENT: "service"}}
    (rule,) = spec["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]


# ----------------------------------------------------------------------------------------------------- kustomize


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_builds_what_the_base_has_with_versions_in_one_namespace(folder: Path) -> None:
    def kinds(built: list[dict[str, Any]]) -> list[str]:
        return sorted(each["kind"] for each in built)

    assert kinds(build(folder)) == sorted([*kinds(build(BASE)), *(["Deployment"] if folder == DEMO else [])])
    for each in workloads(folder).values():
        name, _, tag = each["spec"]["template"]["spec"]["containers"][0]["image"].partition(":")
        assert tag == IMAGES[name]["newTag"]
    outside = [each["kind"] for each in build(folder) if each["metadata"].get("namespace") != "fillstream"]
    assert outside == ["Namespace"]


@pytest.mark.parametrize("folder", [BASE, DEMO], ids=lambda folder: folder.name)
def test_a_configmap_holds_the_very_bytes_of_the_files_and_pods_mount_it_by_its_hash(folder: Path) -> None:
    maps = {name.rpartition("-")[0]: each for name, each in of_kind("ConfigMap", folder).items()}
    files = ("redis.conf", "redis.sh", "users.acl")
    assert {name: each["data"] for name, each in maps.items()} == {
        "fillstream-config": {name: (CONFIG / name).read_text() for name in CONFIG_FILES},
        "fillstream-redis-conf": {name: (ROOT / "deploy" / name).read_text() for name in files},
        "fillstream-env": shared_environment(),
    }
    pods = [each["spec"]["template"]["spec"] for each in workloads(folder).values()]
    mounted = {volume["configMap"]["name"] for each in pods for volume in each["volumes"] if "configMap" in volume}
    told = {each["containers"][0]["envFrom"][0]["configMapRef"]["name"] for each in pods}
    assert mounted | told == set(of_kind("ConfigMap", folder)), "a change of the files rolls the pods"
    assert len(told) == 1


def test_the_overlay_that_the_readme_shows_builds(tmp_path: Path) -> None:
    for name in ("k8s", "config", "deploy"):
        shutil.copytree(ROOT / name, tmp_path / name)
    section = README.read_text().split("## Your own overlay")[1].split("\n## ")[0]
    shown = "".join(line[4:] for line in section.splitlines(keepends=True) if line.startswith("    "))
    own = tmp_path / "k8s" / "overlays" / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(shown)

    pods = [each["spec"]["template"]["spec"] for each in workloads(own).values()]

    assert {each["containers"][0]["image"] for each in pods} == {
        "registry.example.com/fillstream:0.2.0",
        "registry.example.com/fillstream-analytics@sha256:0123…",
        "valkey/valkey:9",
    }
    (told,) = [name for name in of_kind("ConfigMap", own) if name.startswith("fillstream-env-")]
    data = of_kind("ConfigMap", own)[told]["data"]
    assert data == {**shared_environment(), "FILLSTREAM_LOG_FORMAT": "plain"}
    assert {each["containers"][0]["envFrom"][0]["configMapRef"]["name"] for each in pods} == {told}


def test_the_local_overlay_requests_what_the_readme_says() -> None:
    pods = [each["spec"]["template"]["spec"] for each in workloads(LOCAL).values()]
    requests = [each["containers"][0]["resources"]["requests"] for each in pods]
    sums = (sum(millicores(each["cpu"]) for each in requests), sum(mebibytes(each["memory"]) for each in requests))
    assert "`overlays/local/` requests {} m and {} MiB".format(*sums) in README.read_text()


def test_the_local_overlay_pulls_none_of_our_images() -> None:
    policies = {
        name: each["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"]
        for name, each in workloads(LOCAL).items()
    }
    assert policies == {**{unit.name: "Never" for unit in UNITS}, "redis": "IfNotPresent"}


def test_settings_of_the_pods_are_the_ones_tested_above() -> None:
    """The names this module sets must be the settings' own: a section that vanished would be passed over otherwise."""
    sections = {name.removeprefix("FILLSTREAM_").partition("__")[0].lower() for name in environment("signals")}
    single = {"config_path", "redis_url", "partition", "analytics_url", "log_format", "redis_maxmemory"}
    assert sections - single <= set(Settings.model_fields)
