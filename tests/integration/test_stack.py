"""The local stack: what is killed comes back, what is told to stop is gone, and nothing outlives its supervisor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import redis

from fillstream.libs.common.messages.stages import PROGRAMS
from fillstream.stack import stack
from fillstream.stack.running import running_stack, safe_url
from fillstream.stack.stack import READY_S, LocalStack, StackError, port_is_free
from fillstream.stack.supervisor import Spec, Supervisor, bare_environment
from tests.conftest import free_port, until

SERVICES = tuple(each.name for each in PROGRAMS)
SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


def spec(tmp_path: Path, name: str, code: str, stop_rank: int = 1) -> Spec:
    return Spec(name, (sys.executable, "-S", "-c", code), bare_environment(), tmp_path / f"{name}.log", stop_rank)


@contextmanager
def supervised(*specs: Spec) -> Iterator[Supervisor]:
    supervisor = Supervisor(specs)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state) and not state.startswith("Z")


# ---------------------------------------------------------------------------------------------------- supervisor


def test_a_killed_process_is_started_again_at_once_and_told_how_often(tmp_path: Path) -> None:
    code = "import os, time; print('start', os.environ['FILLSTREAM_RESTARTS'], flush=True); time.sleep(600)"
    with supervised(spec(tmp_path, "one", code)) as supervisor:
        one = supervisor.processes["one"]
        until(lambda: one.log_tail() == "start 0", "the first start")
        killed = one.pid
        one.kill()
        until(lambda: one.log_tail() == "start 0\nstart 1", "the second start")
        assert one.restarts == 1
        assert one.reason == "signal SIGKILL"
        assert one.pid != killed


def test_a_process_that_keeps_crashing_is_started_less_and_less_often(tmp_path: Path) -> None:
    with supervised(spec(tmp_path, "one", "import time; print(time.time()); raise SystemExit(70)")) as supervisor:
        one = supervisor.processes["one"]
        until(lambda: len(one.log_tail(4).splitlines()) == 4, "four starts")
    starts = [float(line) for line in one.log_tail(4).splitlines()]
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert waits[1] >= 0.2
    assert waits[2] >= 0.4


@pytest.mark.parametrize("code", [2, 71, 72, 78])
def test_a_process_that_asks_for_a_person_is_left_alone(tmp_path: Path, code: int) -> None:
    with supervised(spec(tmp_path, "one", f"raise SystemExit({code})")) as supervisor:
        one = supervisor.processes["one"]
        until(lambda: one.state == "failed", "the supervisor to give up")
        assert one.reason.startswith(f"exit code {code}: ")
    assert one.restarts == 0


def test_lower_ranks_are_stopped_before_higher_ones(tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = (
        "import signal, sys\n"
        "def end(*_):\n"
        f"    open({str(order)!r}, 'a').write('NAME '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); signal.pause()"
    )
    specs = [spec(tmp_path, name, code.replace("NAME", name), rank) for name, rank in (("b", 2), ("a", 1), ("c", 3))]
    with supervised(*specs) as supervisor:
        for each in supervisor.processes.values():
            until(lambda each=each: each.log_tail() == "up", "the process")  # type: ignore[misc]
    assert order.read_text() == "a b c "
    assert all(each.state == "stopped" for each in supervisor.processes.values())


def test_a_killed_supervisor_leaves_no_process_behind(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from tests.integration.test_stack import *\n"
        f"here = Path({str(tmp_path)!r})\n"
        "s = Supervisor([spec(here, 'one', SLEEPER), spec(here, 'two', SLEEPER)]); s.start()\n"
        "print(*[p.pid for p in s.processes.values()], flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(is_alive(pid) for pid in pids)
        parent.kill()
        until(lambda: not any(is_alive(pid) for pid in pids), "the orphans to end")


def test_a_killed_reaper_is_replaced_and_still_minds_the_older_processes(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from tests.integration.test_stack import *\n"
        f"s = Supervisor([spec(Path({str(tmp_path)!r}), 'one', SLEEPER)]); s.start()\n"
        "first = s._reaper.process; first.kill()\n"
        "while s._reaper.process is first: time.sleep(0.01)\n"
        "print(s.processes['one'].pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
        until(lambda: not is_alive(pid), "the orphan to end")


# ------------------------------------------------------------------------------------------------- the whole stack


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[LocalStack]:
    with LocalStack(tmp_path / "data", base_port=0, redis_port=0) as made:
        made.wait_ready()
        yield made


def test_every_service_gets_ready_and_comes_back_after_kill_9_and_so_does_valkey(desk: LocalStack) -> None:
    assert set(desk.processes) == {
        "valkey", "signals", "orders", "engine", "positions", "analytics",
    }  # fmt: skip
    with redis.Redis.from_url(desk.redis_url) as client:
        client.set("kept", "1")
        for name, each in desk.processes.items():  # Valkey first: that ends the others as well
            before = each.restarts
            each.kill()
            until(lambda each=each, n=before: each.restarts > n, f"{name} to be started again")  # type: ignore[misc]
            desk.wait_ready()
        assert client.get("kept") == b"1"  # the log is on disk before a write is acknowledged
        assert client.config_get("append*")["appendfsync"] == "always"


def test_the_data_directory_says_where_the_desk_listens_and_refuses_a_second_one(desk: LocalStack) -> None:
    told = running_stack(desk.data_dir)
    assert told is not None
    assert told["redis_url"] == desk.redis_url
    assert told["services"]["analytics"] == desk.url("analytics")
    with pytest.raises(StackError, match=rf"is in use by process {os.getpid()}, on redis://127.0.0.1"):
        LocalStack(desk.data_dir, base_port=0, redis_port=0).start()
    desk.stop()
    assert running_stack(desk.data_dir) is None
    assert all(each.pid is None for each in desk.processes.values())


def test_a_valkey_that_a_killed_stack_left_is_ended_before_another_opens_its_log(tmp_path: Path) -> None:
    first = LocalStack(tmp_path / "data", base_port=0, redis_port=0)
    (tmp_path / "data" / "valkey").mkdir(parents=True)
    command = first.processes["valkey"].spec.command
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as orphan:
        with redis.Redis.from_url(first.redis_url) as client:
            until(lambda: _pings(client), "the orphan to answer")
            client.set("kept", "1")
        with LocalStack(tmp_path / "data", base_port=0, redis_port=0) as second:
            assert orphan.wait(timeout=60) == 0
            with redis.Redis.from_url(second.redis_url) as client:
                until(lambda: _pings(client), "the new Valkey to answer")
                assert client.get("kept") == b"1"


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.RedisError:
        return False


def test_a_port_in_use_is_refused_by_number(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not port_is_free(port)
        began = time.monotonic()
        with pytest.raises(StackError, match=f"port {port} on 127.0.0.1 is in use"):
            LocalStack(tmp_path, base_port=0, redis_port=port).start()
        assert time.monotonic() - began < READY_S / 2, "it does not wait for what cannot come"


def test_a_given_server_that_does_not_answer_is_refused_without_its_password(tmp_path: Path) -> None:
    url = f"redis://:s3cret@127.0.0.1:{free_port()}/0"
    with pytest.raises(StackError, match="does not answer") as refused:
        LocalStack(tmp_path, base_port=0, redis_url=url).start()
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:s3cret@host/1", "redis://user:***@host/1"),
        ("rediss://:s3cr%40et@[::1]:7000/1", "rediss://:***@[::1]:7000/1"),
        ("redis://host/0?password=s3cret&db=1", "redis://host/0?password=***&db=1"),
        ("unix://:s3cret@/run/redis.sock?db=1", "unix://:***@/run/redis.sock?db=1"),
        ("redis://host:6379/0", "redis://host:6379/0"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert safe_url(url) == shown


def test_what_a_stack_writes_down_is_its_owners_alone(tmp_path: Path) -> None:
    with LocalStack(tmp_path / "data", base_port=0, redis_port=0, without=SERVICES) as made:
        assert made.data_dir.stat().st_mode & 0o777 == 0o700
        assert (made.data_dir / "stack.json").stat().st_mode & 0o777 == 0o600


def test_a_data_directory_in_use_is_refused_without_the_password_of_its_server(tmp_path: Path, redis_url: str) -> None:
    url = f"{redis_url.rstrip('/')}/0?password=s3cret"
    with redis.Redis.from_url(redis_url) as client:
        client.acl_setuser("default", enabled=True, passwords="+s3cret", keys="*", channels="*", commands=["+@all"])
        try:
            with LocalStack(tmp_path, base_port=0, redis_url=url, without=SERVICES):
                with pytest.raises(StackError, match="is in use by process") as refused:
                    LocalStack(tmp_path, base_port=0, redis_port=0).start()
                assert "s3cret" not in str(refused.value)
        finally:
            client.acl_setuser("default", enabled=True, nopass=True, keys="*", channels="*", commands=["+@all"])


def test_a_long_data_directory_gets_a_socket_path_the_kernel_takes(tmp_path: Path) -> None:
    long = LocalStack(tmp_path / ("x" * 200), base_port=0, redis_port=0)
    assert len(str(long.socket)) <= stack.MAX_SOCKET_PATH
    assert long.socket != LocalStack(tmp_path / ("y" * 200), base_port=0, redis_port=0).socket


def test_a_service_that_needs_a_person_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    environ = {"FILLSTREAM_SERVICE__HOST": "not a host"}
    with (
        LocalStack(tmp_path, base_port=0, redis_port=0, environ=environ) as refused,
        pytest.raises(StackError, match=r"(?s)\w+ is not ready \(failed, ended with exit code 78.*service\.host"),
    ):
        refused.wait_ready()


def test_more_partitions_are_more_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_MESSAGING__ACCOUNT_PARTITIONS", "2")
    made = LocalStack(tmp_path, base_port=18004, redis_port=0)
    assert [name for name in made.processes if name != "valkey"] == [
        "signals", "orders", "engine", "positions", "analytics", "orders-1", "positions-1",
    ]  # fmt: skip
    assert made.url("analytics") == "http://127.0.0.1:18008"
    assert made.url("orders-1") == "http://127.0.0.1:18009"
    assert made.processes["orders-1"].spec.environ["FILLSTREAM_PARTITION"] == "1"


def test_stopping_is_clean_for_a_stack_that_a_terminal_interrupts(tmp_path: Path) -> None:
    with LocalStack(tmp_path, base_port=0, redis_port=0) as made:
        made.wait_ready()
        pids = [each.pid for each in made.processes.values()]
        assert all(pid is not None for pid in pids)
        for pid in pids:
            assert os.getpgid(pid or 0) != os.getpgid(0), "Ctrl-C reaches the supervisor alone"
    assert not any(is_alive(pid or 0) for pid in pids)
    for name, each in made.processes.items():
        assert each.stopped_cleanly, f"{name}: {each.reason}\n{each.log_tail(20)}"
