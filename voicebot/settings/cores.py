"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def cores(cgroups: Path = CGROUPS) -> int:
    """Returns the number of cores that this process may use, at least 1.

    A container with a quota (`docker run --cpus 2`) sees all cores of its machine, but may not use them.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroups)
    return max(1, usable if quota is None else min(usable, int(quota)))


def _quota(cgroups: Path) -> float | None:
    """Returns the quota of this process's control group in cores, of version 2 or 1; None if there is none."""
    try:
        quota, period = (cgroups / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        try:
            quota = (cgroups / "cpu" / "cpu.cfs_quota_us").read_text("ascii").strip()
            period = (cgroups / "cpu" / "cpu.cfs_period_us").read_text("ascii").strip()
        except OSError:
            return None
    return int(quota) / int(period) if quota.isdecimal() and int(period) else None
