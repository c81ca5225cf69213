"""Bulk density and coarse fragments: measured, or estimated with provenance and error."""
