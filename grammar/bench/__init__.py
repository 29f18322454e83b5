"""Timing of masks, ours beside other engines, on the same texts in the same run."""
