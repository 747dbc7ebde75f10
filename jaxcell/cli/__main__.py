"""`python -m jaxcell.cli`."""

from jaxcell.cli import main

if __name__ == "__main__":
    main()
