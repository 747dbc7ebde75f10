"""What is in each well: layout workbooks and tables."""
