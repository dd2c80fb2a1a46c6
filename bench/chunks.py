"""Measure readings stored in chunks against readings stored as rows: bytes, upload, decoding.

    python -m bench.chunks

Prints the tables of docs/decisions/0002-readings-in-chunks.md, in half a minute. Sizes are of the real drives (see
testbed/drives.py), once as they are (seq, t, speed) and once with every other field of the contract filled with
plausible noise from a fixed seed; in SQLite in memory, vacuumed, and in a PostgreSQL that is started for it. Times are
medians of the work of this process, without any database.
"""

import functools
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid5

import orjson
import psycopg

from embedded.postgres import Postgres
from testbed import drives
from webapp.readings.chunks import CHUNK_SEQS, Reading, block_of, decode, encode
from webapp.readings.partials import appended, partial

Drive = tuple[UUID, list[Reading]]
Row = tuple[Any, ...]
NAMESPACE = UUID(int=0)
FIELDS = {
    "lat": "double precision",
    "lon": "double precision",
    "accuracy_m": "double precision",
    "speed_mps": "double precision",
    "heading_deg": "double precision",
    "accel_long_mps2": "double precision",
    "accel_lat_mps2": "double precision",
    "perclos": "double precision",
    "fatigue_score": "double precision",
    "eyes_closed": "boolean",
    "blink_rate_pm": "double precision",
    "hr_bpm": "double precision",
}
KEY = "session_id uuid NOT NULL"
LAYOUTS = {
    "a row per reading": (
        f"CREATE TEMP TABLE rows ({KEY}, seq bigint NOT NULL, t bigint NOT NULL, "
        + ", ".join(f"{name} {kind}" for name, kind in FIELDS.items())
        + ", PRIMARY KEY (session_id, seq))"
    ),
    "a row per reading, JSON column": (
        f"CREATE TEMP TABLE documents ({KEY}, seq bigint NOT NULL, t bigint NOT NULL, measured json NOT NULL, "
        "PRIMARY KEY (session_id, seq))"
    ),
    "a row per chunk": (
        f"CREATE TEMP TABLE chunks ({KEY}, block integer NOT NULL, readings bytea NOT NULL, partial json NOT NULL, "
        "PRIMARY KEY (session_id, block))"
    ),
}


def main() -> None:
    bare = [(uuid5(NAMESPACE, path.stem), drives.load(path)) for path in drives.paths()]
    if not bare:
        sys.exit(f"no drives in {drives.folder()}; set DRIVES_DIR")
    full = [(session_id, with_all_fields(readings)) for session_id, readings in bare]
    with Postgres() as server:
        for title, recorded in (("seq, t, speed", bare), ("all fields", full)):
            sizes(title, recorded, server.url.replace("+psycopg", ""))
    for title, recorded in (("seq, t, speed", bare), ("all fields", full)):
        times(title, max((readings for _, readings in recorded), key=len)[:14_400])


def sizes(title: str, recorded: list[Drive], url: str) -> None:
    count = sum(len(readings) for _, readings in recorded)
    print(f"\nBytes per reading, keys and indexes included; {count:,} readings: {title}")
    for layout, ddl in LAYOUTS.items():
        rows = list(table_rows(layout, recorded))
        sqlite, postgresql = sqlite_bytes(ddl, rows) / count, postgresql_bytes(url, ddl, rows) / count
        print(f"  {layout:32} SQLite {sqlite:6.1f}   PostgreSQL {postgresql:6.1f}")


def table_rows(layout: str, recorded: list[Drive]) -> Iterator[Row]:
    for session_id, readings in recorded:
        if layout == "a row per chunk":
            for block, chunk in blocks(readings).items():
                yield session_id, block, encode(chunk), orjson.dumps(partial(chunk.values())).decode()
        for reading in readings if layout != "a row per chunk" else ():
            measured = {name: reading.get(name) for name in FIELDS}
            if layout == "a row per reading":
                yield session_id, reading["seq"], reading["t"], *measured.values()
            else:
                present = {name: value for name, value in measured.items() if value is not None}
                yield session_id, reading["seq"], reading["t"], orjson.dumps(present).decode()


