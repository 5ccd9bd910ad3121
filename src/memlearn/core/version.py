"""The version of the package; `pyproject.toml` says the same, which a test holds."""

VERSION = "0.1.0"
