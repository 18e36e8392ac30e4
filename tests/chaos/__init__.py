"""Faults on purpose: real processes, a vendor that charges on arrival, and what must hold afterwards."""
