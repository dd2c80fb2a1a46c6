"""Measure the hot read against a bare Flask route, raw WSGI and the ways in which others cache and authenticate.

    python -m bench.hot_read [--rounds 9] [--seconds 1.0] [--connections 16] [--only TEXT ...]

Every server has one process pinned to core 0, the gunicorn ones with 4 threads; the load, Valkey and PostgreSQL are on
core 1. All servers run all the time and are asked in turn, a slice each; a round is one slice of everybody. What counts
is CPU time per request of the server's processes: unlike the time on the wall it hardly depends on who else is busy on
the machine. A ratio is the bare Flask route's CPU time over the contender's in the same round; tables show medians.
"""

import argparse
import os
from contextlib import ExitStack

from bench.contenders import BARE, COLD, LIST, OURS, READ, Contender, Field
from bench.cpu import cpu_us
from bench.load import Job, Load
from bench.peer_environment import python_of_peers
from bench.rows import insert_sessions, session_id
from bench.servers import Program, WebServer, bearer
from bench.slices import Slice, table
from bench.stores import Stores, stores
from webapp.cache import keys
from webapp.extensions import db

SERVERS_CORE, LOAD_CORE = 0, 1


def main() -> None:
    """Run the benchmark and print its table."""
    options = arguments()
    load_before = os.getloadavg()
    peers_python = python_of_peers()
    with stores(core=LOAD_CORE) as stands, Load(LOAD_CORE) as load, ExitStack() as running:
        contenders = prepared(Field(stands, peers_python), options.only)
        servers = started(contenders, stands, running)
        slices: dict[str, list[Slice]] = {contender.name: [] for contender in contenders}
        for round_number in range(options.rounds + 1):
            for contender in contenders:
                measured = measure(contender, servers[contender.name], stands, load, options)
                if round_number:  # The first round warms everything up.
                    slices[contender.name].append(measured)
    print(f"Load average before {load_before[0]:.1f}, after {os.getloadavg()[0]:.1f}\n")
    print(table(slices, BARE))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.hot_read")
    parser.add_argument("--rounds", type=int, default=9, help="slices of each contender (9)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a slice (1.0)")
    parser.add_argument("--connections", type=int, default=16, help="keep-alive connections (16)")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of the contenders to run")
    return parser.parse_args()


def prepared(field: Field, only: list[str]) -> list[Contender]:
    """Fill database and cache, and return the contenders."""
    stands = field.stores
    with stands.app.app_context():
        insert_sessions(db.engine, len(READ) + COLD)
    stands.warm(READ)
    client = stands.app.test_client()
    driver = {"headers": bearer(stands.token_of(0))}
    bodies = {n: client.get(f"{LIST}/{session_id(n)}", headers=bearer(stands.token_of(n // 20))).data for n in READ}
    (stands.folder / "list.json").write_bytes(client.get(LIST, **driver).data)
    field.seed_peers(bodies)
    every = [*field.ours(), *field.peers()]
    return [each for each in every if not only or each.name in (BARE, OURS) or any(part in each.name for part in only)]


def started(contenders: list[Contender], stands: Stores, running: ExitStack) -> dict[str, WebServer]:
    """Start every server once, and return the one of each contender."""
    servers: dict[int, WebServer] = {}
    for number, contender in enumerate(contenders):
        program: Program = contender.program
        if id(program) not in servers:
            log = stands.folder / f"server-{number}.log"
            servers[id(program)] = running.enter_context(WebServer(program, core=SERVERS_CORE, log=log))
    return {contender.name: servers[id(contender.program)] for contender in contenders}


def measure(contender: Contender, server: WebServer, stands: Stores, load: Load, options: argparse.Namespace) -> Slice:
    """Measure one slice of one contender."""
    if contender.is_cold:
        cold = range(len(READ), len(READ) + COLD)
        with stands.app.app_context():
            stands.cache.client.delete(*(keys.session(session_id(n)) for n in cold))
    seconds = 0.0 if contender.is_cold else options.seconds
    job = Job(server.port, contender.requests, options.connections, seconds, contender.status)
    before = cpu_us(server.pid), cpu_us(stands.valkey.pid) + cpu_us(stands.postgres.pid)
    result = load.run(job)
    after = cpu_us(server.pid), cpu_us(stands.valkey.pid) + cpu_us(stands.postgres.pid)
    used, used_by_stores = ((now - then) / result.answers for now, then in zip(after, before, strict=True))
    return Slice.of(result, cpu_us=used, stores_cpu_us=used_by_stores)


if __name__ == "__main__":
    main()
