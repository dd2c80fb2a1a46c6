"""The CPU time of running processes, in µs, from the clock that Linux keeps for each (clock_getcpuclockid(3))."""

import time

import psutil  # type: ignore[import-untyped]


def cpu_us(pid: int) -> float:
    """Return what a process and its children have used so far, children that have ended included.

    Exact to the nanosecond for those that run; of children that have ended the kernel tells ticks of 10 ms.
    """
    process = psutil.Process(pid)
    return 1e6 * sum(_seconds(each) for each in (process, *process.children(recursive=True)))


def memory_mib(pid: int) -> list[float]:
    """Return the unshared memory (USS) of each child of a process, in MiB: what one more of them would cost."""
    return [child.memory_full_info().uss / 2**20 for child in psutil.Process(pid).children()]


def _seconds(process: psutil.Process) -> float:
    try:
        ended = process.cpu_times()
        return time.clock_gettime(_clock_of(process.pid)) + float(ended.children_user + ended.children_system)
    except (psutil.NoSuchProcess, OSError):  # It ended just now; its parent's account has it.
        return 0.0


def _clock_of(pid: int) -> int:
    """Return the id of the clock of a process: its number's complement, and CPUCLOCK_SCHED in the lowest three bits."""
    return (~pid << 3) | 2
