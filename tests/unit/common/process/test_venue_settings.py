"""Which venues a configuration has, who goes where, and the sentence for a venue that is not there."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fillstream.libs.common.process.settings import DEFAULT_PATH, SettingsError, load_settings
from fillstream.libs.common.process.settings.model import AccountLimits
from fillstream.services.order_service.app import desk_config
from fillstream.stack.stack import LocalStack
from fillstream.tools.registry import all_stages

ONE = next(line for line in DEFAULT_PATH.with_name("local.yaml").read_text().splitlines(True) if "    SIM: " in line)
TWO = "    SIM2: {taker_fee_bps: 2.5}\n    SIM:\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a copy of config/, where SIM2 is a venue as well."""
    made = tmp_path / "config"
    made.mkdir()
    for each in DEFAULT_PATH.parent.glob("*.yaml"):
        (made / each.name).write_text(each.read_text())
    monkeypatch.chdir(tmp_path)
    edit(made / "local.yaml", ONE, TWO)
    return made


def edit(file: Path, old: str, new: str) -> int:
    """Replace `old` once and return the line it stood on."""
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    file.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings(folder / "local.yaml").require_supported()
    return refused.value.problems


def test_a_desk_has_sim_alone_unless_it_says_otherwise() -> None:
    settings = load_settings()
    assert (settings.execution.venue, settings.topology().venues) == ("SIM", ("SIM",))
    assert "venue" not in AccountLimits.model_fields, "where orders go is no limit with a default for all"


def test_the_venues_reach_the_inbox_and_the_map_sim_first(folder: Path) -> None:
    edit(folder / "instruments.yaml", "MSFT:\n", "MSFT:\n  venue: SIM2\n")
    edit(folder / "accounts.yaml", "demo: ", "demo: \n  venue: SIM2\n#")
    settings = load_settings(folder / "local.yaml")
    settings.require_supported()
    assert settings.topology().venues == ("SIM", "SIM2")
    config = desk_config(settings)
    assert config.venues["SIM2"].taker_fee_bps == Decimal("2.5")
    assert config.venues["SIM"].taker_fee_bps is None
    assert (config.instruments["MSFT"].venue, config.accounts["demo"].venue) == ("SIM2", "SIM2")
    assert [stage.inbox for stage in all_stages(settings) if stage.name == "engine"] == [
        "commands.SIM.0",
        "commands.SIM2.0",
    ]


def test_a_local_stack_has_an_engine_for_each_behind_the_ports_that_it_always_had(folder: Path, tmp_path: Path) -> None:
    one = LocalStack(tmp_path / "one", base_port=20_000, redis_port=19_999)
    two = LocalStack(tmp_path / "two", base_port=20_000, redis_port=19_999, config=folder / "local.yaml")
    ports = {name: each.spec.port for name, each in two.processes.items() if each.spec.port}
    assert ports == {n: e.spec.port for n, e in one.processes.items() if e.spec.port} | {
        "engine-SIM2": 20_000 + len(ports) - 1
    }
    assert two.processes["engine-SIM2"].spec.environ["FILLSTREAM_VENUE"] == "SIM2"


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        (
            "instruments.yaml",
            "MSFT:\n",
            "MSFT:\n  venue: SIM3\n",
            "MSFT.venue: SIM3 must be one of execution.venues, SIM2, SIM",
        ),
        (
            "accounts.yaml",
            "demo: ",
            "demo: \n  venue: X\n#",
            "demo.venue: X must be one of execution.venues, SIM2, SIM",
        ),
        (
            "local.yaml",
            "  venue: SIM ",
            "\n  venue: SIM3 ",
            "execution.venue: SIM3 must be one of execution.venues, SIM2, SIM",
        ),
        ("local.yaml", TWO, "\n    sim2: {}\n", "execution.venues.sim2: 'sim2' must match"),
        ("local.yaml", TWO, "\n    SIM: {fee: 1}\n", "execution.venues.SIM.fee: unknown key"),
        (
            "local.yaml",
            TWO,
            "\n    SIM: {expires: false}\n",
            "execution.venues.SIM.expires: must be true of a simulated venue, its engine expires orders by itself",
        ),
        (
            "local.yaml",
            TWO,
            "\n    SIM: {order_types: [LIMIT]}\n",
            "execution.venues.SIM.order_types: a list must have MARKET: what the desk emulates goes as",
        ),
        (
            "local.yaml",
            TWO,
            "\n    SIM: {times_in_force: 'GTC,IOC,GOOD'}\n",
            "execution.venues.SIM.times_in_force: 'GTC,IOC,GOOD' in which GOOD must be one of AT_THE_CLOSE",
        ),
    ],
)
def test_a_venue_that_makes_no_sense_is_refused_where_it_stands(
    folder: Path, file: str, old: str, new: str, sentence: str
) -> None:
    line = edit(folder / file, old, new) + 1
    assert [each for each in problems_of(folder) if each.startswith(f"config/{file}:{line}: {sentence}")]


