"""The network beyond this house: addresses that strangers gave us."""
