"""Objections of citizens: to a record, a score, a redemption, a decision."""
