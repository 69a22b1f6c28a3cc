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
        self._packages = sorted(root.glob("intel-rapl:[0-9]")) + sorted(root.glob("intel-rapl:[0-9][0-9]"))
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
            used += now - before if now >= before else now - before + int((package / WRAPS_AT).read_text())
        return used / 1e6

    def _counters(self) -> list[int] | None:
        try:
            found = [int((package / "energy_uj").read_text()) for package in self._packages]
        except (OSError, ValueError):
            return None
        return found or None
