"""Export: a recorded session in the formats that the field uses, one format a file; de-identified by default."""

FORMATS = ("bids", "fif", "edf", "csv", "parquet")
