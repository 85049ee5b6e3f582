"""Deaths that are reported, what citizens arranged for afterwards, what near relatives ask for."""
