"""Can conditions be told apart, and from what?"""
