"""Sessions: what was recorded of whom, the trials and markers in it, and how it survives the end of a process."""
