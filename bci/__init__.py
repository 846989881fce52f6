"""Devices become chunks on one clock: vocabulary, firmware profiles and acquisition adapters."""
