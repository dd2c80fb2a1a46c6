"""Sums over readings: pure functions, without Flask, SQL or Redis.

A **reading** here is a dict of what a device measured: `seq`, `t` in ms since 1970, and those fields of the contract's
reading that it has.
"""
