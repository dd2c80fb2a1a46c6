"""Drives: their sessions, readings and summaries."""
