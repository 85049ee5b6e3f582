"""The keys of a catalogue file, once: what reads them, and what editors know of them."""

from __future__ import annotations

from typing import Final

from app.benefits.values import VALUE_KEYS
from app.kernel.keyed_documents import Key, Kind

SCHEMA_TITLE: Final = "Benefits of a city"
CLAIMED_KINDS: Final = ("entitlement", "ticket")  # claimed as vouchers
KINDS: Final = (*CLAIMED_KINDS, "guarantee", "statement")
PERIODS: Final = ("day", "week", "month", "year", "ever")
PAYERS: Final = ("programme", "merchant", "operator", "sponsor")

STEP = {
    "least_score": Key(Kind.WHOLE, "From this score on,"),
    "value": Key(Kind.TABLE, "this is given.", keys=VALUE_KEYS),
}
HONOUR = {
    "record_type": Key(Kind.TEXT, "Who holds a record of this type of the information catalogue"),
    "items": Key(Kind.TEXTS, "with one of these items; without them any", needed=False),
    "value": Key(Kind.TABLE, "gets this, whatever the score.", keys=VALUE_KEYS),
}
LIMIT = {
    "count": Key(Kind.WHOLE, "How many one person may claim in"),
    "period": Key(Kind.TEXT, "a period in the city.", choices=PERIODS),
}
SLOTS = {
    "capacity": Key(Kind.WHOLE, "How many places each slot has."),
    "hours": Key(Kind.WHOLE, "How long a slot is; without it the whole day.", needed=False),
    "days_ahead": Key(Kind.WHOLE, "How many days ahead a slot is chosen; 0 is today."),
    "give_back_before_seconds": Key(
        Kind.WHOLE, "It is given back until so long before its slot begins."
    ),
}
SUBSIDY = {
    "payer": Key(Kind.TEXT, "Who pays.", choices=PAYERS),
    "fen": Key(Kind.WHOLE, "How much, for each voucher."),
}
BENEFIT = {
    "code": Key(Kind.TEXT, "What it goes by: small letters, digits, _."),
    "version": Key(Kind.WHOLE, "A published version never changes."),
    "name": Key(Kind.TEXT, "What citizens read."),
    "kind": Key(Kind.TEXT, "How it is used.", choices=KINDS),
    "valid_from": Key(Kind.DATE, "Its first day."),
    "valid_to": Key(Kind.DATE, "Its last day.", needed=False),
    "weekdays": Key(Kind.NUMBERS, "1 is Monday; without it every day.", needed=False),
    "open_from": Key(Kind.TIME, "Taken from this hour of the city", needed=False),
    "open_until": Key(Kind.TIME, "until this one.", needed=False),
    "merchants": Key(Kind.TEXT, "Who takes it.", choices=("all", "listed")),
    "consent_purpose": Key(
        Kind.TEXT, "Without this consent the receiver is told the baseline.", needed=False
    ),
    "price_points": Key(Kind.WHOLE, "Points that it costs everybody.", needed=False),
    "voucher_life_seconds": Key(
        Kind.WHOLE,
        "How long what was claimed or stated is good; with slots left out.",
        needed=False,
    ),
    "annul_window_seconds": Key(Kind.WHOLE, "How long a clerk may take it back.", needed=False),
    "claim_limit": Key(Kind.TABLE, "The limit of each person.", needed=False, keys=LIMIT),
    "claim_limits": Key(
        Kind.TABLES,
        "Several limits at once, the shortest period first; or else claim_limit.",
        needed=False,
        keys=LIMIT,
    ),
    "slots": Key(
        Kind.TABLE, "Days or hours that the citizen chooses from.", needed=False, keys=SLOTS
    ),
    "stock": Key(Kind.WHOLE, "How many there are; without it no end.", needed=False),
    "subsidy": Key(Kind.TABLE, "Who pays how much.", needed=False, keys=SUBSIDY),
    "budget_fen": Key(Kind.WHOLE, "What subsidies may come to.", needed=False),
    "offline_allowed": Key(Kind.FLAG, "Can be shown without a network.", needed=False),
    "offline_worth_fen": Key(
        Kind.WHOLE,
        "What one use off line costs at most when it turns out wrong; a subsidy says it itself.",
        needed=False,
    ),
    "offline_unsent_max": Key(
        Kind.WHOLE, "How many uses one device takes off line before it uploads.", needed=False
    ),
    "confirm_above_fen": Key(
        Kind.WHOLE,
        "Of a guarantee: above this amount the holder confirms on their own phone.",
        needed=False,
    ),
    "stacking_group": Key(
        Kind.TEXT, "Of benefits with the same word one voucher at a time.", needed=False
    ),
    "baseline": Key(Kind.TABLE, "What everybody gets, with or without a card.", keys=VALUE_KEYS),
    "tiers": Key(Kind.NAMED, "What each tier gets; or else steps.", needed=False, keys=VALUE_KEYS),
    "step": Key(Kind.TABLES, "What is given from a score on.", needed=False, keys=STEP),
    "honour": Key(
        Kind.TABLES,
        "What honoured people get: each at least the one before it, and the highest tier.",
        needed=False,
        keys=HONOUR,
    ),
    "illustrative": Key(Kind.TEXTS, "Keys that no published source gives.", needed=False),
}
CATALOGUE = {
    "programme": Key(Kind.TEXT, "The city's programme.", needed=False),
    "tiers": Key(Kind.TEXTS, "The tiers of its scheme, the lowest first.", needed=False),
    "benefit": Key(Kind.TABLES, "The benefits.", keys=BENEFIT),
}
