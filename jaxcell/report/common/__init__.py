"""What all reports share: style, words, pages and the terminal."""
