"""The study's U-Net, which learns the masks that label a data set."""
