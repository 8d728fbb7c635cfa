"""What the deployment is made of, read once from its own files; the tests beside this module change none of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"
BASE = ROOT / "k8s" / "base"
OVERLAYS = ROOT / "k8s" / "overlays"
COMPONENTS = ROOT / "k8s" / "components"
CONFIG = ROOT / "config"
CONFIG_FILES = ("local.yaml", "instruments.yaml", "accounts.yaml")
"""What a service reads at start: the file of CONFIG_PATH and the two beside it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One of the five services.

    Attributes:
        compose: its name in docker-compose.yml; Kubernetes has a hyphen for the underscore.
        command: what runs in the container.
        port: where it serves HTTP.
    """

    compose: str
    command: tuple[str, ...]
    port: int

    @property
    def k8s(self) -> str:
        return self.compose.replace("_", "-")


UNITS = (
    Unit("signals", ("python", "-m", "fillstream.services.order_service", "signals"), 8004),
    Unit("orders", ("python", "-m", "fillstream.services.order_service", "orders"), 8005),
    Unit("matching_engine", ("python", "-m", "fillstream.services.matching_engine"), 8006),
    Unit("position_service", ("python", "-m", "fillstream.services.position_service"), 8007),
    Unit("analytics", ("python", "-m", "fillstream.services.analytics"), 8008),
)


@cache
def compose() -> dict[str, Any]:
    """Return docker-compose.yml with its anchors resolved, variables as they stand there."""
    return dict(yaml.safe_load(COMPOSE.read_text()))


@cache
def documents(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a YAML file."""
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


@cache
def manifests() -> list[dict[str, Any]]:
    """Return every object of k8s/base, kustomization aside."""
    files = sorted(path for path in BASE.glob("*.yaml") if path.name != "kustomization.yaml")
    return [each for path in files for each in documents(path)]


def shared_environment() -> dict[str, str]:
    """Return what k8s/base/fillstream.env tells every pod."""
    lines = (BASE / "fillstream.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """Return the objects of one kind by name."""
    return {each["metadata"]["name"]: each for each in manifests() if each["kind"] == kind}
