"""Plays drives against a running server as an app would: over HTTP only. Imports nothing of the server's code."""
