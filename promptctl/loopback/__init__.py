"""Servers on this machine: their sockets, who is at the other end, and their connections."""
