"""The player of drives: alone, against a server that is told what to answer, and against the real application."""
