"""What a call is. Values only: standard library, no clock, no I/O."""
