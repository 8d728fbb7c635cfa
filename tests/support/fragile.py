"""`python -m tests.support.fragile`: a live stage whose fold has a bug, for the test of quarantine."""

from __future__ import annotations

from fillstream.libs.common.process.app import Description, run
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.runtime.role import Role
from tests.support.adder import Adder


def role(settings: Settings, partition: int) -> tuple[Role, Description]:
    stage = Adder(bug=b"13")
    return Role(stage, (), {}), Description("fragile", "breaks on 13", [], [])


if __name__ == "__main__":
    run("fragile", "tests.support.fragile", role)
