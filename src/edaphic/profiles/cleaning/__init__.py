"""What is repaired and dropped, and profiles that occur twice."""
