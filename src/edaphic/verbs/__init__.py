"""Verbs of their own: from one file to another, without a run folder."""
