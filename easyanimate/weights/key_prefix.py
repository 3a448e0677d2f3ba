"""Detects names of weights that differ from the expected ones only by a prefix, as training wrappers write them."""

from collections.abc import Iterable, Set

_WRAPPERS = ("_orig_mod.", "module.")  # of torch.compile and parallel training; they also occur inside names


def describe_prefix(missing: Set[str], unexpected: Set[str]) -> str:
    """A sentence that names the prefix between two sets of names; empty if there is none."""
    if not missing or not unexpected:
        return ""
    if prefix := _common_prefix(missing, unexpected):
        if len(missing) == len(unexpected):
            return f"only the prefix {prefix!r} differs; remove it from the names in the file"
        return f"the missing names exist with the prefix {prefix!r}; keep only these, without the prefix"
    if prefix := _common_prefix(unexpected, missing):
        return f"the names in the file lack the prefix {prefix!r}; add it to them"
    for part in _WRAPPERS:
        if {name.replace(part, "") for name in unexpected} == missing:
            return f"only the part {part!r} differs; remove it from the names in the file"
    return ""


def _common_prefix(names: Set[str], longer: Set[str]) -> str:
    """The text before each of `names` among the `longer` ones, up to a dot; empty if there is none."""
    name = min(names)
    for prefix in _prefixes(name, longer):
        if all(prefix + other in longer for other in names):
            return prefix
    return ""


def _prefixes(name: str, longer: Iterable[str]) -> list[str]:
    prefixes = (other.removesuffix(name) for other in longer if other.endswith(f".{name}"))
    return sorted(prefixes, key=lambda prefix: (len(prefix), prefix))
