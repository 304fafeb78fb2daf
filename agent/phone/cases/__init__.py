"""What a server for chan_websocket must stand, a file per part of a call.

case.py says what a case is and plays Asterisk for it; conformance.py runs them all.
"""
