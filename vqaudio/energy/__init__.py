"""Time, energy and CO2e of models, each measured, estimated or absent."""
