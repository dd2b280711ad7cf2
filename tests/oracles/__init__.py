"""Slow, obvious reference code: scipy.stats, explicit loops, closed forms, exact arithmetic."""
