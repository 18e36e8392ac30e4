"""A stranger's tool reads the contract and tries what it allows, and what it does not."""
