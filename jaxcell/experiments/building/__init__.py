"""The data sets that a training needs, built before it."""
