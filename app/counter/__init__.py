"""For people without a smartphone: paper cards, and what stands behind them at a counter."""
