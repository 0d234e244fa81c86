"""Memory of a process and its children, as Linux counts it: resident megabytes, now and at the highest."""

import os
from pathlib import Path

PROC = Path("/proc")
MEGABYTE = 1 << 20


def resident(pid: int) -> float:
    """Megabytes of the process and all its children now."""
    return sum(_status(one, "VmRSS") for one in family(pid))


def peak(pid: int) -> float:
    """The sum of their highest megabytes since they started, or since `forget_peak`."""
    return sum(_status(one, "VmHWM") for one in family(pid))


def forget_peak(pid: int) -> None:
    """Let `peak` start from what they have now."""
    for one in family(pid):
        (PROC / str(one) / "clear_refs").write_text("5")


def cpu_seconds(pid: int) -> float:
    """Processor time of the process and all its children so far, those that have ended included."""
    ticks = 0
    for one in family(pid):
        try:
            fields = (PROC / str(one) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # Its own, and that of the children it has waited for, for user and system.
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and all its children."""
    found = [pid]
    for one in found:
        for task in (PROC / str(one) / "task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def _status(pid: int, name: str) -> float:
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0.0
    values = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(values[0]) * 1024 / MEGABYTE if values else 0.0
