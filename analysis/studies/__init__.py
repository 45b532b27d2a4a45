"""Pages of studies: search, pre-mortem, key drivers, learning, recorded answers."""
