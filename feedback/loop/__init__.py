"""The loop closes here: trials and focus come in, the next difficulty and proposals go out; what counts is on disk."""
