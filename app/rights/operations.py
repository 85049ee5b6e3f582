"""What a citizen may ask for; the topics stand in the modules beside this one."""

from app.rights.consents import ask, give, list_standing, refuse, sign_receipt, withdraw
from app.rights.leaving import erase_due, leave, replay

__all__ = [
    "ask",
    "erase_due",
    "give",
    "leave",
    "list_standing",
    "refuse",
    "replay",
    "sign_receipt",
    "withdraw",
]