def test_what_a_venue_has_reaches_the_orders_stage(folder: Path) -> None:
    edit(
        folder / "local.yaml",
        TWO,
        "\n    SIM: {order_types: [MARKET, LIMIT], times_in_force: 'GTC,IOC', icebergs: false}\n",
    )
    venue = desk_config(load_settings(folder / "local.yaml")).venues["SIM"]
    assert (venue.order_types, venue.times_in_force, venue.icebergs) == (("LIMIT", "MARKET"), ("GTC", "IOC"), False)


def test_a_venue_that_is_no_simulated_one_is_not_built(folder: Path) -> None:
    edit(folder / "local.yaml", TWO, "    SIM: {}\n    NYSE: {simulated: false, expires: true}\n")
    assert problems_of(folder) == [
        "execution.venues.NYSE.simulated: false is not built into this version; available: true"
    ]


@pytest.mark.parametrize(
    ("aliases", "accounts", "sentence"),
    [
        ("aliases: {main: main@paper}", "", "aliases.main: main@paper must be an account"),
        ("aliases: {default: default}", "", "aliases.default: default is an account; an alias is a name of its own"),
        ("", "x@live: {id: 77, venue: SIM, mode: LIVE}", "x@live.mode: LIVE contradicts its venue, SIM is simulated"),
        ("", "x@live: {id: 77, mode: MAYBE}", "x@live.mode: 'MAYBE' must be"),
    ],
)
def test_aliases_and_modes_that_contradict_are_refused_at_start(
    folder: Path, aliases: str, accounts: str, sentence: str
) -> None:
    for name, more in (("local.yaml", aliases), ("accounts.yaml", accounts)):
        file = folder / name
        file.write_text(f"{file.read_text()}\n{more}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(folder / "local.yaml")
    assert any(sentence in problem for problem in caught.value.problems), caught.value.problems


def test_an_alias_and_its_accounts_reach_the_orders_stage(folder: Path) -> None:
    local, accounts = folder / "local.yaml", folder / "accounts.yaml"
    local.write_text(f"{local.read_text()}\naliases: {{main: main@paper}}\n")
    accounts.write_text(f"{accounts.read_text()}\nmain@paper: {{id: 77, mode: PAPER}}\n")
    config = desk_config(load_settings(local))
    assert config.aliases == {"main": "main@paper"}
    assert config.accounts["main@paper"].mode == "PAPER"


@pytest.mark.parametrize(
    ("routing", "sentence"),
    [
        ("{default: BEST_PRICE, rules: [{policy: SWEEP, venues: [SIM, X]}]}", "rules.0.venues: X must be one of the"),
        ("{rules: [{policy: SWEEP, accounts: [nobody]}]}", "rules.0.accounts: nobody must be an account of accounts.y"),
        ("{rules: [{policy: SWEEP, symbols: [NONE]}]}", "rules.0.symbols: NONE must be one of instruments.yaml"),
        ("{default: {policy: SWEEP, exclude: [SIM, SIM2]}}", "default.exclude: leaves no venue"),
    ],
)
def test_routing_that_names_what_there_is_not_is_refused_at_start(folder: Path, routing: str, sentence: str) -> None:
    local = folder / "local.yaml"
    local.write_text(f"{local.read_text()}\nrouting: {routing}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(local)
    assert any(f"routing.{sentence}" in problem for problem in caught.value.problems), caught.value.problems


def test_an_unknown_policy_is_refused_when_a_desk_is_made_of_the_settings(folder: Path) -> None:
    local = folder / "local.yaml"
    local.write_text(f"{local.read_text()}\nrouting:\n  default: CHEAPEST\n")
    with pytest.raises(SettingsError, match=r"routing\.default\.policy: CHEAPEST must be one of NAMED, BEST_PRICE"):
        desk_config(load_settings(local))


def test_routing_reaches_the_orders_stage(folder: Path) -> None:
    local = folder / "local.yaml"
    rule = (
        'rules: [{policy: SPRAY, min_quantity: 0.5, from_time: "08:00", until_time: "16:30", parameters: {by: EQUAL}}]'
    )
    local.write_text(f"{local.read_text()}\nrouting:\n  default: BEST_PRICE\n  {rule}\n")
    config = desk_config(load_settings(local))
    assert config.routing.default is not None and config.routing.default.policy == "BEST_PRICE"
    assert config.routing.rules[0].at(16 * 60 + 29) and not config.routing.rules[0].at(16 * 60 + 30)
