"""Credit repair: adverse records that end, early or by themselves, and who is told so."""
