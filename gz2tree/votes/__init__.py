"""Votes and what they leave open: counts, likelihoods, calibration, intervals, information."""
