"""Closed-loop programming of listed cells; the stages of programming/schemes/write_verify.py are its reference."""

from .cpu import compile_verify as compile_verify
from .cpu import keys as keys
