"""Source tables of any layout into the raw horizon table."""
