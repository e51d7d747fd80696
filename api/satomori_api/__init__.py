"""Authorised queries and the HTTP interface on them."""
