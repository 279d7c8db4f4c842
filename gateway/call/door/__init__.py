"""Who may enter, and how much: every request of a stranger or a trunk is judged here before anything is kept of it."""
