"""The CPU time of running processes, in µs, as /proc/<pid>/stat tells it."""

import psutil  # type: ignore[import-untyped]


def cpu_us(pid: int) -> float:
    """Return what a process and its children have used so far, children that have ended included.

    The kernel counts in ticks of 10 ms: measure over a second or more.
    """
    process = psutil.Process(pid)
    return 1e6 * sum(_seconds(each) for each in (process, *process.children(recursive=True)))


def memory_mib(pid: int) -> list[float]:
    """Return the unshared memory (USS) of each child of a process, in MiB: what one more of them would cost."""
    return [child.memory_full_info().uss / 2**20 for child in psutil.Process(pid).children()]


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # It ended just now; its parent's account has it.
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
