"""Accounts, over HTTP where a client can see it."""
