"""The card's own client of the outside identity services: WeChat and the city's real-name check.

Imports nothing from the application and knows no web framework; ``sandbox`` is a separate
server that answers like the real services and is used by the demo and the tests.
"""
