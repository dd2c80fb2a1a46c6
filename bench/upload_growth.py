"""Measure whether an upload of ten readings costs the same whatever drive it belongs to.

    python -m bench.upload_growth [--rounds 7] [--against FOLDER]

Drives of several shapes are uploaded first: short ones, eight hours at 10 Hz, 1,000 blocks of one reading each, a clock
that jumps, 20,000 blocks. Then twenty uploads of ten readings go to each in turn, in order (they fill a block from its
beginning) and late (into a hole of one of the first blocks), and a round is compared with the same round's uploads to a
drive that has just begun. The server is on core 0; Valkey, PostgreSQL and the client are on core 1.

`--against` names another checkout, whose server takes the same uploads in the same run. Shapes that would take it an
hour are left out. Takes about five minutes.
"""

import argparse
import http.client
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from bench.cpu import cpu_us
from bench.rows import SESSIONS_PER_USER, insert_sessions
from bench.servers import CHECKOUT, LOAD_CORE, SERVERS_CORE, Program, WebServer, bearer
from bench.stores import Stores, stores
from embedded.ports import LOOPBACK
from webapp.clock import rfc3339, utcnow
from webapp.database import db
from webapp.readings.chunks import CHUNK_SEQS

UPLOADS, READINGS = 20, 10
HOLE = range(50, 50 + UPLOADS * READINGS)
START = utcnow() - timedelta(hours=20)
BATCH = 500
Seconds = Callable[[int], float]
Batches = Iterator[list[tuple[int, float]]]


@dataclass
class Shape:
    """A drive: the batches (of seq and time in s) that make it long, and how many steps of one block it has then."""

    name: str
    batches: Callable[[], Batches]
    blocks: int
    is_slow: bool = False


def run_of(readings: int, at: Seconds) -> Callable[[], Batches]:
    """Return a drive in order of seq, with a hole in each of its first blocks, as far as they are whole."""

    def batches() -> Batches:
        seqs = [seq for seq in range(readings) if seq >= CHUNK_SEQS * 40 or seq % CHUNK_SEQS not in HOLE]
        for first in range(0, len(seqs), BATCH):
            yield [(seq, at(seq)) for seq in seqs[first : first + BATCH]]

    return batches


def one_a_block(blocks: int) -> Callable[[], Batches]:
    """Return a drive of one reading for each block, sixteen in a batch."""
    return lambda: (
        [(n * CHUNK_SEQS, n) for n in range(first, min(first + 16, blocks))] for first in range(0, blocks, 16)
    )


SHAPES = [
    Shape("a drive that has just begun", lambda: iter(()), 0),
    Shape("two blocks", run_of(2 * CHUNK_SEQS, lambda seq: seq), 2),
    Shape("8 h at 10 Hz", run_of(288_000, lambda seq: seq / 10), 1125),
    Shape("1,000 blocks, seq = i × 256", one_a_block(1000), 1000),
    Shape("8 h at 1 Hz, a clock that jumps", run_of(28_800, lambda seq: seq * 7919 % 28_800), 113),
    Shape("20,000 blocks, but for a few", one_a_block(19_980), 19_980, is_slow=True),
]


@dataclass
class Uploader:
    """One app: a driver with a drive of one shape on one server."""

    server: WebServer
    token: str
    shape: Shape
    session_id: str = ""
    costs: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, self.server.port, timeout=120)

    def begin(self) -> None:
        """Start the drive, and make it long."""
        self._connection.close()  # It may have been idle for longer than the server keeps one.
        if self.session_id:
            self._post(f"/sessions/{self.session_id}/end", {})
        self.session_id = self._post("/sessions", {"started_at": rfc3339(START)})["id"]
        for batch in self.shape.batches():
            self.upload(batch)

    def upload(self, batch: list[tuple[int, float]]) -> None:
        """Upload readings. Raises when one of them is not accepted."""
        readings = [{"seq": s, "t": rfc3339(START + timedelta(seconds=t)), "speed_mps": s % 30} for s, t in batch]
        receipt = self._post(f"/sessions/{self.session_id}/readings", {"readings": readings})
        if receipt["accepted"] != len(batch):
            sys.exit(f"{self.shape.name}: {str(receipt)[:300]}")

    def measure(self, kind: str, block: int, first: int, at: float) -> None:
        """Upload ten readings twenty times, and keep what one upload took: CPU of the server and time, in ms."""
        seqs = range(block * CHUNK_SEQS + first, block * CHUNK_SEQS + first + UPLOADS * READINGS)
        batches = [
            [(seq, at + n / 10) for n, seq in enumerate(seqs[i : i + READINGS], i)]
            for i in range(0, len(seqs), READINGS)
        ]
        self._connection.close()
        cpu, began = cpu_us(self.server.pid), time.perf_counter()
        for batch in batches:
            self.upload(batch)
        wall_ms = (time.perf_counter() - began) * 1e3
        used = (cpu_us(self.server.pid) - cpu) / 1e3 / UPLOADS, wall_ms / UPLOADS
        self.costs.setdefault(kind, []).append(used)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {**bearer(self.token), "Content-Type": "application/json"}
        self._connection.request("POST", f"/api/v1{path}", orjson.dumps(body), headers)
        answer = self._connection.getresponse()
        found: dict[str, Any] = orjson.loads(answer.read())
        if answer.status >= 300:
            sys.exit(f"{path}: {found}")
        return found


