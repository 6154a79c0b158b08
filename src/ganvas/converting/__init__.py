"""Weights of others that fit an architecture known here, as model folders."""
