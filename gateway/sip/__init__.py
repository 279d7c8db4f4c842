"""SIP (RFC 3261) as a protocol core: messages, transactions, dialogs and the user agent. ``transport`` is its edge."""
