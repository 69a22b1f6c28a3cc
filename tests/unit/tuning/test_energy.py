from pathlib import Path

import pytest

from w2s_trainer.tuning.energy import EnergyMeter


class Powercap:
    """The kernel's counters, as files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def zone(self, name: str, kind: str, energy: int | str, most: int | str = 1000_000_000) -> None:
        place = self.root / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "name").write_text(f"{kind}\n")
        (place / "energy_uj").write_text(f"{energy}\n")
        (place / "max_energy_range_uj").write_text(f"{most}\n")


@pytest.fixture
def powercap(tmp_path):
    return Powercap(tmp_path / "powercap")


def test_packages_are_added_up(powercap):
    powercap.zone("intel-rapl:0", "package-0", 5_000_000)
    powercap.zone("intel-rapl:1", "package-1", 0)
    meter = EnergyMeter(powercap.root)
    powercap.zone("intel-rapl:0", "package-0", 7_500_000)
    powercap.zone("intel-rapl:1", "package-1", 1_000_000)
    assert meter.joules() == 3.5


def test_parts_of_a_package_and_the_whole_platform_are_not_counted_again(powercap):
    zones = {
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "core",
        "intel-rapl:0:1": "dram",
        "intel-rapl:1": "psys",
        "intel-rapl-mmio:0": "package-0",
    }
    for name, kind in zones.items():
        powercap.zone(name, kind, 0)
    meter = EnergyMeter(powercap.root)
    for name, kind in zones.items():
        powercap.zone(name, kind, 2_000_000)
    assert meter.joules() == 2


def test_a_counter_that_wraps(powercap):
    powercap.zone("intel-rapl:0", "package-0", 90_000_000, most=100_000_000)
    meter = EnergyMeter(powercap.root)
    powercap.zone("intel-rapl:0", "package-0", 5_000_000, most=100_000_000)
    assert meter.joules() == 15


def test_none_where_the_kernel_has_none(tmp_path):
    assert EnergyMeter(tmp_path / "nowhere").joules() is None


@pytest.mark.parametrize("file", ["energy_uj", "name"])
def test_none_where_it_may_not_be_known(powercap, file):
    powercap.zone("intel-rapl:0", "package-0", 1)
    place = powercap.root / "intel-rapl:0" / file
    place.unlink()
    place.mkdir()  # reading fails, for root too
    assert EnergyMeter(powercap.root).joules() is None


def test_none_where_one_of_two_packages_is_unknown(powercap):
    powercap.zone("intel-rapl:0", "package-0", 1)
    powercap.zone("intel-rapl:1", "package-1", "soon")
    assert EnergyMeter(powercap.root).joules() is None


def test_none_where_it_becomes_unknown(powercap):
    powercap.zone("intel-rapl:0", "package-0", 1)
    meter = EnergyMeter(powercap.root)
    (powercap.root / "intel-rapl:0" / "energy_uj").unlink()
    assert meter.joules() is None


def test_none_where_it_wrapped_at_nobody_knows_what(powercap):
    powercap.zone("intel-rapl:0", "package-0", 9, most="unknown")
    meter = EnergyMeter(powercap.root)
    powercap.zone("intel-rapl:0", "package-0", 5, most="unknown")
    assert meter.joules() is None
