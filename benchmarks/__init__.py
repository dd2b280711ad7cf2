"""Side-by-side measurements of skem against its peers: ``python -m benchmarks``."""
