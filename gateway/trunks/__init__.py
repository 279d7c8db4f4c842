"""Floor 2: trunks and accounts as the outside knows them: where calls are sent, who is registered, what is up."""
