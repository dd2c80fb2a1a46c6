"""The coherence checker: real processes under load and faults, and every read held against what was acknowledged.

    python -m bench.coherence --seconds 600 --faults all

See bench/README.md for what is counted. `registers` is the oracle, the kinds of `load` call the API (`reader`,
`writers`, `churner`, `leaver`), `faults` break things, `stage` has the processes, `findings` counts, and `command`
prints.
"""
