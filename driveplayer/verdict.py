"""What is wrong with a performance: the drive was not taken in whole, a read was stale, or the summary is off."""

from driveplayer.drive import Statistics
from driveplayer.measurements import Performance

MAX_DISTANCE_ERROR = 0.01
MAX_SPEED_ERROR_MPS = 0.01


def faults(performance: Performance) -> list[str]:
    """Return a sentence for each fault; none where all is as it should be.

    A drive that was interrupted is not compared with the statistics of the whole.
    """
    found = _reading_faults(performance) + _intake_faults(performance)
    if performance.drive.statistics is not None and not performance.is_interrupted:
        found += _summary_faults(performance.session["summary"], performance.drive.statistics)
    return found


def _reading_faults(performance: Performance) -> list[str]:
    reads = [*performance.reads, *([performance.read_back] if performance.read_back else [])]
    stale = sum(read.is_stale for read in reads)
    return [f"{stale} of {len(reads)} reads showed less than what was acknowledged before"] if stale else []


def _intake_faults(performance: Performance) -> list[str]:
    session, found = performance.session, []
    rejected = sum(upload.rejected for upload in performance.uploads)
    if rejected:
        found.append(f"{rejected} readings were rejected")
    sent, kept = len(performance.drive.readings), session["readings_count"]
    if kept != sent and not performance.is_interrupted:
        found.append(f"the session has {kept} readings of the drive's {sent}")
    if session["status"] != "completed":
        found.append(f"the session is {session['status']}, not completed")
    if session["summary"]["status"] != "final":
        found.append(f"the summary is {session['summary']['status']}, not final")
    return found


def _summary_faults(summary: dict[str, float | None], statistics: Statistics) -> list[str]:
    found = []
    distance_m, speed_max_mps = summary["distance_m"], summary["speed_max_mps"]
    if distance_m is None or abs(distance_m - statistics.distance_m) > MAX_DISTANCE_ERROR * statistics.distance_m:
        found.append(f"the distance of {distance_m} m is more than 1 % off")
    if speed_max_mps is None or abs(speed_max_mps - statistics.speed_max_mps) > MAX_SPEED_ERROR_MPS:
        found.append(f"the maximum speed of {speed_max_mps} m/s is more than 0.01 m/s off")
    return found
