"""Measure the hot read against a bare Flask route, raw WSGI and the ways in which others cache and authenticate.

    python -m bench.hot_read [--starts 3] [--rounds 8] [--seconds 0.5] [--connections 16] [--only TEXT ...]

Every server has one process pinned to core 0, the gunicorn ones with 4 threads; the load, Valkey and PostgreSQL are on
core 1. All servers run at the same time and are asked in turn, a slice each; a round is one slice of everybody. They
are started anew a few times, because where a process happens to lie in memory makes up to a tenth of its speed. What
counts is CPU time per request of the server's processes: unlike the time on the wall it hardly depends on who else is
busy on the machine. A ratio is a bare Flask route's CPU time over the contender's in the same round: of one
that sends our body, and of one that sends our headers too, which is the same answer. Tables show medians.
"""

import argparse
import os
from contextlib import ExitStack

from bench.contenders import BARE, COLD, OURS, READ, SAME_ANSWER, Contender, Field
from bench.load import Load
from bench.peer_environment import python_of_peers
from bench.rows import insert_sessions, session_id
from bench.servers import LOAD_CORE, SERVERS_CORE, Program, WebServer
from bench.slices import Slice, slice_of, table
from bench.stores import Stores, stores
from webapp.database import db
from webapp.driving.cached_sessions import SESSIONS


def main() -> None:
    """Run the benchmark and print its table."""
    options = arguments()
    load_before = os.getloadavg()
    peers_python = python_of_peers()
    with stores(core=LOAD_CORE) as stands, Load(LOAD_CORE) as load:
        contenders = prepared(Field(stands, peers_python), options.only)
        slices: dict[str, list[Slice]] = {contender.name: [] for contender in contenders}
        for _ in range(options.starts):
            with ExitStack() as running:
                servers = started(contenders, stands, running)
                for number in range(options.rounds + 1):
                    measured = one_round(contenders, servers, stands, load, options)
                    for name in slices if number else ():  # The first round warms everything up.
                        slices[name].append(measured[name])
    print(f"Load average before {load_before[0]:.1f}, after {os.getloadavg()[0]:.1f}\n")
    print(table(slices, BARE, SAME_ANSWER))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.hot_read")
    parser.add_argument("--starts", type=int, default=3, help="how often the servers are started anew (3)")
    parser.add_argument("--rounds", type=int, default=8, help="slices of each contender after each start (8)")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a slice (0.5)")
    parser.add_argument("--connections", type=int, default=16, help="keep-alive connections (16)")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of the contenders to run")
    return parser.parse_args()


def one_round(
    contenders: list[Contender],
    servers: dict[str, WebServer],
    stands: Stores,
    load: Load,
    options: argparse.Namespace,
) -> dict[str, Slice]:
    """Ask every contender for the length of a slice, and return what each took."""
    measured = {}
    for contender in contenders:
        if contender.is_cold:
            cool(stands)
        server = servers[contender.name]
        job = contender.job(server.port, options.connections, options.seconds)
        measured[contender.name] = slice_of(job, server, stands, load)
    return measured


def prepared(field: Field, only: list[str]) -> list[Contender]:
    """Fill database and cache, and return the contenders."""
    stands = field.stores
    with stands.app.app_context():
        insert_sessions(db.engine, COLD.stop)
    stands.warm(READ)
    field.seed_peers()
    every = [*field.ours(), *field.peers()]
    return [
        each
        for each in every
        if not only or each.name in (BARE, SAME_ANSWER, OURS) or any(part in each.name for part in only)
    ]


def started(contenders: list[Contender], stands: Stores, running: ExitStack) -> dict[str, WebServer]:
    """Start every server once, and return the one of each contender."""
    servers: dict[int, WebServer] = {}
    for number, contender in enumerate(contenders):
        program: Program = contender.program
        if id(program) not in servers:
            log = stands.folder / f"server-{number}.log"
            servers[id(program)] = running.enter_context(WebServer(program, core=SERVERS_CORE, log=log))
    return {contender.name: servers[id(contender.program)] for contender in contenders}


def cool(stands: Stores) -> None:
    """Take the sessions that are to be missed out of the cache."""
    stands.cache.client.delete(*(SESSIONS.key(session_id(n)) for n in COLD))


if __name__ == "__main__":
    main()
