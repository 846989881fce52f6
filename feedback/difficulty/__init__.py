"""The next difficulty, from behaviour and focus: plain objects that read no clock and do no I/O, one policy a file."""
