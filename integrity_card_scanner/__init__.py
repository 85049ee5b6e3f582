"""Scanning offline: verify codes without the platform, remember what was scanned, upload it later.

It needs no database and nothing of the application; the application signs with the same formats.
"""
