"""What makes networks fast: devices, chunks, convolutions and sums."""
