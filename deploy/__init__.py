"""What puts the bot on other people's machines."""
