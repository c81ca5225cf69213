"""Descriptions of samples and maps: histograms, transects, shares, biomes, series."""
