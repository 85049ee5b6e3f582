"""What a citizen may ask for: consents, leaving, and all that follows from them."""
