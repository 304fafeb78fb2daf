"""The media websocket of a call, without the websocket. Values and text only.

Asterisk's chan_websocket (22.10.1, as measured) is the client; we are the server.
One socket is one call.

    Asterisk -> us                          us -> Asterisk
    MEDIA_START   first, always             ANSWER  HANGUP
    binary        one RTP packet, as the    binary     whole frames, any number
                  caller sent it            MARK_MEDIA -> MEDIA_MARK_PROCESSED
    DTMF_END      one key                   FLUSH_MEDIA
    MEDIA_XOFF / MEDIA_XON                  PAUSE_MEDIA / CONTINUE_MEDIA
    STATUS        asked for                 GET_STATUS
    QUEUE_DRAINED once per request          REPORT_QUEUE_DRAINED
    MEDIA_BUFFERING_COMPLETED               START_ / STOP_MEDIA_BUFFERING
    ERROR         a command was refused     SET_MEDIA_DIRECTION  (JSON only)
    close         the end, however caused   close

- Audio is BINARY, control is TEXT, as JSON or plain text: f(json), f(plain-text).
- Asterisk plays one frame per tick (20 ms) from a queue: it owns the clock. It
  says MEDIA_XOFF at 900 frames, MEDIA_XON below 800, and drops messages without a
  word while 1000 or more are waiting.
- What is not a whole frame at the end of a message is thrown away, unless between
  START_ and STOP_MEDIA_BUFFERING.
- Marks wait in the queue like audio and are answered on the tick after the last
  frame before them. FLUSH_MEDIA takes audio and marks away: those are never
  answered. A pause and a drained report survive it.
- A command over 128 bytes, or one unknown, gets no answer: only Asterisk's own log
  tells. JSON that cannot be read gets ERROR.
- Nothing is said of hold, hang-up or answer. Silence of ours is silence on the
  line: no RTP at all.

events, commands    what is said, and both spellings of it
envelope            a third dialect: audio as base64 in JSON (not Asterisk's own)
dialect, mirror     one interface over the three: our side, and Asterisk's side
playqueue           the driver's queue, for what plays Asterisk
audiosocket         another protocol, for older Asterisk: sound and keys over TCP
audio, playout      codecs; how much of what was sent has still to be heard
fields, errors      strict reading of a peer's JSON; who broke the rules
"""
