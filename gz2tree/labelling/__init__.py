"""From tables of votes, of whichever survey, to labels."""
