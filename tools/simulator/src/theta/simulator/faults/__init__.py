"""Faults that the control API can arm."""
