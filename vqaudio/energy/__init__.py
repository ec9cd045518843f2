"""Seconds, joules and CO2e of what models do, each measured, estimated or absent."""
