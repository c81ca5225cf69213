"""Depth functions: the mass-preserving spline and the beta function."""
