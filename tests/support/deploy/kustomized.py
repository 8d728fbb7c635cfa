"""k8s/ as a cluster gets it: what kustomize itself makes of a folder, since an imitation of it would prove nothing."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.deploy.files import ROOT

K8S = ROOT / "k8s"
BASE = K8S / "base"
DEMO = K8S / "overlays" / "demo"
LOCAL = K8S / "overlays" / "local"
README = K8S / "README.md"


@cache
def build(folder: Path) -> list[dict[str, Any]]:
    """Return the objects that `kubectl apply -k` would send; skip the test where there is nothing to make them with."""
    if kubectl := shutil.which("kubectl"):
        command = [kubectl, "kustomize", str(folder)]
    elif kustomize := shutil.which("kustomize"):
        command = [kustomize, "build", str(folder)]
    else:
        pytest.skip("neither kubectl nor kustomize is on PATH")
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    assert not made.stderr, "a warning is a feature that goes away"
    return [each for each in yaml.safe_load_all(made.stdout) if each]


def of_kind(kind: str, folder: Path = BASE) -> dict[str, dict[str, Any]]:
    """Return the objects of one kind by name."""
    return {each["metadata"]["name"]: each for each in build(folder) if each["kind"] == kind}


def workloads(folder: Path = DEMO) -> dict[str, dict[str, Any]]:
    """Return whatever runs pods, by name."""
    return {**of_kind("StatefulSet", folder), **of_kind("Deployment", folder)}
