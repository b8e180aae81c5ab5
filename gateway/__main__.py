"""`python -m gateway`, and the console script `fareway`."""

from gateway.cli.main import app


def main() -> None:
    app()


if __name__ == "__main__":
    main()
