"""Lab Streaming Layer: what the inlet adapter, discovery and the outlet share."""
