"""Equivalent soil mass."""
