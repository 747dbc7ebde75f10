"""U-Nets that find cells or learn masks."""
