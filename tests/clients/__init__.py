"""Clients that strangers' generators make from the published contract, and a journey with each."""
