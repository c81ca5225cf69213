"""Change between periods: of totals, of cells, at revisited sites; trends over many periods."""
