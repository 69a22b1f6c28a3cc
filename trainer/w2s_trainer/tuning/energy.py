"""What the machine's processors have used, where it counts that: Intel and AMD do, through RAPL."""

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
WRAPS_AT = "max_energy_range_uj"


class EnergyMeter:
    """Joules that all processor packages of the machine use, whoever makes them work.

    Args:
        root: where the kernel shows its counters.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self._packages = [zone for zone in sorted(root.glob("intel-rapl:*")) if _is_package(zone)]
        self._before = self._counters()

    def joules(self) -> float | None:
        """Since it was made; None where the machine does not say or this process may not know.

        A counter wraps after some hours at full power; one wrap is seen, more are not.
        """
        after = self._counters()
        if self._before is None or after is None:
            return None
        used = 0
        for package, before, now in zip(self._packages, self._before, after, strict=True):
            range_ = _number(package / WRAPS_AT) if now < before else 0
            if range_ is None:
                return None
            used += now - before + range_
        return used / 1e6

    def _counters(self) -> list[int] | None:
        counters = [_number(package / "energy_uj") for package in self._packages]
        known = [counter for counter in counters if counter is not None]
        return known if known and len(known) == len(counters) else None


def _is_package(zone: Path) -> bool:
    """Whether a zone is a processor package: its parts and the whole platform are counted beside packages."""
    try:
        return (zone / "name").read_text().startswith("package")
    except OSError:
        return False


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
