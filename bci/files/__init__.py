"""Recordings of other programs, read into the vocabulary of `bci`, cleaned and counted."""

from bci.files.reading import read_recording
from bci.files.recording import Marker, Recording

__all__ = ["Marker", "Recording", "read_recording"]
