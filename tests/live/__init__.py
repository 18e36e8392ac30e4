"""The contract against the real vendors. Opt-in: it needs keys, and it spends money."""
