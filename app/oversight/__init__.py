"""Oversight: how the programme treats people, in figures and in cases, for operators."""
