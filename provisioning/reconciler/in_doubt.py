"""What the portal has sent to AWS without learning the outcome, as one text in a row: the
fingerprints of all such writes since the last one of which it knows. AWS may show any of them."""

# Of very many in a row, AWS shows one of the last.
KEPT = 20


def sent(attempted: str) -> set[str]:
    """The fingerprints in a row's text."""
    return set(attempted.split())


def and_sent(attempted: str, fingerprint: str) -> str:
    """The row's text once this is sent, too."""
    others = [each for each in attempted.split() if each != fingerprint]
    return " ".join([*others, fingerprint][-KEPT:])
