"""The scaffolder road: template -> parameters -> task -> steps -> actions -> events -> event stream."""
