"""Connections to devices: each is one file that says how commands and files reach them."""
