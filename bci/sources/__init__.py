"""Acquisition adapters, one a file, behind the registry of `bci.registry`."""
