"""Other products: on our grid, depth and unit; how they agree."""
