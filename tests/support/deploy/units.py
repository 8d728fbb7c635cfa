"""What is deployed as processes of its own, each under its one name; compose, Kubernetes, Prometheus and its alarms are
compared with this list, nothing missing and nothing more."""

from __future__ import annotations

from dataclasses import dataclass

from fillstream.libs.common.messages.stages import DOORS, PROGRAMS
from fillstream.libs.common.messages.topology import PartitionedBy


@dataclass(frozen=True, slots=True)
class Unit:
    """One of our own services, as the docs say: a stage or what reads behind the stages, a process for each partition.

    It is no `service` here, since compose calls Redis one as well, and Kubernetes a name and a port.

    Attributes:
        name: of the compose service, the StatefulSet and its Services, the target of Prometheus and the label `stage`.
        program: what stands behind `python -m`.
        port: where it serves HTTP.
        partitioned_by: whose partitions it has, one process each; None when there is only one.
    """

    name: str
    program: tuple[str, ...]
    port: int
    partitioned_by: PartitionedBy | None

    @property
    def command(self) -> tuple[str, ...]:
        """What runs in the container."""
        return ("python", "-m", *self.program)

    @property
    def port_variable(self) -> str:
        """What compose reads the port from at which it is published on this machine."""
        return port_variable(self.name)


def port_variable(name: str) -> str:
    """Return the variable for the published port of any service of compose."""
    return f"FILLSTREAM_{name.upper().replace('-', '_')}_PORT"


UNITS = tuple(Unit(each.name, each.command, each.port, each.partitioned_by) for each in (*PROGRAMS, *DOORS.values()))
"""Every program of the map."""
