"""Shared HTTP habits: one error shape, strict bodies, conditional requests, idempotency, request ids."""
