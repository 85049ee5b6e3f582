"""What is disputed, marked in one place for every room that shows it."""
