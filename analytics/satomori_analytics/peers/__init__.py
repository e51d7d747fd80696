"""An asset against its like, across owners: who is alike (`grouping`), how it differs (`comparing`); `rules.toml`."""
