"""The pictures of a labelling sheet, and the report of estimators scored on its answers."""
