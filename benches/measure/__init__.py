"""The benches: what a deploy costs, as the server saw it."""
