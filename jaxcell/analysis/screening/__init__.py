"""From wells to hits, doses and designs."""
