"""Observed values by class and along covariates: tests, letters, response curves, change points."""
