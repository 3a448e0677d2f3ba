"""The values of settings that the engine receives with a model. It imports neither the settings nor Redis."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

Memory = Literal["auto", "normal", "low", "lowest"]
Compile = Literal["off", "blocks"]
MAX_CPU_THREADS = 1024


def read_cpu_threads(value: object) -> object:
    """The number in a text; "auto" and numbers as they are. Raises ValueError."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if number != "auto" and not (type(number) is int and 1 <= number <= MAX_CPU_THREADS):
        raise ValueError(f"must be auto or a number from 1 to {MAX_CPU_THREADS}")
    return number


CpuThreads = Annotated[Literal["auto"] | int, BeforeValidator(read_cpu_threads)]
