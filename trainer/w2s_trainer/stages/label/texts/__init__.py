"""Labelers where texts are written: one module for each that has more to do there than for classes."""
