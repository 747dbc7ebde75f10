"""The study itself: an autoencoder and a regressor, trained, evaluated and applied."""