def sqlite_bytes(ddl: str, rows: list[Row]) -> int:
    # 16 bytes for a key is kind to the rows: SQLAlchemy's Uuid type takes 32 characters in SQLite.
    connection = sqlite3.connect(":memory:")
    connection.execute(ddl.replace("TEMP ", ""))
    table = ddl.split()[3]
    marks = ", ".join("?" * len(rows[0]))
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", ((row[0].bytes, *row[1:]) for row in rows))
    connection.commit()
    connection.execute("VACUUM")
    pages, page_bytes = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    connection.close()
    return int(pages * page_bytes)


def postgresql_bytes(url: str, ddl: str, rows: list[Row]) -> int:
    table = ddl.split()[3]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(ddl)
        with cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        size = cursor.execute("SELECT pg_total_relation_size(%s::regclass)", (table,)).fetchone()
        connection.rollback()
    return int(size[0]) if size else 0


def times(title: str, drive: list[Reading]) -> None:
    stored = {block: encode(chunk) for block, chunk in blocks(drive).items()}
    partials = [partial(decode(blob).values()) for blob in stored.values()]
    print(f"\nMedian times; a drive of {len(drive):,} readings in {len(stored)} chunks: {title}")
    for known in (118, 246):
        blob = encode({row["seq"]: row for row in drive[:known]})
        batch = {row["seq"]: row for row in drive[known : known + 10]}
        print(f"  10 readings into a chunk of {known:3}: {median_us(functools.partial(upload, blob, batch)):9,.0f} µs")
    full = decode(stored[0])
    print(f"    of which decode, full chunk:   {median_us(lambda: decode(stored[0])):9,.0f} µs")
    print(f"             encode, full chunk:   {median_us(lambda: encode(full)):9,.0f} µs")
    print(f"             partial, full chunk:  {median_us(lambda: partial(full.values())):9,.0f} µs")
    print(f"             10 readings appended: {median_us(lambda: appended(partials[0], drive[-10:])):9,.0f} µs")
    whole_ms = median_us(lambda: [decode(blob) for blob in stored.values()], repeat=11) / 1000
    print(f"  decode the whole drive:          {whole_ms:9,.1f} ms")
    print(f"  stored: {sum(map(len, stored.values())):,} bytes, partials {len(orjson.dumps(partials)):,} bytes")


def upload(blob: bytes, batch: dict[int, Reading]) -> tuple[bytes, bytes]:
    readings = batch | decode(blob)
    return encode(readings), orjson.dumps(partial(readings.values()))


def blocks(readings: list[Reading]) -> dict[int, dict[int, Reading]]:
    found: dict[int, dict[int, Reading]] = {}
    for reading in readings:
        found.setdefault(block_of(reading["seq"]), {})[reading["seq"]] = reading
    return found


def with_all_fields(readings: list[Reading]) -> list[Reading]:
    noise = random.Random(CHUNK_SEQS)
    lat, lon, filled = 41.88, -87.63, []
    for reading in readings:
        lat, lon = lat + noise.gauss(0, 1e-4), lon + noise.gauss(0, 1e-4)
        filled.append(
            reading
            | {"t": reading["t"] + noise.randrange(-30, 30), "lat": round(lat, 7), "lon": round(lon, 7)}
            | {"accuracy_m": round(noise.uniform(3, 12), 1), "heading_deg": round(noise.uniform(0, 360), 1)}
            | {name: round(noise.gauss(0, 1), 3) for name in ("accel_long_mps2", "accel_lat_mps2")}
            | {"perclos": round(noise.uniform(0, 0.3), 3), "fatigue_score": round(noise.uniform(0, 60), 1)}
            | {"eyes_closed": noise.random() < 0.1, "blink_rate_pm": round(noise.uniform(8, 25), 1)}
            | {"speed_mps": round(reading["speed_mps"], 2), "hr_bpm": noise.randrange(60, 90)}
        )
    return filled


def median_us(work: Callable[[], object], repeat: int = 201) -> float:
    spans = []
    for _ in range(repeat):
        start = time.perf_counter_ns()
        work()
        spans.append(time.perf_counter_ns() - start)
    return statistics.median(spans) / 1000


if __name__ == "__main__":
    main()
