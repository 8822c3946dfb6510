"""Carries events to people, durably."""
