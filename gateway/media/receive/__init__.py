"""The receive half: from datagrams to the caller's unbroken line of audio, and to digits."""
