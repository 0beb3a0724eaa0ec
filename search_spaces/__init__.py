"""The built-in search spaces, found by `nas` through entry points like anybody else's."""
