"""`python -m elaaoms` is the `elaaoms` command."""

from elaaoms.cli import main

if __name__ == "__main__":
    main()
