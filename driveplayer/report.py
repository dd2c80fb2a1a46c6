"""What is told about a drive that was played."""

from collections.abc import Mapping, Sequence

from driveplayer.drive import Drive, Statistics, rfc3339
from driveplayer.measurements import Performance, Read, percentile

READ_BACK_WORDS = {
    "hit": "whoever wrote it had left it there",
    "miss": "it was not there, so it came from the database",
    "bypass": "the cache is out of reach, so it came from the database",
    "unknown": "the server did not say where it came from",
}
COMPARED = (
    ("distance", "distance_m", "distance_m", "m"),
    ("maximum speed", "speed_max_mps", "speed_max_mps", "m/s"),
    ("average speed", "speed_avg_mps", "speed_avg_mps", "m/s"),
    ("moving time", "moving_s", "driving_time_s", "s"),
    ("idle time", "idle_s", "zero_speed_s", "s"),
)
"""Label, the summary's member, the statistics' member, unit."""

ROW = "  {:<14} {:>14} {:>14} {:>11}"


def heading(drive: Drive) -> list[str]:
    """Say what is going to be played."""
    duration_s = (drive.ended_ms - drive.started_ms) / 1000
    lines = [f"{drive.name}: {_duration(duration_s)} from {rfc3339(drive.started_ms)}, {len(drive.readings)} readings"]
    if drive.is_synthetic:
        lines.append("No recordings are at hand: this drive is synthetic, made up by this program.")
    return lines


def lines(performance: Performance) -> list[str]:
    """Return the report, without a verdict."""
    return [*_exchange(performance), "", *_summary(performance)]


def _exchange(performance: Performance) -> list[str]:
    uploads, reads = performance.uploads, performance.reads
    accepted, duplicates, rejected = (
        sum(getattr(upload, name) for upload in uploads) for name in ("accepted", "duplicates", "rejected")
    )
    told = [f"Session {performance.session['id']}: {performance.session['status']}, {_pace(performance)}"]
    told.append(f"  uploads    {len(uploads)}, {_latency([upload.latency_s for upload in uploads])}")
    told.append(f"             {accepted} readings accepted, {duplicates} duplicates, {rejected} rejected")
    told.append(f"  reads      {len(reads)}, {_latency([read.latency_s for read in reads])}")
    told.append(f"             {_sources(performance)}; {sum(r.status == 304 for r in reads)} answered 304")
    for source in ("hit", "miss", "bypass"):
        latencies = [read.latency_s for read in reads if read.source == source]
        if latencies:
            told.append(f"             {source + ':':<8}{_latency(latencies)}")
    if performance.retries:
        told.append(f"  retries    {performance.retries}, because the server did not answer or asked for patience")
    if performance.read_back:
        told.append(_read_back(performance.read_back))
    return told


def _sources(performance: Performance) -> str:
    counts = [f"{performance.count('hit')} hits", f"{performance.count('miss')} misses"]
    counts.append(f"{performance.count('bypass')} bypasses")
    if performance.count("unknown"):
        counts.append(f"{performance.count('unknown')} without Cache-Status")
    return ", ".join(counts)


def _read_back(read: Read) -> str:
    return f"  read back  {read.source} in {read.latency_s * 1000:.1f} ms: {READ_BACK_WORDS[read.source]}"


def _pace(performance: Performance) -> str:
    if performance.is_interrupted:
        return "interrupted"
    duration_s = (performance.drive.ended_ms - performance.drive.started_ms) / 1000
    return f"played in {performance.took_s:.1f} s, {duration_s / max(performance.took_s, 0.001):,.0f} times real time"


def _summary(performance: Performance) -> list[str]:
    summary, statistics = performance.session["summary"], performance.drive.statistics
    harsh = f"{summary['harsh_brakes']} harsh brakes, {summary['harsh_accelerations']} harsh accelerations"
    told = [f"  {harsh}, {_duration(summary['duration_s'])} in all"]
    if performance.is_interrupted:
        told.append("  Interrupted, so not compared with the statistics of the whole drive.")
    elif statistics is None:
        told.append("  Nobody else has made statistics of this drive, so there is nothing to compare with.")
    else:
        return [*_comparison(summary, statistics), *told, *_notes(performance.drive)]
    rows = [ROW.format(label, _quantity(summary[member], unit), "", "") for label, member, _, unit in COMPARED]
    return ["  Summary", *(row.rstrip() for row in rows), *told]


def _comparison(summary: Mapping[str, float | None], statistics: Statistics) -> list[str]:
    told = [ROW.format("Summary", "server", statistics.source, "difference")]
    for label, member, theirs, unit in COMPARED:
        value, expected, mark = summary[member], getattr(statistics, theirs), " *" if unit == "s" else ""
        if value is None or not expected:
            difference = ""
        elif member == "idle_s":
            # A percentage of next to nothing tells nothing.
            difference = f"{value - expected:+z.1f} s"
        else:
            difference = f"{(value - expected) / expected:+z.3%}"
        told.append(ROW.format(label + mark, _quantity(value, unit), _quantity(expected, unit), difference).rstrip())
    return told


def _quantity(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:,.{3 if unit == 'm/s' else 1}f} {unit}"


def _notes(drive: Drive) -> list[str]:
    """Say what the times mean, which the server and NREL count differently."""
    moving_s, standing_s = drive.unrecorded_s
    return [
        "  * On the right are recorded seconds with speed (driving time) and without it (zero-speed time). The server",
        "    lets a reading's state hold until the next one, over silences of up to 5 minutes, but not beyond the last",
        f"    one. So it is expected to have {moving_s:+g} s of moving and {standing_s:+g} s of idling here.",
    ]


def _latency(latencies_s: Sequence[float]) -> str:
    if not latencies_s:
        return "no latencies"
    p50, p99 = (percentile(latencies_s, percent) * 1000 for percent in (50, 99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min {rest:02} s" if hours else f"{minutes} min {rest:02} s"
