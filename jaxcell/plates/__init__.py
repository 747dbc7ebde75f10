"""The laboratory side: plate folders, layout workbooks and simulated plates become tidy tables."""
