"""Closed-loop programming of listed cells; the stages of programming/schemes/write_verify.py are its reference."""

from .cpu import compile_bring as compile_bring
from .cpu import compile_verify as compile_verify
from .cpu import keys as keys
from .cpu import read_listed as read_listed
from .cpu import turns_for as turns_for
