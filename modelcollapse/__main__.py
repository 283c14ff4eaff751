"""`python -m modelcollapse` is the command `modelcollapse`."""

from modelcollapse.cli import main

if __name__ == "__main__":
    main()
