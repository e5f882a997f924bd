"""Breaks a whole installation on purpose, by a seed, and checks that nothing was lost."""
