"""The coherence checker: real processes under load and faults, and every read held against what was acknowledged.

    python -m bench.coherence --seconds 600 --faults all

See bench/README.md for what is counted. `registers` is the oracle, `load` calls the API, `faults` breaks things,
`stage` has the processes, `findings` counts, and `__main__` prints.
"""
