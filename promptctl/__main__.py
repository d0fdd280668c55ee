"""`python -m promptctl`."""

from promptctl.cli.program import main

if __name__ == "__main__":
    main()