def main() -> None:
    """Run the benchmark and print its table."""
    options = arguments()
    with stores(core=LOAD_CORE) as stands:
        folders = {"ours": CHECKOUT} | ({"against": options.against} if options.against else {})
        with stands.app.app_context():
            insert_sessions(db.engine, len(folders) * len(SHAPES) * SESSIONS_PER_USER)
        servers = {name: server(stands, name, folder) for name, folder in folders.items()}
        for each in servers.values():
            each.__enter__()
        try:
            apps = {name: uploaders(stands, each, name, number) for number, (name, each) in enumerate(servers.items())}
            for round_number in range(options.rounds):
                one_round([app for of_one in apps.values() for app in of_one], round_number)
        finally:
            for each in servers.values():
                each.__exit__(None, None, None)
    for name, of_one in apps.items():
        print(table(name, of_one, apps["ours"][0]))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.upload_growth")
    parser.add_argument("--rounds", type=int, default=7, help="of twenty uploads to each drive in each way (7)")
    parser.add_argument("--against", type=Path, help="another checkout to measure beside this one")
    return parser.parse_args()


def server(stands: Stores, name: str, folder: Path) -> WebServer:
    """Return the server of a checkout on these stores."""
    environment = {**stands.environment, "RATELIMIT_READINGS_PER_ACCOUNT": "100000000/day", "LOG_LEVEL": "WARNING"}
    program = Program("gunicorn", "wsgi:app", Path(sys.executable), folder, environment)
    return WebServer(program, core=SERVERS_CORE, log=stands.folder / f"{name}.log")


def uploaders(stands: Stores, running: WebServer, name: str, number: int) -> list[Uploader]:
    """Make the drives of one server long."""
    shapes = [shape for shape in SHAPES if name == "ours" or not shape.is_slow]
    made = []
    for place, shape in enumerate(shapes):
        made.append(Uploader(running, stands.token_of(number * len(SHAPES) + place), shape))
        made[-1].begin()
        print(f"{name}: {shape.name}", file=sys.stderr, flush=True)
    return made


def one_round(apps: list[Uploader], number: int) -> None:
    """Measure every drive once in order and, where it has a first block, once late."""
    later = 40_000.0 + number * 100
    for app in apps:
        if not app.shape.blocks:
            app.begin()
        app.measure("in order", app.shape.blocks + number * bool(app.shape.blocks), 0, later)
    for app in apps:
        if app.shape.blocks == 2:
            app.begin()
        if app.shape.blocks:
            app.measure("late", number % app.shape.blocks if app.shape.blocks > 2 else 0, HOLE.start, number)


def table(name: str, apps: list[Uploader], first: Uploader) -> str:
    """Write the medians, and the medians of the ratios to a drive that has just begun in the same round."""
    lines = [
        f"\n| {name} | in order: CPU ms | ratio | time ms | late: CPU ms | ratio | time ms |",
        "|---|" + "---|" * 6,
    ]
    for app in apps:
        cells = [app.shape.name]
        for kind in ("in order", "late"):
            cells += _cells(app.costs.get(kind, []), first.costs["in order"])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(costs: list[tuple[float, float]], base: list[tuple[float, float]]) -> list[str]:
    if not costs:
        return ["–", "–", "–"]
    ratio = statistics.median(mine[0] / theirs[0] for mine, theirs in zip(costs, base, strict=True))
    cpu_ms, wall_ms = (statistics.median(each) for each in zip(*costs, strict=True))
    return [f"{cpu_ms:.2f}", f"{ratio:.2f}", f"{wall_ms:.1f}"]


if __name__ == "__main__":
    main()
