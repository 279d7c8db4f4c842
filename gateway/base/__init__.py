"""Floor 0: time, identifiers, serial numbers, errors and redaction. Imports the standard library only."""
