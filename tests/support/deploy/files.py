"""The files of the deployment, read; the tests change none of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.tree import ROOT

COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"
PROMETHEUS = ROOT / "deploy" / "prometheus.yml"
CONFIG = ROOT / "config"
CONFIG_FILES = ("local.yaml", "instruments.yaml", "accounts.yaml")
"""What a service reads at start: the file of CONFIG_PATH and the two beside it."""


@cache
def compose() -> dict[str, Any]:
    """Return docker-compose.yml with its anchors resolved, variables as they stand there."""
    return dict(yaml.safe_load(COMPOSE.read_text()))


@cache
def scraped() -> dict[str, list[str]]:
    """Return the targets of deploy/prometheus.yml by job."""
    jobs = yaml.safe_load(PROMETHEUS.read_text())["scrape_configs"]
    return {job["job_name"]: [target for each in job["static_configs"] for target in each["targets"]] for job in jobs}


@cache
def document(path: Path) -> dict[str, Any]:
    """Return the one document of a YAML file."""
    return dict(yaml.safe_load(path.read_text()))
