"""From predictions to science: clean samples, classes, purity, errors in bins, coverage."""
