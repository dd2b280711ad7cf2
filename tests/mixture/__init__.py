"""Tests of `skem.mixture`."""
