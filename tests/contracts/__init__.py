"""Contracts: whatever a later change can forget has a test here that fails and says what was forgotten."""
