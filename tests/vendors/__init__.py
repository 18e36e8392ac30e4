"""Vendors on the loopback: each as strict as the real one, and each can be told to misbehave."""
