"""What tests and benchmarks share: people who call, fleets of real processes, addresses of servers that may be cut off,
recorded drives, and the checker.

It imports webapp, worker and embedded, and neither tests nor bench: who stands on it may be either of them.
"""
