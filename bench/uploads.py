"""Measure an upload of ten readings against the ways in which others take readings in, and against an earlier version.

    python -m bench.uploads [--sizes 10] [--starts 3] [--rounds 8] [--seconds 0.5] [--connections 4] [--only TEXT ...]

An upload here is authenticated (token, blocklist, user), validated and in PostgreSQL when it is answered; a reading
that is sent again is kept once; the drive's count, last seq, times, distance and speeds are kept, its version rises;
and the cached session is not older than the answer. Before anything is measured, each contender is held to that.

Every server has one process pinned to core 0; the load, Valkey and PostgreSQL are on core 1. All run at the same time,
each with a database of its own, and are asked in turn, a slice each; a round is one slice of everybody. They are
started anew a few times. Each connection uploads to drives of its own, in order, and every upload is made before the
slice begins. No worker runs: what it takes to put ours into chunks is measured by itself, and stands in its own line.
"""

import argparse
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bench.load import Load
from bench.peer_environment import python_of_peers
from bench.servers import LOAD_CORE, SERVERS_CORE, WebServer
from bench.slices import Slice, one_slice
from bench.stores import Stores, stores
from bench.upload_checks import SIZE_OF_CHECK, Check
from bench.upload_contenders import OURS, Contender, Field
from bench.upload_drives import Uploads
from bench.upload_storage import Compaction, bytes_per_reading, measure_ours
from bench.upload_table import table


@dataclass
class Entrant:
    """A contender in a run: what was uploaded to it, and what that took."""

    contender: Contender
    uploads: Uploads
    slices: list[Slice]
    known_before: int = 0


def main() -> None:
    """Run the benchmark and print a table for each size."""
    options = arguments()
    load_before = os.getloadavg()
    for size in options.sizes:
        with stores(core=LOAD_CORE) as stands, Load(LOAD_CORE) as load:
            print(of_size(size, options, stands, load), flush=True)
    print(f"\nLoad average before {load_before[0]:.1f}, after {os.getloadavg()[0]:.1f}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.uploads")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10], help="readings in an upload, a table each (10)")
    parser.add_argument("--starts", type=int, default=3, help="how often the servers are started anew (3)")
    parser.add_argument("--rounds", type=int, default=8, help="slices of each contender after each start (8)")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a slice (0.5)")
    parser.add_argument("--connections", type=int, default=4, help="keep-alive connections (4)")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of the contenders to run")
    return parser.parse_args()


def of_size(size: int, options: argparse.Namespace, stands: Stores, load: Load) -> str:
    """Measure uploads of one size, and return the table."""
    contenders = Field(stands, python_of_peers()).contenders(options.only)
    entrants = [Entrant(each, Uploads(each, size, options.connections), []) for each in contenders]
    for number in range(options.starts):
        with ExitStack() as running:
            servers = [running.enter_context(server(each.contender, stands)) for each in entrants]
            if not number:
                check(entrants, servers, load)
            for round_number in range(options.rounds + 1):
                one_round(entrants, servers, stands, load, options.seconds, counts=bool(round_number))
    slices = {each.contender.name: each.slices for each in entrants}
    return table(size, slices, *storage(entrants, stands, load))


def server(contender: Contender, stands: Stores) -> WebServer:
    """Return the server of a contender."""
    log = stands.folder / f"{contender.name.split(',')[0].replace(' ', '-')}.log"
    return WebServer(contender.program, core=SERVERS_CORE, log=log)


def check(entrants: Sequence[Entrant], servers: Sequence[WebServer], load: Load) -> None:
    """Exit with a message if a contender does not do the job."""
    for each, running in zip(entrants, servers, strict=True):
        drive = replace(each.uploads.new_drive(), size=SIZE_OF_CHECK)
        each.uploads.start(running, load)
        Check(each.contender.name, running, drive).run()
        each.known_before = each.contender.readings()


def one_round(
    entrants: Sequence[Entrant],
    servers: Sequence[WebServer],
    stands: Stores,
    load: Load,
    seconds: float,
    *,
    counts: bool,
) -> None:
    """Upload to everybody for the length of a slice."""
    for each, running in zip(entrants, servers, strict=True):
        measured, result = one_slice(each.uploads.job(running, load, seconds), running, stands, load)
        each.uploads.went(result.by_caller, result.seconds)
        if counts:  # The first round warms everything up.
            each.slices.append(measured)


def require_all(entrant: Entrant) -> None:
    """Exit with a message if a contender has other readings than it has acknowledged."""
    found = entrant.contender.readings() - entrant.known_before
    if found != entrant.uploads.readings:
        raise SystemExit(f"{entrant.contender.name} has {found} of the {entrant.uploads.readings} readings it took in")


def storage(entrants: Sequence[Entrant], stands: Stores, load: Load) -> tuple[dict[str, float], Compaction]:
    """Return the bytes for a reading of each contender, and what the worker does to ours."""
    stored = {}
    for each in entrants:
        require_all(each)
        with server(each.contender, stands) as running:
            if each.contender.name == OURS:
                stored[OURS], compaction = measure_ours(each.uploads, running, stands, load)
            else:
                stored[each.contender.name] = bytes_per_reading(each.uploads, running, load)
    return stored, compaction


if __name__ == "__main__":
    main()
