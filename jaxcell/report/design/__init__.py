"""The page of a plate laid out before the experiment."""
